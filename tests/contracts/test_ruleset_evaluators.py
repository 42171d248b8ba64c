"""Every evaluator of rulesets gives the same outcomes for the same rules on the same table."""

import asyncio
import itertools
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from meshplane.kit.errors import Invalid, Unavailable
from meshplane.services.quality.aws import GlueEvaluator
from meshplane.services.quality.ports import Begun
from tests.builders.aws_sandbox import sandbox_in
from tests.builders.measured_table import DOMAIN, MeasuredTables

COLUMNS = {
    "id": "long",
    "carrier": "string",
    "price": "double",
    "fare": "decimal(9,2)",
    "day": "date",
    "sold": "boolean",
}
ROWS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4, 5], pa.int64()),
        "carrier": ["LH", "LH", "AF", None, ""],
        "price": [10.0, 20.0, 30.0, 40.0, None],
        "fare": pa.array(["1.50", "2.50", "3.50", "4.50", "5.50"]).cast(pa.decimal128(9, 2)),
        "day": pa.array(["2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04", None]).cast(
            pa.date32()
        ),
        "sold": [True, False, True, True, None],
    }
)
RULES = [
    ("RowCount = 5", "PASS"),
    ("RowCount between 5 and 9", "FAIL"),
    ("RowCount not between 5 and 9", "PASS"),
    ("ColumnCount = 6", "PASS"),
    ('ColumnExists "fare"', "PASS"),
    ('IsComplete "id"', "PASS"),
    ('IsComplete "carrier"', "FAIL"),
    ('Completeness "carrier" = 0.8', "PASS"),
    ('Completeness "carrier" > 0.8', "FAIL"),
    ('IsUnique "id"', "PASS"),
    ('IsUnique "carrier"', "FAIL"),
    ('IsPrimaryKey "id" "carrier"', "FAIL"),
    ('Uniqueness "carrier" between 0.4 and 0.6', "PASS"),
    ('UniqueValueRatio "carrier" > 0.6', "PASS"),
    ('DistinctValuesCount "carrier" = 4', "PASS"),
    ('Mean "price" = 25', "PASS"),
    ('Sum "fare" = 17.5', "PASS"),
    ('StandardDeviation "price" between 11 and 12', "PASS"),
    ('ColumnValues "id" > 0', "PASS"),
    ('ColumnValues "id" between 1 and 6', "FAIL"),
    ('ColumnValues "price" > 0', "FAIL"),
    ('ColumnValues "price" > 0 with threshold >= 0.8', "PASS"),
    ('ColumnValues "price" != 77', "PASS"),
    ('ColumnValues "carrier" in ["LH", "AF", NULL, EMPTY]', "PASS"),
    ('ColumnValues "carrier" in ["LH", "AF"]', "FAIL"),
    ('ColumnValues "carrier" not in ["XX"]', "PASS"),
    ('ColumnValues "carrier" matches "[A-Z]{2}" with threshold = 0.6', "PASS"),
    ('ColumnValues "day" > "2025-12-31" with threshold = 0.8', "PASS"),
    ('ColumnValues "day" < now() with threshold >= 0.8', "PASS"),
    ('ColumnLength "carrier" <= 2', "PASS"),
    ('(RowCount = 5) and (IsComplete "carrier")', "FAIL"),
    ('(RowCount = 9) or (IsUnique "id")', "PASS"),
]
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def tables(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MeasuredTables]:
    folder: Path = tmp_path_factory.mktemp("quality")
    with sandbox_in() as running:
        made = MeasuredTables(running, folder)
        await made.prepare()
        await made.make("flights", COLUMNS, ROWS)
        await made.make("empty", {"id": "long", "name": "string"}, None)
        await made.make("draft", {"id": "long"}, pa.table({"id": [1]}), published=False)
        yield made


def ruleset(*rules: str) -> str:
    return f"Rules = [ {', '.join(rules)} ]"


async def run(tables: MeasuredTables, kind: str, name: str, text: str, **more: Any) -> Any:
    return await tables.evaluate(kind, name, text, f"run-{next(_numbers)}", **more)


@pytest.mark.parametrize("kind", ["local", "glue"])
@pytest.mark.anyio
async def test_rules__have_the_outcomes_that_their_words_say(
    tables: MeasuredTables, kind: str
) -> None:
    evaluated = await run(tables, kind, "flights", ruleset(*(rule for rule, _ in RULES)))
    found = [(one.rule, str(one.outcome)) for one in evaluated.result.rules]
    assert found == RULES
    passing = sum(outcome == "PASS" for _, outcome in RULES)
    assert evaluated.result.score == pytest.approx(passing / len(RULES))
    assert evaluated.snapshot_id == str(tables.staged["flights"].snapshot_id)
    for one in evaluated.result.rules:
        assert bool(one.message) == (one.outcome != "PASS")


@pytest.mark.anyio
async def test_measures__are_the_same(tables: MeasuredTables) -> None:
    measured = [
        "RowCount > 0",
        'Completeness "carrier" > 0',
        'Uniqueness "id" > 0',
        'Mean "price" > 0',
        'Sum "fare" > 0',
        'DistinctValuesCount "carrier" > 0',
    ]
    both = [await run(tables, kind, "flights", ruleset(*measured)) for kind in ("local", "glue")]
    for one, other in zip(both[0].result.rules, both[1].result.rules, strict=True):
        assert dict(one.metrics) == pytest.approx(dict(other.metrics)), one.rule


@pytest.mark.parametrize("kind", ["local", "glue"])
@pytest.mark.anyio
async def test_empty_table__is_complete_and_unique(tables: MeasuredTables, kind: str) -> None:
    text = ruleset("RowCount = 0", 'IsComplete "name"', 'IsUnique "id"')
    evaluated = await run(tables, kind, "empty", text)
    assert [str(one.outcome) for one in evaluated.result.rules] == ["PASS"] * 3


@pytest.mark.anyio
async def test_rulesets__of_two_texts_are_not_mixed_up_by_runs_at_once(
    tables: MeasuredTables,
) -> None:
    texts = [ruleset(f"RowCount = {number}") for number in (5, 6, 5, 7)]
    found = await asyncio.gather(*(run(tables, "glue", "flights", text) for text in texts))
    assert [one.result.score for one in found] == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.anyio
async def test_same_run__asked_for_twice_is_one_in_glue(tables: MeasuredTables) -> None:
    text = ruleset("RowCount = 5")
    for _ in range(2):
        evaluated = await tables.evaluate("glue", "flights", text, "run-twice")
        assert evaluated.result.score == 1.0
    place = {"GlueTable": {"DatabaseName": DOMAIN, "TableName": "flights"}}
    runs = await tables.aws.call(
        "glue", "list_data_quality_ruleset_evaluation_runs", Filter={"DataSource": place}
    )
    details = [
        await tables.aws.call("glue", "get_data_quality_ruleset_evaluation_run", RunId=one["RunId"])
        for one in runs["Runs"]
    ]
    names = [one["RulesetNames"][0] for one in details]
    assert len(names) == len({one["RunId"] for one in details})
    assert names.count(names[0]) <= 4


@pytest.mark.anyio
async def test_table__that_glue_does_not_know_is_evaluated_here_or_refused(
    tables: MeasuredTables,
) -> None:
    text = ruleset("RowCount = 1")
    with pytest.raises(Invalid) as refused:
        await run(tables, "glue", "draft", text)
    assert refused.value.code == "QUALITY_NOT_IN_LAKE"
    local = tables.evaluator("local")
    evaluated = await run(tables, "glue", "draft", text, otherwise=local)
    assert evaluated.result.score == 1.0


@pytest.mark.anyio
async def test_ruleset__that_glue_does_not_take_is_refused(tables: MeasuredTables) -> None:
    with pytest.raises(Invalid) as refused:
        await run(tables, "glue", "flights", "Rules = [ NoSuchRule > 1 ]")
    assert refused.value.code == "RULE_UNSUPPORTED"


@pytest.mark.anyio
async def test_run__that_takes_too_long_is_given_up_and_cancelled(tables: MeasuredTables) -> None:
    rulesets = tables.running.world.services["glue"].rulesets
    rulesets.polls_before_end = 1000
    try:
        with pytest.raises(Unavailable) as late:
            await run(tables, "glue", "flights", ruleset("RowCount = 5"), deadline_seconds=0.3)
        assert late.value.code == "AWS_TOO_SLOW"
        waiting = asyncio.create_task(run(tables, "glue", "flights", ruleset("RowCount = 5")))
        await asyncio.sleep(0.3)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    finally:
        rulesets.polls_before_end = 1
    runs = await tables.aws.call("glue", "list_data_quality_ruleset_evaluation_runs")
    assert [one["Status"] for one in runs["Runs"][:2]] == ["STOPPED", "STOPPED"]


@pytest.mark.anyio
async def test_run__is_begun_once_looked_at_until_it_ends_and_can_be_stopped(
    tables: MeasuredTables,
) -> None:
    glue = tables.evaluator("glue")
    assert isinstance(glue, GlueEvaluator)
    asked = tables.asked("flights", ruleset("RowCount = 5"), "run-long")
    begun = await glue.begin(asked)
    assert await glue.begin(asked) == begun
    assert isinstance(begun, Begun)
    assert begun.snapshot_id == str(tables.staged["flights"].snapshot_id)
    assert await glue.look(asked, begun) is None
    ended = await glue.look(asked, begun)
    assert ended is not None
    assert ended.result.score == 1.0
    await glue.cancel(begun)  # it has ended, and that is no error
    asked = tables.asked("flights", ruleset("RowCount = 5"), "run-stopped")
    begun = await glue.begin(asked)
    assert isinstance(begun, Begun)
    await glue.cancel(begun)
    with pytest.raises(Unavailable) as stopped:
        await glue.look(asked, begun)
    assert stopped.value.code == "QUALITY_RUN_FAILED"


@pytest.mark.anyio
async def test_run__whose_role_may_not_read_the_table_is_told(tables: MeasuredTables) -> None:
    await tables.make("closed", {"id": "long"}, pa.table({"id": [1]}), granted=False)
    with pytest.raises(Unavailable) as failed:
        await run(tables, "glue", "closed", ruleset("RowCount = 1"))
    assert failed.value.code == "QUALITY_RUN_FAILED"


def random_rule(chance: random.Random) -> str:
    """A rule on the flights, of no kind in particular, true or not."""

    def number() -> str:
        return str(chance.choice([0, 0.2, 0.5, 0.8, 1, 2, 3, 4, 5, 17.5, 25, 100]))

    def compared() -> str:
        form = chance.randrange(4)
        if form == 0:
            low, high = sorted((float(number()), float(number())))
            return f"{chance.choice(['', 'not '])}between {low} and {high}"
        if form == 1:
            return f"{chance.choice(['', 'not '])}in [{number()}, {number()}]"
        return f"{chance.choice(['=', '!=', '<', '<=', '>', '>='])} {number()}"

    def threshold() -> str:
        return chance.choice(["", f" with threshold {chance.choice(['>', '>=', '='])} 0.6"])

    column = chance.choice(list(COLUMNS))
    numeric = chance.choice(["id", "price", "fare"])
    texts = chance.choice(['"LH"', '"LH", "AF"', '"AF", NULL', '"", EMPTY', '"XX"'])
    day = f'"2026-01-0{chance.randint(1, 5)}"'
    return chance.choice(
        [
            f"RowCount {compared()}",
            f"ColumnCount {compared()}",
            f'IsComplete "{column}"',
            f'IsUnique "{column}"',
            f'IsPrimaryKey "{column}"',
            f'ColumnExists "{chance.choice([column, "gone"])}"',
            f'Completeness "{column}" {compared()}',
            f'Uniqueness "{column}" {compared()}',
            f'UniqueValueRatio "{column}" {compared()}',
            f'DistinctValuesCount "{column}" {compared()}',
            f'Entropy "{column}" {compared()}',
            f'Mean "{numeric}" {compared()}',
            f'Sum "{numeric}" {compared()}',
            f'StandardDeviation "{numeric}" {compared()}',
            f'ColumnCorrelation "id" "price" {compared()}',
            f'ColumnValues "{numeric}" {compared()}{threshold()}',
            f'ColumnValues "carrier" {chance.choice(["", "not "])}in [{texts}]{threshold()}',
            f'ColumnValues "carrier" {chance.choice(["", "not "])}matches "[A-Z]+"{threshold()}',
            f'ColumnValues "carrier" {chance.choice(["=", "!="])} "LH"{threshold()}',
            f'ColumnValues "day" {chance.choice(["=", "!=", "<", ">="])} {day}{threshold()}',
            f'ColumnLength "carrier" {compared()}',
        ]
    )


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.anyio
async def test_random_rules__have_the_same_outcome_everywhere(
    tables: MeasuredTables, seed: int
) -> None:
    chance = random.Random(seed)
    rules = []
    for _ in range(60):
        one, other = random_rule(chance), random_rule(chance)
        joined = f"({one}) {chance.choice(['and', 'or'])} ({other})"
        rules.append(joined if chance.random() < 0.2 else one)
    both = [await run(tables, kind, "flights", ruleset(*rules)) for kind in ("local", "glue")]
    differing = [
        f"{one.rule}: {one.outcome} here, {other.outcome} by Glue's fake"
        for one, other in zip(both[0].result.rules, both[1].result.rules, strict=True)
        if one.outcome != other.outcome
    ]
    assert not differing, f"seed {seed}:\n" + "\n".join(differing)
