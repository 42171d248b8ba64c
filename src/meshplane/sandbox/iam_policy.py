"""Identity policies: what their statements say of an action on a resource.

Source: IAM User Guide, "Policy evaluation logic" and "IAM JSON policy elements reference".

Evaluated: Effect, Action and NotAction, Resource and NotResource, both wildcards, and of Condition
the operators and keys below. Of a statement whose condition says anything else, an Allow counts as
not met and a Deny as met, so that nothing is allowed that AWS might deny. Where a call names no
resource that is known here, a Resource is matched by an Allow whatever it says, and by a Deny only
if it is `*`.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

Context = Mapping[str, str | Sequence[str]]
"""Condition keys in lower case, with their values; several of a key that has many."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked.

    Args:
        action: `glue:GetTable`.
        resource: an ARN; None: unknown.
        context: condition keys in lower case with their values.
        families: what keys begin with of which all are known: one that is not in the context is
            absent, where others may be unknown.
    """

    action: str
    resource: str | None
    context: Context = field(default_factory=dict)
    families: tuple[str, ...] = ()


def decide(policies: Iterable[str], asked: Asked) -> bool | None:
    """What policies say: False for an explicit deny, True for an allow, None for nothing."""
    allowed: bool | None = None
    for policy in policies:
        for statement in _statements(policy):
            denies = statement.get("Effect") == "Deny"
            if not _applies(statement, asked, denies=denies):
                continue
            if denies:
                return False
            allowed = True
    return allowed


def _applies(statement: Mapping[str, Any], asked: Asked, *, denies: bool) -> bool:
    if "Action" in statement:
        named = _any_matches(statement["Action"], asked.action.lower(), fold=True)
    else:
        named = not _any_matches(statement.get("NotAction", []), asked.action.lower(), fold=True)
    return (
        named
        and _covers(statement, asked.resource, denies=denies)
        and _met(statement.get("Condition"), asked, unknown=denies)
    )


def _covers(statement: Mapping[str, Any], resource: str | None, *, denies: bool) -> bool:
    if resource is None:
        return not denies or _listed(statement.get("Resource", [])) == ["*"]
    if "Resource" in statement:
        return _any_matches(statement["Resource"], resource)
    if "NotResource" in statement:
        return not _any_matches(statement["NotResource"], resource)
    return False


def _met(conditions: Any, asked: Asked, *, unknown: bool) -> bool:
    for operator, keys in (conditions or {}).items():
        for key, wanted in keys.items():
            met = _holds(operator, key.lower(), _listed(wanted), asked)
            if met is None:
                return unknown
            if not met:
                return False
    return True


def _holds(operator: str, key: str, wanted: Sequence[Any], asked: Asked) -> bool | None:
    """Whether one condition holds; None where nobody here can tell.

    Source: IAM User Guide, "IAM JSON policy elements: Condition operators", and "Single-valued vs.
    multivalued context keys".
    """
    quantifier, _, plain = operator.rpartition(":")
    compare, value = _OPERATORS.get(plain.removesuffix("IfExists")), asked.context.get(key)
    is_known = key in _KNOWN_KEYS or key.startswith(asked.families)
    if (compare is None and plain != "Null") or (value is None and not is_known):
        return None
    if plain == "Null":
        return (value is None) is (str(wanted[0]).lower() == "true")
    if value is None or compare is None:
        # A key that is absent meets what is negated, what says `IfExists`, and all of no values.
        negated = compare in {_unequal, _unlike} and quantifier != "ForAnyValue"
        return negated or plain.endswith("IfExists") or quantifier == "ForAllValues"
    values = [value] if isinstance(value, str) else list(value)
    met = [compare(each, wanted) for each in values]
    if quantifier:
        return {"ForAllValues": all(met), "ForAnyValue": any(met)}.get(quantifier)
    return met[0] if len(met) == 1 else None


def _equal(value: str, wanted: Sequence[str]) -> bool:
    return value in wanted


def _unequal(value: str, wanted: Sequence[str]) -> bool:
    return value not in wanted


def _like(value: str, wanted: Sequence[str]) -> bool:
    return any(_pattern(each).fullmatch(value) for each in wanted)


def _unlike(value: str, wanted: Sequence[str]) -> bool:
    return not _like(value, wanted)


_OPERATORS = {
    "ArnEquals": _like,
    "ArnLike": _like,
    "ArnNotEquals": _unlike,
    "ArnNotLike": _unlike,
    "StringEquals": _equal,
    "StringLike": _like,
    "StringNotEquals": _unequal,
    "StringNotLike": _unlike,
}
_KNOWN_KEYS = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:requestedregion",
        "aws:resourceaccount",
        "iam:passedtoservice",
        "iam:permissionsboundary",
        "sts:externalid",
    }
)


def _any_matches(patterns: Any, text: str, *, fold: bool = False) -> bool:
    return any(
        _pattern(each.lower() if fold else each).fullmatch(text) for each in _listed(patterns)
    )


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    return re.compile("".join(parts.get(each, re.escape(each)) for each in text), re.DOTALL)


@lru_cache(maxsize=512)
def _statements(policy: str) -> tuple[Mapping[str, Any], ...]:
    found = json.loads(policy).get("Statement", [])
    return tuple(found if isinstance(found, list) else [found])


def _listed(value: Any) -> list[str]:
    return list(value) if isinstance(value, list | tuple) else [value]


def trusts(policy: str, principals: Iterable[str], asked: Asked, kind: str = "AWS") -> bool:
    """Whether a role's trust policy lets any of these principals do what is asked.

    Args:
        policy: JSON, of `sts:AssumeRole` and the like.
        principals: the names of one caller: ARN, session ARN, account, the account's root.
        asked: the action; its resource does not count.
        kind: of the principals: `AWS`, or `Federated` for providers of identities.
    """
    names = set(principals)
    allowed = False
    for statement in _statements(policy):
        denies = statement.get("Effect") == "Deny"
        principal = statement.get("Principal", {})
        named = _listed(principal.get(kind, []) if isinstance(principal, dict) else principal)
        if not ("*" in named or names & set(named)):
            continue
        if not _any_matches(statement.get("Action", []), asked.action.lower(), fold=True):
            continue
        if not _met(statement.get("Condition"), asked, unknown=denies):
            continue
        if denies:
            return False
        allowed = True
    return allowed
