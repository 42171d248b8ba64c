"""How the command line speaks: tables and panels for people, one JSON document for programs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from meshplane.kit.errors import MeshplaneError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.panel import Panel
    from rich.table import Table

Item = Mapping[str, Any]
Columns = Sequence[tuple[str, str | Callable[[Item], Any]]]

# What is copied, or would read badly in two lines.
_ON_ONE_LINE = frozenset(
    {"At", "Committed", "Entity", "Id", "Name", "No.", "Outcome", "Passed", "Quality", "Run"}
    | {"Score", "Snapshot", "Started", "Status", "Time"}
)
_PIPE_WIDTH = 160
_ADVICE = {
    "TOKEN_EXPIRED": "Get a new token with `meshplane token`.",
    "TOKEN_ISSUER": "Take a token of this server's issuer: `meshplane token --home …`.",
    "TOKEN_SIGNATURE": "Take a token of this server's issuer: `meshplane token --home …`.",
    "ACCESS_REQUIRED": "Request it with `meshplane subscriptions request`.",
    "SELF_APPROVAL": "Another steward or owner of the domain has to decide.",
    "STALE": "Read it again, then repeat the change.",
    "REQUEST_CHANGED": "Read it with `meshplane subscriptions show`; decide with its --version.",
    "GRANT_OF_SUBSCRIPTION": "Revoke it with `meshplane subscriptions revoke`.",
    "GRANT_BROKEN": "See what is wrong with `meshplane permissions explain`.",
}


def console(*, to_stderr: bool = False) -> "Console":
    """Where text for people goes."""
    from rich.console import Console

    found = Console(stderr=to_stderr, highlight=False)
    if not found.is_terminal:
        found.width = _PIPE_WIDTH  # a pipe has no edge; what reads it wants whole lines
    return found


def print_json(document: Any) -> None:
    """Prints one JSON document to standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def text_of(value: Any) -> str:
    """A JSON value as a person reads it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return ", ".join(text_of(entry) for entry in value)
    if isinstance(value, Mapping):
        said = ((key, entry) for key, entry in value.items() if entry is not None)
        return ", ".join(f"{key}: {text_of(entry)}" for key, entry in said)
    return str(value)


def shortened(text: str, length: int = 120) -> str:
    """The text, cut at a word to at most that many characters."""
    import textwrap

    return textwrap.shorten(text, length, placeholder=" …")


def person(principal: str) -> str:
    """A principal as it reads best: a user by his name alone, a group or service in full."""
    return principal.removeprefix("user:")


def moment(value: str | None) -> str:
    """An RFC 3339 instant, to the second."""
    if not value:
        return ""
    return datetime.fromisoformat(value).strftime("%Y-%m-%d %H:%M:%S")


def listing(
    items: Iterable[Item], columns: Columns, *, nothing: str, group_digits: bool = True
) -> "RenderableType":
    """A table of items. Names, ids and times stay on one line, so that they can be copied.

    Args:
        items: JSON objects.
        columns: for each a title, and the member to show or a function of the item.
        nothing: what to say when there are none.
        group_digits: whether 111279 reads 111,279; a year in a query's answer should not.
    """
    rows = [[_cell(item, source) for _, source in columns] for item in items]
    if not rows:
        return nothing
    table = plain_table()
    for index, (title, _) in enumerate(columns):
        numeric = all(isinstance(row[index], int | float) for row in rows)
        table.add_column(
            title,
            justify="right" if numeric else "left",
            overflow="fold",
            no_wrap=title in _ON_ONE_LINE,
        )
    for row in rows:
        table.add_row(*(escaped(_written(value, group_digits)) for value in row))
    return table


def facts(pairs: Iterable[tuple[str, Any]]) -> "RenderableType":
    """Names and values, one a line; those without a value are left out."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", [], {}):
            grid.add_row(name, escaped(text_of(value)))
    return grid


def plain_table() -> "Table":
    """The one style of tables."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=False)


def stacked(*parts: "RenderableType") -> "RenderableType":
    """Parts, one below the other."""
    from rich.console import Group

    return Group(*parts)


def problem_panel(error: MeshplaneError) -> "Panel":
    """A small panel that says what went wrong, in which fields, and what to do."""
    from rich.panel import Panel

    lines = [escaped(error.message)]
    for problem in error.fields:
        if problem.message == error.message:
            lines.append(f"[bold]Field:[/] {escaped(problem.field)}")
        elif not error.message.endswith(f"{problem.field}: {problem.message}"):
            # What is wrong with a single field is often the message itself.
            lines.append(f"[bold]{escaped(problem.field)}:[/] {escaped(problem.message)}")
    advice = _ADVICE.get(error.code)
    if advice:
        lines.append(f"[bold]What to do:[/] {advice}")
    trace = error.details.get("traceId")
    if trace:
        lines.append(f"[dim]Trace {escaped(str(trace))}[/]")
    return Panel("\n".join(lines), title=error.code, title_align="left", border_style="red")


def problem_document(error: MeshplaneError) -> dict[str, Any]:
    """The error as JSON: the server's own document where it sent one."""
    if "code" in error.details:
        return dict(error.details)
    return {
        "code": error.code,
        "detail": error.message,
        "errors": [{"field": f.field, "message": f.message} for f in error.fields],
    }


def _written(value: Any, group_digits: bool) -> str:
    whole = isinstance(value, int) and not isinstance(value, bool)
    return str(value) if whole and not group_digits else text_of(value)


def _cell(item: Item, source: str | Callable[[Item], Any]) -> Any:
    return item.get(source) if isinstance(source, str) else source(item)


def escaped(text: str) -> str:
    """Text from elsewhere, unable to steer the terminal or the markup."""
    from rich.markup import escape

    return escape("".join(c if c.isprintable() or c in "\n\t" else "�" for c in text))
