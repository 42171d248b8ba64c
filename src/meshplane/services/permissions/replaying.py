"""Plays the history of access up to an instant. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from meshplane.services.permissions.model import DataFilter, Grant, MaskRule, TagMask

HistoryKind = Literal[
    "granted",
    "changed",
    "revoked",
    "expired",
    "tagged",
    "untagged",
    "filterPut",
    "filterDeleted",
    "maskPut",
    "maskDeleted",
]


@dataclass(frozen=True, slots=True)
class Past:
    """A grant as some line of the history left it."""

    grant: Grant
    by: str
    at: str
    how: Literal["granted", "changed"]


@dataclass(slots=True)
class PolicyThen:
    """The policy of some resources at an instant.

    Attributes:
        grants: by id; those that had not been revoked and had not come to their end.
        tags: (resource, column, key) → value.
        masks: (domain or None, key, value) → mask.
        filters: (asset, name) → data filter.
    """

    grants: dict[str, Past] = field(default_factory=dict)
    tags: dict[tuple[str, str, str], str] = field(default_factory=dict)
    masks: dict[tuple[str | None, str, str], TagMask] = field(default_factory=dict)
    filters: dict[tuple[str, str], DataFilter] = field(default_factory=dict)


def replay(lines: Iterable[Mapping[str, Any]], at: str) -> PolicyThen:
    """The policy at an instant.

    Args:
        lines: of the history, of each resource in the order of their times.
        at: RFC 3339 as rows hold it; lines after it do not count.
    """
    then = PolicyThen()
    for line in lines:
        if line["at"] <= at:
            _apply(then, line)
    ended = [
        grant_id
        for grant_id, past in then.grants.items()
        if past.grant.expires_at is not None and past.grant.expires_at <= at
    ]
    for grant_id in ended:
        del then.grants[grant_id]
    return then


def _apply(then: PolicyThen, line: Mapping[str, Any]) -> None:
    kind, content = line["kind"], line["content"]
    match kind:
        case "granted" | "changed":
            grant = Grant.from_json(content)
            then.grants[grant.grant_id] = Past(grant, line["by"], line["at"], kind)
        case "revoked" | "expired":
            then.grants.pop(content["grantId"], None)
        case "tagged":
            place = (line["scope"], content["column"], content["key"])
            then.tags[place] = content["value"]
        case "untagged":
            then.tags.pop((line["scope"], content["column"], content["key"]), None)
        case "maskPut":
            mask = TagMask(
                content["key"],
                content["value"],
                MaskRule.from_json(content["mask"]),
                content.get("domainId"),
            )
            then.masks[(mask.domain_id, mask.key, mask.value)] = mask
        case "maskDeleted":
            then.masks.pop((content.get("domainId"), content["key"], content["value"]), None)
        case "filterPut":
            kept = DataFilter.from_json(content)
            then.filters[(kept.asset_id, kept.name)] = kept
        case "filterDeleted":
            then.filters.pop((content["assetId"], content["name"]), None)


def ended_grants(lines: Iterable[Mapping[str, Any]]) -> list[tuple[Grant, str, str]]:
    """Grants that were revoked and not made again, as they were, with when and by whom.

    Args:
        lines: of one resource, in the order of their times.
    """
    known: dict[str, Grant] = {}
    gone: dict[str, tuple[Grant, str, str]] = {}
    for line in lines:
        content = line["content"]
        if line["kind"] in ("granted", "changed"):
            known[content["grantId"]] = Grant.from_json(content)
            gone.pop(content["grantId"], None)
        elif line["kind"] == "revoked" and content["grantId"] in known:
            gone[content["grantId"]] = (known[content["grantId"]], line["at"], line["by"])
    return list(gone.values())
