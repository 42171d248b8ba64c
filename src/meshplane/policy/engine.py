"""The engine: Cedar policies, parsed once, sliced by action, and decisions kept while they hold.

A decision is a pure function of its inputs, so the same question gets its answer from memory. The
inputs hold the memberships as they are now, so a changed membership is another question.
"""

import json
from collections.abc import Iterable
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

from meshplane.policy.model import Asker, Decision, Resource

_REMEMBERED_DECISIONS = 4096

_REFERENCES = {
    "requestedBy": "User",
    "startedBy": "User",
    "holder": "User",
    "holderGroup": "Group",
}
"""Attributes whose text names a user or a group, which policies compare with the principal."""


def policy_texts() -> dict[str, str]:
    """The text of each policy file of this folder, by file name."""
    folder = files(__package__)
    return {
        entry.name: entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".cedar")
    }


def schema_text() -> str:
    """The Cedar schema that the policies are written against."""
    return files(__package__).joinpath("meshplane.cedarschema").read_text(encoding="utf-8")


class Engine:
    """Decides by a fixed set of policies.

    Args:
        texts: Cedar policy texts; each policy carries an `@id`.

    A text that is not Cedar raises `ValueError` when the policies are first needed, or at `warm`.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = tuple(texts)
        self._decide = lru_cache(_REMEMBERED_DECISIONS)(self._evaluate)

    def warm(self) -> None:
        """Parses the policies now, rather than at the first decision."""
        _ = self._sliced

    def decide(self, asker: Asker, action: str, resource: Resource) -> Decision:
        """Whether the asker may take the action on the resource."""
        return self._decide(asker, action, resource)

    @cached_property
    def _sliced(self) -> "tuple[dict[str, _Slice], _Slice]":
        return _slice_by_action(self._texts)

    def _evaluate(self, asker: Asker, action: str, resource: Resource) -> Decision:
        import cedarpy

        slices, always = self._sliced
        policies = slices.get(action, always)
        result = cedarpy.is_authorized(
            {
                "principal": {"type": asker.kind, "id": asker.id},
                "action": {"type": "Action", "id": action},
                "resource": {"type": resource.kind, "id": resource.id},
                "context": {},
            },
            policies.handle,
            [*_asker_entities(asker), *_resource_entities(resource)],
        )
        reasons = tuple(sorted(reason for reason in result.diagnostics.reasons))
        # An error inside a policy must never read as permission.
        return Decision(bool(result.allowed) and not result.diagnostics.errors, reasons)


class _Slice:
    """The policies that can bear on one action, parsed."""

    def __init__(self, policies: dict[str, Any]) -> None:
        import cedarpy

        document = {"staticPolicies": policies, "templates": {}, "templateLinks": []}
        self.handle = cedarpy.PolicySet.from_json_str(json.dumps(document))


def _slice_by_action(texts: Iterable[str]) -> tuple[dict[str, _Slice], _Slice]:
    import cedarpy

    by_action: dict[str, dict[str, Any]] = {}
    always: dict[str, Any] = {}
    for text in texts:
        for policy in json.loads(cedarpy.policies_to_json_str(text))["staticPolicies"].values():
            name = policy["annotations"]["id"]
            actions = _actions_of(policy["action"])
            if actions is None:
                always[name] = policy
            for action in actions or ():
                by_action.setdefault(action, {})[name] = policy
    slices = {action: _Slice({**always, **some}) for action, some in by_action.items()}
    return slices, _Slice(always)


def _actions_of(scope: dict[str, Any]) -> list[str] | None:
    """The actions that a policy's head names; None where it takes any."""
    match scope["op"]:
        case "==":
            return [scope["entity"]["id"]]
        case "in":
            entities = scope["entities"] if "entities" in scope else [scope["entity"]]
            return [entity["id"] for entity in entities]
        case _:
            return None


def _entity(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def _reference(kind: str, name: str) -> dict[str, dict[str, str]]:
    return {"__entity": _entity(kind, name)}


def _value(name: str, value: str | tuple[str, ...]) -> Any:
    """The value of an attribute: a reference, a set, or the text itself."""
    if isinstance(value, tuple):
        return list(value)
    return _reference(_REFERENCES[name], value) if name in _REFERENCES else value


def _asker_entities(asker: Asker) -> list[dict[str, Any]]:
    parents = [_entity("Group", group) for group in sorted(asker.groups)]
    parents += [_entity("MeshRole", role) for role in sorted(asker.mesh_roles)]
    parents += [
        _entity(f"{held.kind}Role", f"{held.id}/{held.role}")
        for held in sorted(asker.memberships, key=lambda held: (held.kind, held.id, held.role))
    ]
    subject = {"uid": _entity(asker.kind, asker.id), "attrs": {}, "parents": parents}
    return [subject, *({"uid": parent, "attrs": {}, "parents": []} for parent in parents)]


def _resource_entities(resource: Resource) -> list[dict[str, Any]]:
    """The resource with its domain and project, whose attributes name the roles in them."""
    attributes: dict[str, Any] = {name: _value(name, value) for name, value in resource.attributes}
    entities = []
    for kind, key, roles in (
        ("Domain", resource.domain_id, ("owner", "steward", "viewer")),
        ("Project", resource.project_id, ("owner", "contributor", "viewer")),
    ):
        if key is None:
            continue
        named = {f"{role}s": _reference(f"{kind}Role", f"{key}/{role}") for role in roles}
        if resource.kind == kind and resource.id == key:
            attributes |= named
        else:
            entities.append({"uid": _entity(kind, key), "attrs": named, "parents": []})
            attributes[kind.lower()] = _reference(kind, key)
    own = {"uid": _entity(resource.kind, resource.id), "attrs": attributes, "parents": []}
    return [own, *entities]
