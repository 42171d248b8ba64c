"""What is done about drift, by a domain's policy."""

import pytest

from meshplane.services.lake.drift import Difference, Wanted
from meshplane.services.lake.policies import DEFAULT_POLICY, DriftPolicy, ExcessPolicy, Step, decide
from meshplane.services.permissions.api import LakeState
from tests.builders.lake_grants import held

BY_HAND = held(made_by="user:ada@mesh", revision="3")
EXCESS = Difference("excess", BY_HAND.key, None, BY_HAND)


def missing(state: LakeState) -> Difference:
    wanted = Wanted(held(), "grant-1", "dzd-1", state)
    return Difference("missing", held().key, wanted, None)


def test_default__tells_of_excess_and_mends_nothing_by_itself() -> None:
    step = decide(EXCESS, "dzd-1", DEFAULT_POLICY)
    assert (step.action, step.automatic) == ("report", False)
    step = decide(missing("missing"), "dzd-1", DEFAULT_POLICY)
    assert (step.action, step.grant_id, step.automatic) == ("put", "grant-1", False)


@pytest.mark.parametrize("excess", ["remove", "adopt", "report"])
@pytest.mark.parametrize("automatic", [True, False])
def test_excess__by_hand_is_treated_as_the_policy_says(
    excess: ExcessPolicy, automatic: bool
) -> None:
    step = decide(EXCESS, "dzd-1", DriftPolicy(excess, automatic))
    assert (step.action, step.automatic, step.revision) == (excess, automatic, "3")


@pytest.mark.parametrize("excess", ["remove", "adopt", "report"])
@pytest.mark.parametrize("automatic", [True, False])
def test_excess__that_is_the_meshs_own_is_removed_whatever_the_policy(
    excess: ExcessPolicy, automatic: bool
) -> None:
    policy = DriftPolicy(excess, automatic)
    own = held(made_by="service:lake")
    by_maker = decide(Difference("excess", own.key, None, own), "dzd-1", policy)
    by_memory = decide(EXCESS, "dzd-1", policy, is_own=True)
    for step in (by_maker, by_memory):
        assert (step.action, step.automatic) == ("remove", True)


@pytest.mark.parametrize("automatic", [True, False])
def test_adopt__never_gives_back_what_was_revoked(automatic: bool) -> None:
    step = decide(EXCESS, "dzd-1", DriftPolicy("adopt", automatic), has_ended=True)
    assert (step.action, step.automatic) == ("report", False)
    assert "revoked" in step.why


def test_remove__does_not_care_what_was_revoked() -> None:
    step = decide(EXCESS, "dzd-1", DriftPolicy("remove", True), has_ended=True)
    assert (step.action, step.automatic) == ("remove", True)


@pytest.mark.parametrize(
    ("state", "by_itself"),
    [
        ("pending", True),
        ("failed", True),
        ("applied", False),
        ("missing", False),
        ("changed", False),
    ],
)
def test_missing__what_the_lake_never_held_is_put_without_asking(
    state: LakeState, by_itself: bool
) -> None:
    assert decide(missing(state), "dzd-1", DEFAULT_POLICY).automatic is by_itself
    assert decide(missing(state), "dzd-1", DriftPolicy("report", True)).automatic


def test_changed__is_put_right() -> None:
    wanted = Wanted(held(), "grant-1", "dzd-1", "applied")
    found = held(permissions=("SELECT", "DROP"), made_by="user:ada@mesh")
    step = decide(
        Difference("changed", wanted.entry.key, wanted, found), "dzd-1", DriftPolicy("report", True)
    )
    assert (step.action, step.kind, step.automatic) == ("put", "changed", True)


def test_step__is_the_same_after_it_was_kept() -> None:
    for step in (
        decide(EXCESS, "dzd-1", DEFAULT_POLICY),
        decide(missing("pending"), "", DEFAULT_POLICY),
    ):
        assert Step.from_json(step.to_json()) == step
