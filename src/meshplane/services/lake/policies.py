"""What is done about drift, by each domain's policy. Pure.

What was granted and is not there, or is there otherwise, is put right. What nobody granted is
removed, adopted or told of, as the policy says. Two things no policy changes: what the mesh itself
put there for a grant that has ended is removed, and a right that was revoked or has ended is never
given back by adopting it.
"""

from dataclasses import dataclass
from typing import Any, Literal

from meshplane.services.lake.drift import Difference
from meshplane.services.lake.entries import MESH

ExcessPolicy = Literal["remove", "adopt", "report"]
Action = Literal["put", "remove", "adopt", "report"]


@dataclass(frozen=True, slots=True)
class DriftPolicy:
    """A domain's policy.

    Args:
        excess: what is done about what nobody granted.
        automatic: whether the regular look for drift also mends it. What the lake never held yet,
            and what is left of ended grants, is mended in any case.
    """

    excess: ExcessPolicy = "report"
    automatic: bool = False


DEFAULT_POLICY = DriftPolicy()
"""Of a domain that has said nothing, and of what lies in no domain."""


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done about one difference.

    Args:
        action: what.
        key: the entry.
        kind: of the difference.
        domain_id: the domain that answers; "" where none does.
        grant_id: of what is put.
        why: for people.
        automatic: whether it is done without anybody asking.
        revision: of the entry when it was looked at, of what is removed or adopted.
    """

    action: Action
    key: str
    kind: str
    domain_id: str
    grant_id: str | None
    why: str
    automatic: bool
    revision: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a row holds it."""
        return {
            "action": self.action,
            "key": self.key,
            "kind": self.kind,
            "domainId": self.domain_id,
            "grantId": self.grant_id,
            "why": self.why,
            "automatic": self.automatic,
            "revision": self.revision,
        }

    @classmethod
    def from_json(cls, item: dict[str, Any]) -> "Step":
        """The step that `to_json` wrote."""
        return cls(
            item["action"],
            item["key"],
            item["kind"],
            item["domainId"],
            item["grantId"],
            item["why"],
            item["automatic"],
            item["revision"],
        )


def decide(
    difference: Difference,
    domain_id: str,
    policy: DriftPolicy,
    *,
    is_own: bool = False,
    has_ended: bool = False,
) -> Step:
    """What is to be done about a difference.

    Args:
        difference: what differs.
        domain_id: the domain that answers for it.
        policy: of that domain.
        is_own: whether the mesh itself put the entry there.
        has_ended: whether its principal lost a right in that domain before.
    """
    wanted, actual = difference.wanted, difference.actual
    if wanted is not None:
        never_held = wanted.state in {"pending", "failed"}
        why = "The lake lacks what was granted." if actual is None else "It was changed there."
        return Step(
            "put",
            difference.key,
            difference.kind,
            domain_id,
            wanted.grant_id,
            why,
            policy.automatic or never_held,
        )
    if is_own or (actual is not None and actual.made_by == MESH):
        action, why, automatic = "remove", "The grant that it was put there for has ended.", True
    elif policy.excess == "adopt" and has_ended:
        action, automatic = "report", False
        why = (
            "Its principal had a right in this domain that was revoked or has ended: adopting it "
            "might give that back. Remove it, or grant it anew."
        )
    else:
        action, automatic = policy.excess, policy.automatic
        why = {
            "remove": "Nobody granted it, and the domain's policy removes such.",
            "adopt": "Nobody granted it, and the domain's policy adopts such.",
            "report": "Nobody granted it; the domain's policy tells of such.",
        }[policy.excess]
    return Step(
        action,  # type: ignore[arg-type] # one of the literals above
        difference.key,
        difference.kind,
        domain_id,
        None,
        why,
        automatic,
        actual.revision if actual is not None else "",
    )
