"""What a query costs, and how much of that its caller may be told."""

from collections.abc import Sequence
from pathlib import Path

from meshplane.services.query.access import Opened
from meshplane.services.query.sandbox import Mask, Relation


def bytes_scanned(opened: Sequence[Opened]) -> int:
    """The size of the files that were planned for these relations; blocks.

    It is what a statement may have to read, not what the engine read of it in the end.
    """
    total = 0
    for one in opened:
        for file in one.scan.files:
            try:
                total += Path(file).stat().st_size
            except FileNotFoundError:
                continue  # expired since; whether the statement met it is told by its outcome
    return total


def sees_all(opened: Sequence[Opened]) -> bool:
    """Whether the caller sees each relation wholly: every row, every column, nothing masked.

    What lies below a view is not seen wholly, whatever the view shows of it.

    Only then may he be told how many bytes were planned: with a row filter or a mask, the number
    would count what is hidden from him, and its changes would tell of it.
    """
    return all(_is_whole(one.relation, len(one.scan.columns)) for one in opened)


def _is_whole(relation: Relation, columns: int) -> bool:
    """Whether one scope shows all, of as many columns as there are."""
    names = [column.policy_name for column in relation.columns]
    return (
        relation.body is None
        and len(names) == columns
        and any(
            scope.row_filter is None
            and all(name in scope.columns and _is_plain(scope.columns[name]) for name in names)
            for scope in relation.scopes
        )
    )


def _is_plain(mask: Mask | None) -> bool:
    return mask is None or mask.kind == "none"
