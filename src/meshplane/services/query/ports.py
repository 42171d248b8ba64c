"""What the query service needs of an engine: to run one governed statement, and to say how."""

from dataclasses import dataclass
from typing import Protocol

from meshplane.services.query.access import Access
from meshplane.services.query.sandbox import Outcome, Sink, Statement


@dataclass(frozen=True, slots=True)
class Asked:
    """A statement that somebody sent.

    Args:
        statement: text, parameters, form of the answer, and limits.
        access: what may be read; filled with what was opened while the statement runs.
    """

    statement: Statement
    access: Access


class QueryEngine(Protocol):
    """Runs statements over what their senders may see, and nothing else.

    Statements are written in one dialect, whatever engine runs them: DuckDB's.
    """

    async def run(self, asked: Asked, sink: Sink | None = None) -> Outcome:
        """The answer to a statement.

        It ends, also at the engine, when whoever waits for it is cancelled.

        Args:
            asked: the statement.
            sink: takes the body piece by piece, within the time of the statement; then `body` of
                the outcome is empty. What it got before an error is raised is no answer.

        Raises:
            Refused: `SQL_REFUSED`, it uses what no statement may use here; `ACCESS_REQUIRED`,
                `GRANT_BROKEN`, as `Access.resolve`.
            Invalid: `SQL_INVALID`, it is wrong as written; `SQL_RUNTIME`, it failed on a value.
            LimitReached: `SQL_LIMIT`, it used up its time, memory, nesting, bytes or size.
            Unavailable: the engine is not to be had.
        """
        ...

    async def explain(self, asked: Asked) -> Outcome:
        """How a statement would be run, told from what its sender sees and nothing else.

        Returns:
            Rows of four texts as JSON: schema, relation, name and type of each column that is
            seen; and one whose first three are empty, with the plan.

        Raises:
            MeshplaneError: as `run`.
        """
        ...
