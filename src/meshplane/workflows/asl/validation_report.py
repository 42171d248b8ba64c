"""What is wrong with a definition, and the place in it where it is wrong."""

import json
from dataclasses import dataclass, field

SCHEMA = "SCHEMA_VALIDATION_FAILED"
INVALID_JSON = "INVALID_JSON_DESCRIPTION"
MISSING_DESCRIPTION = "MISSING_DESCRIPTION"
MISSING_TARGET = "MISSING_TRANSITION_TARGET"
MISSING_END_STATE = "MISSING_END_STATE"
DUPLICATE_STATE = "DUPLICATE_STATE_NAME"
INVALID_STATE_NAME = "INVALID_STATE_NAME"
INVALID_RESOURCE = "INVALID_RESOURCE"
INVALID_LABEL = "INVALID_LABEL_NAME"
DUPLICATE_LABEL = "DUPLICATE_LABEL_NAME"
TOO_DEEP = "TOO_DEEPLY_NESTED"
TOO_LARGE = "DEFINITION_TOO_LARGE"
TOO_MANY_EXPRESSIONS = "TOO_MANY_EXPRESSIONS"
INVALID_JSONATA = "INVALID_JSONATA_EXPRESSION"
UNSUPPORTED_JSONATA = "UNSUPPORTED_JSONATA_EXPRESSION"

# A hostile document must not turn into an answer many times its size.
MOST_PROBLEMS_OF_ONE_SEVERITY = 500
_LONGEST_SEGMENT = 120
_LONGEST_QUOTE = 80


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a definition.

    Args:
        severity: "ERROR" (Step Functions refuses it) or "WARNING" (it is accepted, and a trap).
        code: stable, upper snake case; the codes of Step Functions where it has one.
        path: JSON pointer of the place (`/States/Approve/Next`); "/" is the whole definition.
        message: what is wrong and what to do.
    """

    severity: str
    code: str
    path: str
    message: str


@dataclass(slots=True)
class Report:
    """Collects problems, up to a limit for each severity.

    Args:
        problems: what was told.
        counts: how many of each severity.
        expressions: how many JSONata expressions were compiled; long ones count for several.
    """

    problems: list[Problem] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=lambda: {"ERROR": 0, "WARNING": 0})
    expressions: int = 0

    def full(self, severity: str) -> bool:
        """Whether no more problems of this severity are kept."""
        return self.counts[severity] >= MOST_PROBLEMS_OF_ONE_SEVERITY

    def add(self, severity: str, code: str, path: str, message: str) -> None:
        """Keeps a problem, unless there are too many already."""
        if not self.full(severity):
            self.counts[severity] += 1
            self.problems.append(Problem(severity, code, path, message))


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a definition, at which problems can be told.

    Args:
        report: where they are told.
        pointer: the place as a JSON pointer, empty for the whole definition.
        name: the last member's name or element's number.
    """

    report: Report
    pointer: str = ""
    name: str | int = ""

    def at(self, *names: str | int) -> "Place":
        """The place of a member or element below this one."""
        below = "".join(f"/{_segment(name)}" for name in names)
        return Place(self.report, self.pointer + below, names[-1])

    def error(self, message: str, code: str = SCHEMA) -> None:
        """Tells what Step Functions refuses. A message that starts with a verb gets the name."""
        if message.startswith(("must ", "is ")):
            element = isinstance(self.name, int)
            message = f"{'Element ' if element else ''}{quoted(self.name)} {message}"
        self.report.add("ERROR", code, self.pointer or "/", message)

    def warn(self, code: str, message: str) -> None:
        """Tells of a trap."""
        self.report.add("WARNING", code, self.pointer or "/", message)


def _segment(name: str | int) -> str:
    text = str(name)
    if len(text) > _LONGEST_SEGMENT:
        text = text[:_LONGEST_SEGMENT] + "…"
    text = text.replace("~", "~0").replace("/", "~1")
    return text.encode("utf-8", "backslashreplace").decode()


def quoted(value: object) -> str:
    """A piece of the definition as it stands in a message: JSON, cut where it is long."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if isinstance(value, str) and len(value) > _LONGEST_QUOTE:
        value = value[:_LONGEST_QUOTE] + "…"
    return json.dumps(value)[: 6 * _LONGEST_QUOTE]


def listed(names: list[str]) -> str:
    """Some names as a JSON list, the first few of many."""
    shown = ", ".join(quoted(name) for name in names[:8])
    return f"[{shown}]" if len(names) <= 8 else f"[{shown}, … {len(names) - 8} more]"
