"""Why a statement failed on Athena, in the product's own errors. Athena's text goes no further."""

import re
from collections.abc import Mapping
from typing import Any

from meshplane.kit.errors import MeshplaneError, Missing, Unavailable
from meshplane.services.query.sandbox.faults import invalid, limit, runtime

_SYSTEM = 1  # of `ErrorCategory`
_NAME = re.compile(r"^\s*(?:FAILED: )?([A-Z][A-Z_]{4,})\b")
_NO_RIGHT = re.compile(
    r"insufficient (lake formation )?permission|access ?denied|not authorized|does not have any "
    r"privilege|no accessible columns",
    re.IGNORECASE,
)
_TOO_MUCH = re.compile(r"exhausted resources|bytes scanned limit|exceeded.*limit", re.IGNORECASE)
_NOT_THERE = frozenset({"TABLE_NOT_FOUND", "SCHEMA_NOT_FOUND", "ICEBERG_MISSING_METADATA"})
_LIMITS = re.compile(r"^EXCEEDED_|_LIMIT_EXCEEDED$|^QUERY_TIMEOUT$|^GENERIC_INSUFFICIENT_RESOURCES")
_AS_WRITTEN = frozenset(
    {
        "SYNTAX_ERROR",
        "TYPE_MISMATCH",
        "COLUMN_NOT_FOUND",
        "COLUMN_TYPE_UNKNOWN",
        "FUNCTION_NOT_FOUND",
        "AMBIGUOUS_NAME",
        "AMBIGUOUS_FUNCTION_CALL",
        "EXPRESSION_NOT_AGGREGATE",
        "EXPRESSION_NOT_SCALAR",
        "EXPRESSION_NOT_CONSTANT",
        "EXPRESSION_NOT_IN_DISTINCT",
        "MISMATCHED_COLUMN_ALIASES",
        "MISSING_GROUP_BY",
        "NESTED_AGGREGATION",
        "NESTED_WINDOW",
        "NOT_SUPPORTED",
        "DUPLICATE_COLUMN_NAME",
        "DUPLICATE_NAMED_QUERY",
        "INVALID_PARAMETER_USAGE",
        "INVALID_WINDOW_FRAME",
        "SUBQUERY_EXPRESSION_NOT_SUPPORTED",
    }
)
_VERSION = re.compile(r"snapshot|version history", re.IGNORECASE)


class NoRight(Exception):
    """The lake does not let the role read what the product lets its project read."""


def failure(status: Mapping[str, Any]) -> MeshplaneError | NoRight:
    """What to raise for an execution that ended as FAILED or CANCELLED.

    Athena's error is read for its name alone, and the error that is raised holds none of its text.

    Args:
        status: `QueryExecution.Status`.
    """
    told = status.get("AthenaError") or {}
    reason = str(status.get("StateChangeReason") or told.get("ErrorMessage") or "")
    found = _NAME.match(reason)
    name = found[1] if found else ""
    if name == "COLUMN_NOT_FOUND" and "no accessible columns" not in reason:
        return invalid("A column that the statement names is not there for you.")
    if _NO_RIGHT.search(reason) or name in _NOT_THERE:
        return NoRight()
    if _TOO_MUCH.search(reason) or _LIMITS.search(name):
        return limit(
            "The statement needs more memory, time or bytes than it may use on Athena. Read fewer "
            "columns or rows, or aggregate before sorting and joining."
        )
    if name == "INVALID_ARGUMENTS" and _VERSION.search(reason):
        return Missing(
            "SNAPSHOT_NOT_FOUND",
            "A relation of the statement has no such version on Athena: choose another asOf.",
            field="asOf",
        )
    if name in _AS_WRITTEN:
        return invalid(
            "The statement does not fit what it reads: a function has values of another type, or "
            "columns are neither grouped nor aggregated."
        )
    if told.get("ErrorCategory") == _SYSTEM or not reason:
        return unavailable()
    return runtime()


def unavailable() -> MeshplaneError:
    """Athena itself failed."""
    return Unavailable(
        "QUERY_ENGINE_UNAVAILABLE", "Athena did not carry the statement out. Try again."
    )
