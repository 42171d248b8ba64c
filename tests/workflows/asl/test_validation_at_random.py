"""Whatever a document holds, validation answers, quickly, and never raises."""

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplane.workflows.asl.validation import Problem, validate
from meshplane.workflows.asl.validation_fields import MACHINE, STATES
from meshplane.workflows.asl.validation_values import JSONATA, JSONPATH
from tests.builders.seeds import fresh

RECORDED = Path(__file__).resolve().parents[3] / "../shared/conformance"

FIELDS = sorted(
    {name for fields in STATES.values() for way in (JSONATA, JSONPATH) for name in fields.of(way)}
    | set(MACHINE)
    | {"And", "Or", "Not", "Variable", "Condition", "StringEquals", "IsPresent", "ErrorEquals",
       "MaxAttempts", "ProcessorConfig", "Mode", "a.$", "RoleArn"}
)  # fmt: skip
WORDS = [
    *STATES, "A", "B", "JSONata", "JSONPath", "$.a", "$$", "$..a[*]", "States.ALL", "{% $a %}",
    "{%", "%}", "States.Format('{}', $.a)", "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "meshplane:x", "DISTRIBUTED", "2026-03-14T01:59:00Z", "\ud800", "\x00", "~/",
]  # fmt: skip

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(WORDS),
    st.text(max_size=8),
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(FIELDS), st.text(max_size=4)), inner, max_size=6),
    ),
    max_leaves=12,
)
states = st.builds(
    lambda kind, fields: {**fields, "Type": kind},
    st.sampled_from(list(STATES)),
    st.dictionaries(st.sampled_from(FIELDS), documents, max_size=8),
)
machines = st.fixed_dictionaries(
    {"StartAt": st.sampled_from(["A", "B"])},
    optional={
        "States": st.dictionaries(st.sampled_from(["A", "B", "C/~"]), states, max_size=3),
        "QueryLanguage": st.sampled_from(["JSONata", "JSONPath", 3]),
    },
)


def assert_well_formed(problems: list[Problem]) -> None:
    for each in problems:
        assert each.severity in ("ERROR", "WARNING")
        assert each.code == each.code.upper()
        assert each.path.startswith("/")
        assert each.message
        each.path.encode()
        each.message.encode()


@given(documents)
@settings(max_examples=300, deadline=None, print_blob=True)
def test_any_json__gets_an_answer(document: Any) -> None:
    assert_well_formed(validate(document))


@given(machines)
@settings(max_examples=200, deadline=None, print_blob=True)
def test_anything_shaped_like_a_machine__gets_an_answer(document: Any) -> None:
    assert_well_formed(validate(document))
    assert_well_formed(validate(json.dumps(document), "EXPRESS"))


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None, print_blob=True)
def test_any_text__gets_an_answer(text: str) -> None:
    assert_well_formed(validate(text))


def real_definitions() -> list[Any]:
    path = RECORDED / "asl_executions.jsonl"
    if not path.exists():
        pytest.skip("the recorded cases (../shared/conformance) are not beside this repository")
    return [json.loads(line)["definition"] for line in path.read_text("utf-8").splitlines()]


def containers(value: Any) -> Iterator[Any]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict | list) and each:
            yield each
            waiting += each.values() if isinstance(each, dict) else each


def test_real_machine_with_something_changed__gets_an_answer() -> None:
    chance = random.Random(fresh())
    definitions = real_definitions()
    pieces: list[Any] = [*WORDS, None, True, -1, 2.5, [], {}, [None], {"a": {}}]
    for _ in range(1_500):
        changed = copy.deepcopy(chance.choice(definitions))
        for _ in range(chance.randint(1, 4)):
            filled = list(containers(changed))
            if not filled:
                break
            place = chance.choice(filled)
            key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
            action = chance.random()
            if action < 0.5:
                place[key] = copy.deepcopy(chance.choice(pieces))
            elif action < 0.7 and isinstance(place, dict):
                place[chance.choice(FIELDS)] = place[key]
            else:
                del place[key]
        assert_well_formed(validate(changed))
