"""Why a principal sees a table as he does, in sentences."""

import random
from typing import Any

import pytest

from meshplane.services.permissions.explaining import Explanation, RevokedGrant, explain
from meshplane.services.permissions.governed import AssetPolicy
from meshplane.services.permissions.model import (
    AssetTags,
    DataFilter,
    Grant,
    GrantedColumn,
    MaskRule,
    TagMask,
)
from meshplane.services.permissions.semantics import access
from tests.builders.policies import NOW, column, flights, grant, random_world, target, where
from tests.builders.seeds import fresh

HASH = MaskRule("hash")
JFK = where("origin = 'JFK'", ("origin", 2))
OPS = (("team", ("ops", "hr")),)


def explained(*grants: Grant, **members: Any) -> Explanation:
    asset = members.pop("asset", flights())
    extra = {name: members.pop(name) for name in ("revoked", "owns") if name in members}
    policy = AssetPolicy(asset, members.pop("tags", AssetTags()), grants, **members)
    return explain(policy, "user:ana", ("user:ana", "group:pilots"), NOW, **extra)


def test_explain__tells_what_a_grant_shows() -> None:
    on = target("columns", excluded=("pilot",))
    [verdict] = explained(grant("g1", on, masks={"origin": HASH})).verdicts
    assert (verdict.outcome, verdict.applies) == ("applies", True)
    assert verdict.target == "all columns but pilot"
    assert verdict.sentence == (
        "It shows all rows, and of them the columns flight and delay; origin as a keyed hash. "
        "Left out: pilot. It permits DESCRIBE."
    )


def test_explain__tells_of_rows_and_of_what_may_be_passed_on() -> None:
    rows = grant(
        "g1",
        target("table"),
        "SELECT",
        "INSERT",
        principal="group:pilots",
        grantable=frozenset({"INSERT"}),
    )
    filtered = grant("g2", target("filter", filter_name="jfk"))
    verdicts = explained(rows, filtered, filters=(DataFilter("asset-1", "jfk", JFK),)).verdicts
    assert verdicts[0].sentence == (
        "It shows all rows, and of them all columns. It permits DESCRIBE and INSERT. "
        "INSERT may be passed on."
    )
    assert verdicts[1].sentence.startswith("It shows the rows where origin = 'JFK'")


@pytest.mark.parametrize(
    ("given", "outcome", "said"),
    [
        (
            grant("g1", target("table"), expires_at="2030-01-02T00:00:00Z"),
            "expired",
            "It ended on 2030-01-02.",
        ),
        (
            grant("g1", target("table"), principal="user:ben"),
            "not_his",
            "It is user:ben's, as whom user:ana does not act.",
        ),
        (
            grant("g1", target("tags", expression=OPS)),
            "tags_differ",
            "It wants team to be ops or hr; the table has no tag team, and no column matches "
            "either.",
        ),
        (
            grant("g1", target("tags", expression=(("classification", ("public",)),))),
            "tags_differ",
            "It wants classification to be public; the table has classification internal, and no "
            "column matches either.",
        ),
        (
            grant("g1", target("table"), lake_state="failed", lake_reason="Throttled."),
            "not_in_lake",
            "It lets nothing through, because the lake would not take it (Throttled): reconcile "
            "the lake.",
        ),
        (
            grant("g1", target("filter", filter_name="jfk")),
            "broken",
            "It is broken and lets nothing through, because its data filter jfk is gone: revoke "
            "it, or grant anew.",
        ),
        (grant("g1", target("database"), "DROP"), "elsewhere", "It is on something else."),
    ],
)
def test_explain__tells_why_a_grant_does_nothing(given: Grant, outcome: str, said: str) -> None:
    found = explained(given)
    [verdict] = found.verdicts
    assert (verdict.outcome, verdict.applies, verdict.sentence) == (outcome, False, said)
    assert found.effective.rights == {}
    assert found.conclusion[0] == "user:ana has no permission on aviation.flights."


def test_explain__tells_of_what_was_revoked() -> None:
    gone = RevokedGrant(grant("g1", target("table")), "2030-05-01T10:00:00Z", "user:steward")
    found = explained(revoked=[gone])
    assert [v.sentence for v in found.verdicts] == ["It was revoked on 2030-05-01 by user:steward."]


def test_explain__puts_what_applies_first_and_what_is_not_his_last() -> None:
    found = explained(
        grant("g1", target("table"), principal="user:ben"),
        grant("g2", target("table"), expires_at="2030-01-02T00:00:00Z"),
        grant("g3", target("filter", filter_name="gone")),
        grant("g4", target("table")),
    )
    assert [v.grant_id for v in found.verdicts] == ["g4", "g3", "g2", "g1"]


def test_explain__tells_what_tags_do_not_reach() -> None:
    tags = AssetTags(table={"team": "ops"}, columns={"pilot": {"team": "legal"}})
    [verdict] = explained(
        grant("g1", target("tags", expression=OPS), "SELECT", "INSERT"), tags=tags
    ).verdicts
    assert "Left out: pilot." in verdict.sentence
    assert "It does not permit INSERT, as its tags do not reach every column." in verdict.sentence


def test_explain__gives_each_column_its_reason() -> None:
    found = explained(
        grant("g1", target("columns", included=("flight", "origin")), masks={"origin": HASH}),
        grant("g2", target("columns", included=("pilot",))),
        tag_masks=(TagMask("classification", "confidential", MaskRule("partial", keep_last=4)),),
    )
    assert [(c.name, c.access, c.sentence) for c in found.columns] == [
        ("flight", "plain", "Shown in all rows that are shown, by g1."),
        (
            "origin",
            "masked",
            "Shown as a keyed hash in all rows that are shown, by g1, as the grant asks.",
        ),
        ("delay", "hidden", "Hidden: g1 and g2 leave it out, and no other grant shows it."),
        (
            "pilot",
            "masked",
            "Shown as its last 4 characters in all rows that are shown, by g2, as the tag "
            "classification=confidential asks.",
        ),
    ]


def test_explain__tells_where_a_column_is_shown_better() -> None:
    found = explained(
        grant("g1", target("table"), masks={"pilot": HASH}),
        grant("g2", target("rows"), row_filter=JFK, columns=(GrantedColumn("pilot"),)),
    )
    assert found.columns[3].sentence == (
        "Shown in the rows where origin = 'JFK', by g2. It is shown as a keyed hash elsewhere."
    )
    assert "Some columns are shown otherwise, or not at all, in some of the rows." in (
        found.conclusion
    )


def test_explain__tells_that_a_mask_does_not_fit_any_more() -> None:
    changed = flights(column("flight", 1, "INTEGER"))
    on = grant("g1", target("table"), masks={"flight": MaskRule("partial", keep_last=2)})
    [reason] = explained(on, asset=changed).columns
    assert reason.sentence == (
        "Shown as nothing (null) in all rows that are shown, by g1, as the mask that the grant "
        "asks for does not fit the column."
    )


def test_explain__concludes_what_is_seen_and_what_is_not() -> None:
    found = explained(
        grant("g1", target("filter", filter_name="jfk"), masks={"delay": MaskRule("null")}),
        grant("g2", target("filter", filter_name="gone")),
        filters=(DataFilter("asset-1", "jfk", JFK, excluded=("pilot",)),),
    )
    assert found.conclusion == (
        "user:ana reads 3 of 4 columns of aviation.flights, in the rows where (origin = 'JFK').",
        "Masked: delay.",
        "Hidden: pilot.",
        "Permitted besides: DESCRIBE.",
        "g2 would apply, and does not, because its data filter gone is gone.",
    )


def test_explain__tells_an_owner_that_he_sees_all() -> None:
    assert explained(owns=True).conclusion == (
        "user:ana is of the project that publishes aviation.flights and sees all of it, unmasked.",
    )


def test_explain__never_says_other_than_access_does() -> None:
    seed = fresh()
    for number in range(1_000):
        world = random_world(random.Random(f"{seed}-{number}"))
        found = access(
            world.asset, world.tags, world.grants, world.filters, world.tag_masks, world.now
        )
        policy = AssetPolicy(
            world.asset,
            world.tags,
            tuple(world.grants),
            tuple(world.filters),
            tuple(world.tag_masks),
        )
        told = explain(policy, "user:ana", ("user:ana",), world.now)
        giving = {grant_id for ids in found.rights.values() for grant_id in ids}
        closed = {broken.grant_id for broken in found.broken}
        verdicts = {v.grant_id: v for v in told.verdicts}
        assert {i for i, v in verdicts.items() if v.applies} >= giving, (seed, number)
        assert {
            i for i, v in verdicts.items() if v.outcome in {"broken", "not_in_lake"}
        } == closed, (seed, number)
        assert len(told.columns) == len(world.asset.columns)
        assert all(v.sentence and v.sentence[-1] in ".!" for v in told.verdicts), (seed, number)
