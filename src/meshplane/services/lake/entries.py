"""Entries of a lake as plain values: their keys, their fingerprints, and how people read them."""

from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Any

import orjson

from meshplane.services.lake.ports import LakeEntry

MESH = "service:lake"
"""Who makes what the mesh itself puts into a lake."""

_DIGEST_BYTES = 16


def key_of(principal: str, resource: Mapping[str, Any]) -> str:
    """What stands for a principal and a resource: the same, whatever the order of members."""
    said = canonical([principal, resource])
    return f"lake-{blake2b(said, digest_size=_DIGEST_BYTES).hexdigest()}"


def canonical(value: Any) -> bytes:
    """A JSON value as bytes: the same for the same value, whatever the order of members."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def fingerprint_of(said: bytes) -> str:
    """The fingerprint of what an entry permits.

    Args:
        said: `[permissions, grantable, filter, masks]` in canonical form, both lists sorted.
    """
    return blake2b(said, digest_size=_DIGEST_BYTES).hexdigest()


def entry(
    principal: str,
    resource: Mapping[str, Any],
    permissions: Iterable[str],
    grantable: Iterable[str] = (),
    *,
    filter: Mapping[str, Any] | None = None,  # noqa: A002 - Lake Formation's own word
    masks: Mapping[str, Any] | None = None,
    made_by: str | None = None,
    made_at: str | None = None,
    revision: str = "",
) -> LakeEntry:
    """An entry with its key and its fingerprint; arguments as in `LakeEntry`."""
    given, passed = tuple(sorted(permissions)), tuple(sorted(grantable))
    masked = masks or {}
    return LakeEntry(
        key_of(principal, resource),
        principal,
        resource,
        given,
        passed,
        filter,
        masked,
        fingerprint_of(canonical([given, passed, filter, masked])),
        made_by,
        made_at,
        revision,
    )


def database_of(resource: Mapping[str, Any]) -> str | None:
    """The database that a resource lies in, if it says so."""
    ((kind, inner),) = resource.items()
    name = inner.get("Name") if kind == "Database" else inner.get("DatabaseName")
    return name if isinstance(name, str) else None


def described(resource: Mapping[str, Any]) -> str:
    """A resource in a few words: `aviation.flights (columns carrier, delay)`."""
    ((kind, inner),) = resource.items()
    if kind == "Database":
        return f"database {inner['Name']}"
    if kind == "Table":
        if "TableWildcard" in inner:
            return f"all tables of {inner['DatabaseName']}"
        return f"{inner['DatabaseName']}.{inner['Name']}"
    if kind == "TableWithColumns":
        named = inner.get("ColumnNames")
        if named is not None:
            return f"{inner['DatabaseName']}.{inner['Name']} (columns {', '.join(named)})"
        left_out = inner.get("ColumnWildcard", {}).get("ExcludedColumnNames", [])
        return f"{inner['DatabaseName']}.{inner['Name']} (all but {', '.join(left_out)})"
    if kind == "DataCellsFilter":
        return f"{inner['DatabaseName']}.{inner['TableName']} (filter {inner['Name']})"
    if kind == "LFTagPolicy":
        terms = [f"{t['TagKey']}={'|'.join(t['TagValues'])}" for t in inner.get("Expression", [])]
        scope = f" in {inner['DatabaseName']}" if "DatabaseName" in inner else ""
        return f"{inner['ResourceType'].lower()}s tagged {' and '.join(terms)}{scope}"
    if kind == "DataLocation":
        return str(inner["ResourceArn"])
    return kind
