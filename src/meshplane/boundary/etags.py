"""Entity tags: an entity's version, quoted (RFC 9110, section 8.8.3)."""

import re

from meshplane.kit.errors import ConditionRequired, Invalid, Stale

_TAG = re.compile(r'"(\d{1,18})"')


def etag(version: int) -> str:
    """The entity tag of a version."""
    return f'"{version}"'


def expected_version(if_match: str | None) -> int:
    """The version that an update says it changes.

    Raises:
        ConditionRequired: IF_MATCH_REQUIRED, the header is missing.
        Invalid: IF_MATCH_INVALID, it is not one entity tag.
    """
    if if_match is None:
        raise ConditionRequired(
            "IF_MATCH_REQUIRED",
            "Send the ETag that you last read as If-Match, so that no change of others is lost.",
            field="If-Match",
        )
    found = _TAG.fullmatch(if_match.strip())
    if found is None:
        raise Invalid(
            "IF_MATCH_INVALID", 'If-Match must be one entity tag such as "3".', field="If-Match"
        )
    return int(found[1])


def stale() -> Stale:
    """The error for an update of a version that is no longer the latest."""
    return Stale(
        "STALE",
        "It was changed since you read it: read it again, and send its new ETag as If-Match.",
        field="If-Match",
    )
