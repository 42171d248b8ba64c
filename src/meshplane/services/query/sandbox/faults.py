"""The four errors of governed SQL. Their text is ours; it never holds the engine's, nor data."""

from typing import Any

from meshplane.kit.errors import Invalid, LimitReached, MeshplaneError, Refused, Unavailable

_KINDS: dict[str, type[MeshplaneError]] = {
    "SQL_REFUSED": Refused,
    "SQL_INVALID": Invalid,
    "SQL_RUNTIME": Invalid,
    "SQL_LIMIT": LimitReached,
    "GRANT_BROKEN": Refused,
    "ROW_FILTER_INVALID": Invalid,
    "SANDBOX_UNAVAILABLE": Unavailable,
    "SANDBOX_BUSY": Unavailable,
}
_FIELDS = {"ROW_FILTER_INVALID": "rowFilter"}

NOT_SELECT = (
    "Only SELECT, and DESCRIBE of one table, may be run here; POST /query/explain plans a SELECT."
)
DEEP = (
    "The statement is nested too deeply, or its chain of operators is too long. "
    "Split it with WITH, or use IN (…) in place of many ORs."
)
MEMORY = (
    "The statement needs more memory than it may use. "
    "Read fewer columns or rows, or aggregate before sorting and joining."
)
GONE = "The statement used more time, memory or nesting than it may, and was stopped."
RUNTIME = (
    "The statement failed while it ran: a cast, a calculation or a function could not take one "
    "of its values, or a subquery used as a value gave several rows. "
    "TRY_CAST and TRY(…) give NULL in place of such a failure."
)
POLICY = "The policy of a table that this reads cannot be applied; the table's owner must mend it."
FILES = "The data of a table that this reads cannot be opened; the table's owner must mend it."


def fault(code: str, message: str) -> MeshplaneError:
    """The error of the project's tree that stands for one of this package's codes."""
    return _KINDS[code](code, message, field=_FIELDS.get(code, "sql"))


def refused(message: str) -> MeshplaneError:
    """The statement uses what no statement may use."""
    return fault("SQL_REFUSED", message)


def broken(table: str, domain: str) -> MeshplaneError:
    """Grants on a table let nothing through any more, because the table changed.

    Args:
        table: as `domain.asset`.
        domain: whose stewards can mend it.
    """
    return fault(
        "GRANT_BROKEN",
        f"{table} is granted to you, but its schema has changed since, and the grant does not fit "
        f"it any more: nothing is shown until a steward of the domain {domain} renews the grant.",
    )


def invalid(message: str) -> MeshplaneError:
    """The statement is not valid as it is written."""
    return fault("SQL_INVALID", message)


def runtime(message: str = RUNTIME) -> MeshplaneError:
    """The statement was valid and failed on a value."""
    return fault("SQL_RUNTIME", message)


def limit(message: str) -> MeshplaneError:
    """The statement used up what it may use."""
    return fault("SQL_LIMIT", message)


def to_json(error: MeshplaneError) -> dict[str, Any]:
    """The error as the child sends it."""
    return {"code": error.code, "message": error.message}


def from_json(value: dict[str, Any]) -> MeshplaneError:
    """The error that a child sent; an unknown code is no reason to say more than `SQL_RUNTIME`."""
    if value.get("code") in _KINDS and isinstance(value.get("message"), str):
        return fault(value["code"], value["message"])
    return runtime()
