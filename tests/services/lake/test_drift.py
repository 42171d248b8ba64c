"""How what a lake holds differs from what was granted."""

import random
import time

from meshplane.services.lake.drift import Wanted, by_key, compare, differing
from meshplane.services.lake.ports import LakeEntry
from tests.builders import seeds
from tests.builders.lake_grants import held, table


def wanted(*entries: LakeEntry) -> dict[str, Wanted]:
    return by_key(
        Wanted(one, f"grant-{number}", "dzd-1", "applied") for number, one in enumerate(entries)
    )


def there(*entries: LakeEntry) -> dict[str, LakeEntry]:
    return {one.key: one for one in entries}


def test_compare__two_equal_sides_differ_in_nothing() -> None:
    entries = [held(f"user:u{number}@mesh") for number in range(20)]
    assert compare(wanted(*entries), there(*reversed(entries))).all == ()
    assert compare({}, {}).all == ()


def test_compare__tells_missing_excess_and_changed_apart() -> None:
    same, lost, extra = held("user:a@m"), held("user:b@m"), held("user:c@m")
    meant, found = held("user:d@m"), held("user:d@m", permissions=("SELECT", "INSERT"))
    drift = compare(wanted(same, lost, meant), there(same, extra, found))
    assert [one.key for one in drift.missing] == [lost.key]
    assert [one.key for one in drift.excess] == [extra.key]
    assert [one.key for one in drift.changed] == [meant.key]
    assert [one.kind for one in drift.all] == ["excess", "changed", "missing"]


def test_severity__is_critical_where_the_lake_lets_somebody_do_more() -> None:
    meant = held(permissions=("SELECT", "DESCRIBE"), masks={"tail": {"kind": "null"}})
    cases = {
        "less": (held(permissions=("SELECT",), masks=meant.masks), "warning"),
        "more": (
            held(permissions=("SELECT", "DESCRIBE", "DROP"), masks=meant.masks),
            "critical",
        ),
        "passes on": (
            held(permissions=meant.permissions, grantable=("SELECT",), masks=meant.masks),
            "critical",
        ),
        "unmasked": (held(permissions=meant.permissions), "critical"),
    }
    for name, (found, severity) in cases.items():
        (one,) = compare(wanted(meant), there(found)).changed
        assert one.severity == severity, name
        assert one.sentences, name
    (missing,) = compare(wanted(meant), {}).missing
    (excess,) = compare({}, there(meant)).excess
    assert (missing.severity, excess.severity) == ("warning", "critical")


def test_sentences__say_what_is_more_and_what_is_less() -> None:
    meant = held(permissions=("SELECT", "INSERT"), masks={"a": {"kind": "null"}})
    found = held(permissions=("SELECT", "DROP"), masks={"a": {"kind": "hash"}})
    (one,) = compare(wanted(meant), there(found)).changed
    assert one.sentences == [
        "permits DROP, which was not granted",
        "lacks INSERT",
        "masks a otherwise",
    ]


def test_maker__does_not_make_a_difference() -> None:
    by_mesh, by_hand = held(made_by="service:lake"), held(made_by="user:ada@mesh", revision="7")
    assert compare(wanted(by_mesh), there(by_hand)).all == ()


def test_compare__random_sides_against_one_by_one() -> None:
    chance = random.Random(seeds.fresh())
    pool = [held(f"user:u{n}@m", table(t)) for n in range(12) for t in "ab"]
    other = {
        one.key: held(one.principal, one.resource, permissions=("SELECT", "DROP")) for one in pool
    }
    for _ in range(300):
        meant = wanted(*chance.sample(pool, chance.randrange(len(pool))))
        found = there(
            *(
                one if chance.random() < 0.7 else other[one.key]
                for one in chance.sample(pool, chance.randrange(len(pool)))
            )
        )
        kinds = {one.key: one.kind for one in compare(meant, found).all}
        prints = ({k: w.entry.fingerprint for k, w in meant.items()},
                  {k: e.fingerprint for k, e in found.items()})  # fmt: skip
        assert differing(*prints) == sorted(kinds)
        for one in pool:
            expected = None
            if one.key in meant and one.key not in found:
                expected = "missing"
            elif one.key not in meant and one.key in found:
                expected = "excess"
            elif one.key in meant and found[one.key] is not meant[one.key].entry:
                expected = "changed"
            assert kinds.get(one.key) == expected


def test_compare__a_hundred_thousand_against_as_many_takes_well_under_three_seconds() -> None:
    entries = [held(f"user:u{number}@mesh") for number in range(100_000)]
    meant, found = wanted(*entries[:-10]), there(*entries[10:])
    begun = time.perf_counter()
    drift = compare(meant, found)
    seconds = time.perf_counter() - begun
    assert (len(drift.missing), len(drift.excess), len(drift.changed)) == (10, 10, 0)
    assert seconds < 3.0
