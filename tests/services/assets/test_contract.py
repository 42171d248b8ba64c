"""Data contracts: what is read of them, what is refused, and how they compare with a table."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from meshplane.kit.errors import FieldProblem, Invalid
from meshplane.services.assets.contract import Contract, column_problems, parse_contract

HEAD = "apiVersion: v3.1.0\nkind: DataContract\nid: c-1\nversion: 1.0.0\nstatus: active\n"

PAYMENTS = (
    HEAD
    + """
name: Payments
domain: seller
dataProduct: payments
tenant: acme
tags: [finance]
description:
  purpose: Views of payments
  limitations: No buyers
  usage: Forecasts
  audience: analysts
schema:
  - name: payments
    physicalName: payments_v1
    physicalType: table
    description: One row a payment
    tags: [core]
    properties:
      - name: paid on
        physicalName: paid_on
        logicalType: date
        physicalType: date
        partitioned: true
        partitionKeyPosition: 1
        examples: [2024-01-31, 2024-02-29]
      - name: id
        logicalType: integer
        required: true
        unique: true
        primaryKey: true
        primaryKeyPosition: 1
        description: Number of the payment
        classification: restricted
        tags: [key]
      - name: lines
        logicalType: array
        items:
          logicalType: object
          properties:
            - {name: amount, logicalType: number}
"""
)


def given(**keys: Any) -> str:
    """A contract with the least that the standard requires, and these keys."""
    return HEAD + "".join(f"{key}: {json.dumps(value)}\n" for key, value in keys.items())


def changed(**keys: Any) -> str:
    """The same with some of its keys replaced, as JSON."""
    return json.dumps({**yaml.load(HEAD, Loader=yaml.BaseLoader), **keys})


def problems(text: str) -> tuple[FieldProblem, ...]:
    with pytest.raises(Invalid) as caught:
        parse_contract(text)
    assert caught.value.code == "CONTRACT_INVALID"
    assert 1 <= len(caught.value.fields) <= 20
    return caught.value.fields


def refusal(text: str) -> Invalid | None:
    try:
        parse_contract(text)
    except Invalid as refused:
        return refused
    return None


def places(text: str) -> list[str]:
    return [problem.field for problem in problems(text)]


def of_columns(*properties: dict[str, Any], api_version: str = "v3.1.0") -> Contract:
    text = given(schema=[{"name": "orders", "properties": list(properties)}])
    return parse_contract(text.replace("v3.1.0", api_version))


# --- reading ------------------------------------------------------------------------------------


def test_parse__reads_what_the_contract_says_about_itself() -> None:
    contract = parse_contract(PAYMENTS)

    assert (contract.id, contract.version, contract.status) == ("c-1", "1.0.0", "active")
    assert (contract.name, contract.domain, contract.data_product, contract.tenant) == (
        "Payments",
        "seller",
        "payments",
        "acme",
    )
    assert contract.description.purpose == "Views of payments"
    assert contract.description.limitations == "No buyers"
    assert contract.description.usage == "Forecasts"
    assert contract.tags == ("finance",)


def test_parse__reads_tables_and_columns() -> None:
    (payments,) = parse_contract(PAYMENTS).schema
    paid_on, number, lines = payments.properties

    assert (payments.name, payments.physical_name, payments.tags) == (
        "payments",
        "payments_v1",
        ("core",),
    )
    assert (paid_on.name, paid_on.column_name) == ("paid on", "paid_on")
    assert (paid_on.logical_type, paid_on.physical_type) == ("date", "date")
    assert (paid_on.partitioned, paid_on.partition_key_position) == (True, 1)
    assert (number.required, number.unique, number.primary_key) == (True, True, True)
    assert number.primary_key_position == 1
    assert (number.description, number.classification) == ("Number of the payment", "restricted")
    assert number.tags == ("key",)
    assert lines.items is not None
    assert [field.name for field in lines.items.properties] == ["amount"]


def test_parse__what_a_column_does_not_say_has_the_defaults_of_the_standard() -> None:
    (column,) = of_columns({"name": "a"}).schema[0].properties

    assert (column.required, column.unique, column.primary_key, column.partitioned) == (False,) * 4
    assert (column.primary_key_position, column.partition_key_position) == (-1, -1)
    assert (column.logical_type, column.classification, column.tags) == (None, None, ())


def test_to_json__gives_the_whole_document_and_a_copy_of_its_own() -> None:
    contract = parse_contract(PAYMENTS)
    document = contract.to_json()

    assert document["description"]["audience"] == "analysts"
    assert document["schema"][0]["properties"][0]["examples"] == ["2024-01-31", "2024-02-29"]
    assert parse_contract(json.dumps(document)).to_json() == document

    document["schema"].clear()
    assert len(contract.to_json()["schema"]) == 1


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2024-01-31", "2024-01-31"),
        ("12:30:00", "12:30:00"),
        ("1_000", "1_000"),
        ('"7"', "7"),
        ("!!str 7", "7"),
        ("! 7", "7"),
        ("7", 7),
        ("007", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("-1.5e3", -1500.0),
        (".5", 0.5),
        ("True", True),
        ("~", None),
        ("", None),
    ],
)
def test_parse__plain_words_mean_what_yaml_1_2_says(written: str, read: object) -> None:
    text = HEAD + f"customProperties: [{{property: p, value: {written}}}]"

    value = parse_contract(text).to_json()["customProperties"][0]["value"]

    assert value == read
    assert type(value) is type(read)


def test_parse__json_is_accepted_with_any_character() -> None:
    text = changed(name="prix en € 😀")
    unescaped = json.dumps(json.loads(text), ensure_ascii=False)

    assert parse_contract(text).name == "prix en € 😀"
    assert parse_contract("\ufeff " + unescaped).name == "prix en € 😀"


def test_parse__yaml_in_flow_style_is_accepted() -> None:
    text = "{apiVersion: v3.1.0, kind: DataContract, id: a, version: '1', status: draft}"

    assert parse_contract(text).status == "draft"


def test_parse__a_few_aliases_are_unfolded_into_copies() -> None:
    text = HEAD + "tags: &t [a, b]\nschema: [{name: x, tags: *t}, {name: y, tags: *t}]"
    document = parse_contract(text).to_json()

    document["schema"][0]["tags"].append("c")

    assert document["tags"] == document["schema"][1]["tags"] == ["a", "b"]


# --- refusals by the standard -------------------------------------------------------------------


def test_parse__a_missing_key_is_named() -> None:
    assert problems("id: a\nversion: b\nstatus: c\nkind: DataContract") == (
        FieldProblem("contract.apiVersion", "is required"),
    )


@pytest.mark.parametrize("text", ["", "# nothing", "null", "[]", "just words", "3"])
def test_parse__what_is_not_a_mapping_is_refused(text: str) -> None:
    assert places(text) == ["contract"]


@pytest.mark.parametrize(
    ("keys", "place"),
    [
        ({"version": 2}, "contract.version"),
        ({"name": None}, "contract.name"),
        ({"colour": "red"}, "contract.colour"),
        ({"data_product": "x"}, "contract.data_product"),
        ({"tags": ["a", 1]}, "contract.tags.1"),
        ({"description": "text"}, "contract.description"),
        ({"description": {"usage": 3}}, "contract.description.usage"),
        ({"schema": [{}]}, "contract.schema.0.name"),
        ({"schema": [{"name": "a", "logicalType": "array"}]}, "contract.schema.0.logicalType"),
        ({"schema": [{"name": "a", "id": "a b"}]}, "contract.schema.0.id"),
        ({"team": "me"}, "contract.team"),
        ({"team": {"members": [{"name": "x"}]}}, "contract.team.members.0.username"),
        ({"team": [{"username": "x"}, {"name": "x"}]}, "contract.team.1.username"),
        ({"roles": [{"access": "read"}]}, "contract.roles.0.role"),
        ({"slaProperties": [{"property": "latency"}]}, "contract.slaProperties.0.value"),
        (
            {"slaProperties": [{"property": "latency", "value": [1]}]},
            "contract.slaProperties.0.value",
        ),
        ({"support": [{"tool": "slack"}]}, "contract.support.0.channel"),
        ({"price": {"priceAmount": "9.95"}}, "contract.price.priceAmount"),
        ({"price": {"priceAmount": True}}, "contract.price.priceAmount"),
        ({"customProperties": [{"property": "a"}]}, "contract.customProperties.0.value"),
        ({"authoritativeDefinitions": [{"url": "x"}]}, "contract.authoritativeDefinitions.0.type"),
    ],
)
def test_parse__a_section_that_breaks_the_standard_is_refused_at_its_place(
    keys: dict[str, Any], place: str
) -> None:
    assert places(changed(**keys)) == [place]


@pytest.mark.parametrize(
    ("column", "place"),
    [
        ({"logicalType": "map"}, "logicalType"),
        ({"required": "yes"}, "required"),
        ({"primaryKeyPosition": 1.5}, "primaryKeyPosition"),
        ({"description": None}, "description"),
        ({"properties": [{"name": "b"}], "logicalType": "string"}, "properties"),
        ({"items": {"logicalType": "string"}, "logicalType": "object"}, "items"),
        ({"items": {"logicalType": "text"}, "logicalType": "array"}, "items.logicalType"),
        ({"logicalTypeOptions": {"maxLength": 3}}, "logicalTypeOptions"),
        (
            {"logicalType": "string", "logicalTypeOptions": {"maximum": 3}},
            "logicalTypeOptions.maximum",
        ),
        (
            {"logicalType": "string", "logicalTypeOptions": {"maxLength": -1}},
            "logicalTypeOptions.maxLength",
        ),
        (
            {"logicalType": "date", "logicalTypeOptions": {"minimum": 2024}},
            "logicalTypeOptions.minimum",
        ),
        (
            {"logicalType": "date", "logicalTypeOptions": {"timezone": True}},
            "logicalTypeOptions.timezone",
        ),
        (
            {"logicalType": "integer", "logicalTypeOptions": {"format": "f64"}},
            "logicalTypeOptions.format",
        ),
        (
            {"logicalType": "number", "logicalTypeOptions": {"multipleOf": 0}},
            "logicalTypeOptions.multipleOf",
        ),
        (
            {"logicalType": "object", "logicalTypeOptions": {"required": ["a", "a"]}},
            "logicalTypeOptions.required",
        ),
        ({"relationships": [{"to": "customers"}]}, "relationships.0.to"),
        ({"relationships": [{"to": []}]}, "relationships.0.to"),
        ({"relationships": [{"to": "a.b", "from": "c.d"}]}, "relationships.0.from"),
        ({"relationships": [{"to": "a.b", "type": "other"}]}, "relationships.0.type"),
    ],
)
def test_parse__a_column_that_breaks_the_standard_is_refused_at_its_place(
    column: dict[str, Any], place: str
) -> None:
    text = given(schema=[{"name": "t", "properties": [{"name": "a"}, {"name": "b", **column}]}])

    assert places(text) == [f"contract.schema.0.properties.1.{place}"]


@pytest.mark.parametrize(
    "column",
    [
        {"primaryKeyPosition": 1.0},
        {"properties": [{"name": "b"}]},
        {"logicalTypeOptions": {}},
        {"logicalType": "boolean", "logicalTypeOptions": {"anything": 1}},
        {"logicalType": "time", "logicalTypeOptions": {"timezone": True}},
        {"logicalType": "integer", "logicalTypeOptions": {"format": "u128", "minimum": 0}},
        {"relationships": [{"to": "customers.address.street"}]},
        {"relationships": [{"to": ["a.b", "c.d"], "type": "foreignKey"}]},
        {"relationships": [{"to": "schema/customers/properties/id-1"}]},
        {"relationships": [{"to": "https://x.org/c.yaml#/schema/t/properties/id"}]},
        {"examples": [None, 1, {"a": []}]},
    ],
)
def test_parse__a_column_that_the_standard_allows_is_accepted(column: dict[str, Any]) -> None:
    assert of_columns({"name": "a", **column}).schema[0].properties[0].name == "a"


@pytest.mark.parametrize(
    ("ends", "place"),
    [
        ({"from": "a.b", "to": "c.d"}, None),
        ({"from": ["a.b", "a.c"], "to": ["c.d", "c.e"]}, None),
        ({"to": "c.d"}, "from"),
        ({"from": "a.b", "to": ["c.d"]}, "to"),
        ({"from": ["a.b", "a.c"], "to": ["c.d"]}, "to"),
    ],
)
def test_parse__the_two_ends_of_a_relationship_must_match(
    ends: dict[str, Any], place: str | None
) -> None:
    text = given(schema=[{"name": "t", "relationships": [ends]}])

    if place is None:
        assert parse_contract(text).schema[0].name == "t"
    else:
        assert places(text) == [f"contract.schema.0.relationships.0.{place}"]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"type": "text", "description": "looks fine"}, []),
        ({"description": "no type is a text"}, []),
        ({"metric": "rowCount", "mustBeBetween": [1, 9]}, []),
        ({"type": "library", "metric": "nullValues", "mustBe": None}, []),
        ({"type": "sql", "query": "SELECT 1", "mustBe": 1}, []),
        ({"type": "custom", "engine": "soda", "implementation": {"type": "x"}}, []),
        ({"type": "library", "mustBe": 0}, [".metric"]),
        ({"type": "library", "metric": "rowCount"}, [""]),
        ({"type": "library", "metric": "rowCount", "mustBe": 0, "mustNotBe": 1}, [""]),
        ({"type": "library", "metric": "median", "mustBe": 0}, [".metric"]),
        ({"type": "library", "metric": "rowCount", "mustBeBetween": [1]}, [".mustBeBetween"]),
        ({"type": "library", "metric": "rowCount", "mustBeBetween": [1, 1]}, [".mustBeBetween"]),
        ({"type": "library", "metric": "rowCount", "mustBeLessThan": "9"}, [".mustBeLessThan"]),
        ({"type": "sql", "mustBe": 1}, [".query"]),
        ({"type": "custom", "engine": "soda"}, [".implementation"]),
        ({"type": "custom", "engine": "soda", "implementation": 3}, [".implementation"]),
        ({"type": "text", "mustBe": 1}, [".mustBe"]),
        ({"type": "text", "query": "SELECT 1"}, [".query"]),
        ({"type": "guess"}, [".type"]),
        ({"dimension": "beauty"}, [".dimension"]),
    ],
)
def test_parse__a_quality_rule_has_the_keys_of_its_type(
    rule: dict[str, Any], expected: list[str]
) -> None:
    text = given(schema=[{"name": "t", "quality": [rule]}])

    if expected:
        assert places(text) == [f"contract.schema.0.quality.0{place}" for place in expected]
    else:
        assert parse_contract(text).schema[0].name == "t"


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({"type": "athena", "stagingDir": "s3://b/p", "schema": "x"}, []),
        ({"type": "s3", "location": "s3://bucket/{model}/*.json"}, []),
        ({"type": "kinesis"}, []),
        ({"type": "custom", "stream": "orders", "port": 9}, []),
        ({"type": "kafka", "host": "h", "environment": "prod", "roles": [{"role": "r"}]}, []),
        ({"type": "athena", "schema": "x"}, [".stagingDir"]),
        ({"type": "postgres", "host": "h", "database": "d", "schema": "s"}, [".port"]),
        ({"type": "duckdb", "database": "d", "host": "h"}, [".host"]),
        ({"type": "mysql", "host": "h", "port": "3306", "database": "d"}, [".port"]),
        ({"type": "sftp", "location": "s3://b"}, [".location"]),
        ({"type": "floppy"}, [".type"]),
        ({"type": "kafka", "host": "h", "hosts": "x"}, [".hosts"]),
    ],
)
def test_parse__a_server_has_the_keys_of_its_type(
    server: dict[str, Any], expected: list[str]
) -> None:
    text = given(servers=[{"server": "main", **server}])

    if expected:
        assert places(text) == [f"contract.servers.0{place}" for place in expected]
    else:
        assert parse_contract(text).id == "c-1"


@pytest.mark.parametrize("version", ["v3.0.0", "v3.0.1", "v3.0.2", "v2.2.2"])
def test_parse__earlier_versions_of_the_standard_are_accepted(version: str) -> None:
    assert parse_contract(HEAD.replace("v3.1.0", version)).api_version == version


@pytest.mark.parametrize("version", ["v3.2.0", "v9.9.9", "3.1.0", ""])
def test_parse__unknown_versions_of_the_standard_are_refused(version: str) -> None:
    assert places(HEAD.replace("v3.1.0", f"'{version}'")) == ["contract.apiVersion"]


def test_parse__at_most_twenty_problems_are_listed_and_the_rest_counted() -> None:
    with pytest.raises(Invalid) as caught:
        parse_contract(given(tags=[1] * 50))

    assert [problem.field for problem in caught.value.fields] == [
        f"contract.tags.{index}" for index in range(20)
    ]
    assert "49 more problems" in caught.value.message


# --- hostile text -------------------------------------------------------------------------------


def bomb(levels: int, width: int) -> str:
    lists = ["  - &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, levels):
        lists.append(f"  - &a{level} [" + ", ".join([f"*a{level - 1}"] * width) + "]")
    return HEAD + "customProperties:\n- property: p\n  value:\n" + "\n".join(lists)


HOSTILE = {
    "alias bomb": bomb(9, 9),
    "alias bomb under the alias bound": bomb(7, 9),
    "many aliases": HEAD + "name: &n hi\ntags: [" + "*n, " * 65 + "]",
    "alias of itself": HEAD + "tags: &t [*t]",
    "alias of a parent": HEAD + "schema: &s [{name: x, tags: *s}]",
    "alias before its anchor": HEAD + "tags: [*x, &x y]",
    "text unfolded by aliases": (
        HEAD + f"name: &n {'x' * 60_000}\ntags: [" + ", ".join(["*n"] * 60) + "]"
    ),
    "depth through aliases": (
        HEAD + f"tags: &a {'[' * 40}{']' * 40}\nroles: {'[' * 40}*a{']' * 40}"
    ),
    "merge key": HEAD + "price: &p {priceUnit: GB}\nteam: {<<: *p}",
    "python object": HEAD + "name: !!python/object/apply:os.system ['true']",
    "python name": HEAD + "name: !!python/name:os.system",
    "local tag": HEAD + "name: !secret x",
    "binary tag": HEAD + "name: !!binary aGk=",
    "tag that a directive renames": "%TAG !y! tag:yaml.org,2002:python/\n---\n"
    + HEAD
    + "name: !y!name:os.system",
    "same key twice": HEAD + "id: other",
    "same key twice, written differently": HEAD + '"id": other',
    "same key twice in JSON": '{"schema": [{"name": "a", "name": "b"}]}',
    "list as a key": HEAD + "? [a]\n: b",
    "mapping as a key": HEAD + "{a: b}: c",
    "alias as a key": HEAD + "name: &n x\n*n : y",
    "flow depth": HEAD + "tags: " + "[" * 200_000,
    "block depth": HEAD + "tags:\n " + "- " * 200_000,
    "JSON depth": '{"a":' * 80_000,
    "JSON list depth": '{"a":' + "[" * 200_000 + "]" * 200_000 + "}",
    "depth just over": HEAD + "tags: " + "[" * 64 + "]" * 64,
    "many values": HEAD + "tags: [" + "a," * 200_000 + "]",
    "many values in JSON": '{"a":[' + "1," * 200_000 + "1]}",
    "huge value": HEAD + "name: " + "x" * 70_000,
    "huge value in JSON": '{"id":"' + "x" * 70_000 + '"}',
    "too large": HEAD + "# " + "x" * (512 * 1024),
    "too large in bytes": HEAD + "# " + "é" * (256 * 1024),
    "NUL": HEAD + "name: a\0b",
    "NUL escaped": HEAD + 'name: "a\\0b"',
    "NUL escaped in JSON": '{"id": "\\u0000"}',
    "NUL in a key": HEAD + '"a\\0": b',
    "control character": HEAD + "name: \x07",
    "half a surrogate pair": HEAD + "name: \ud800",
    "half a surrogate pair escaped": '{"id": "\\ud800"}',
    "long number": HEAD + f"price: {{priceAmount: {'9' * 10_000}}}",
    "long number in JSON": '{"price": {"priceAmount": ' + "9" * 10_000 + "}}",
    "infinite number": HEAD + "price: {priceAmount: .inf}",
    "not a number": HEAD + "price: {priceAmount: .NaN}",
    "not a number in JSON": '{"a": NaN}',
    "overflowing number": HEAD + "price: {priceAmount: 1e400}",
    "two documents": HEAD + "---\n" + HEAD,
    "tab indentation": HEAD + "price:\n\tpriceUnit: GB",
    "open quote": HEAD + 'name: "a',
    "open list": HEAD + "tags: [a",
    "stray colon": HEAD + "name: a: b",
    "lone percent": "%\n" + HEAD,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_parse__hostile_text_is_refused_within_a_second(name: str) -> None:
    started = time.process_time()

    problems(HOSTILE[name])

    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("same key twice", "contract.id"),
        ("same key twice in JSON", "contract.schema.0.name"),
        ("python object", "contract.name"),
        ("NUL escaped", "contract.name"),
        ("NUL escaped in JSON", "contract.id"),
        ("merge key", "contract.team"),
        ("long number", "contract.price.priceAmount"),
    ],
)
def test_parse__hostile_text_is_named_at_its_place(name: str, place: str) -> None:
    assert places(HOSTILE[name]) == [place]


def test_parse__a_mistake_in_yaml_is_told_by_line_and_column() -> None:
    (problem,) = problems(HOSTILE["stray colon"])

    assert problem.field == "contract"
    assert "line 6, column 8" in problem.message


def test_parse__the_deepest_allowed_nesting_is_accepted() -> None:
    text = HEAD + "customProperties: [{property: p, value: " + "[" * 61 + "]" * 61 + "}]"

    assert parse_contract(text).id == "c-1"


SECRET = "hunter2-hunter2"


@pytest.mark.parametrize(
    "text",
    [
        changed(version=[SECRET]),
        changed(kind=SECRET),
        changed(apiVersion=SECRET),
        given(schema=[{"name": "t", "properties": [{"name": "a", "logicalType": SECRET}]}]),
        given(schema=[{"name": "t", "id": SECRET + "!"}]),
        given(schema=[{"name": "t", "quality": [{"type": SECRET}]}]),
        given(servers=[{"server": "a", "type": SECRET}]),
        given(servers=[{"server": "a", "type": "sftp", "location": SECRET}]),
        given(team=SECRET),
        given(schema=[{"name": "t", "relationships": [{"from": SECRET, "to": SECRET}]}]),
        HEAD + f"name: {SECRET}: b",
        HEAD + f"name: !{SECRET} b",
        HEAD + f"name: *{SECRET}",
        HEAD + f'name: "{SECRET}\\q"',
        HEAD + f"? [{SECRET}]\n: b",
        f'{{"id": "{SECRET}" x}}',
    ],
)
def test_parse__no_value_of_the_text_is_repeated_in_an_error(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_contract(text)

    told = [caught.value.message, *(problem.message for problem in caught.value.fields)]
    assert not [sentence for sentence in told if SECRET in sentence]
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_parse__a_key_in_an_error_is_shortened_and_made_printable() -> None:
    (field,) = places(HEAD + '"\\e[31m' + "k" * 500 + '": 1')

    assert field.isprintable()
    assert len(field) < 100


def test_parse__mangled_text_is_read_or_refused_and_nothing_else() -> None:
    seed = int(os.environ.get("MESHPLANE_TEST_SEED", random.randrange(2**32)))
    sys.stdout.write(f"seed {seed}\n")
    chance = random.Random(seed)
    marks = "\t\n :-[]{},&*!|>'\"%@`#?~<=.\\0\x85\u2028\ufeff9a"
    for _ in range(1500):
        text = chance.choice([PAYMENTS, json.dumps(yaml.load(PAYMENTS, Loader=yaml.BaseLoader))])
        for _ in range(chance.randint(1, 6)):
            at = chance.randrange(len(text))
            gone = chance.choice([0, 0, 1, 1, chance.randint(2, 60)])
            text = text[:at] + chance.choice(["", chance.choice(marks)]) + text[at + gone :]
        told = refusal(text)
        if told is None:
            json.dumps(parse_contract(text).to_json(), allow_nan=False)
        else:
            assert told.code == "CONTRACT_INVALID"
            assert told.fields


def test_import__leaves_the_yaml_and_model_libraries_for_the_first_contract() -> None:
    source = Path(__file__).resolve().parents[3] / "src"
    script = (
        "import sys, meshplane.services.assets.contract; "
        "print(sorted({'yaml', 'pydantic'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout.strip(), ran.stderr) == ("[]", "")


# --- the contract and its table -----------------------------------------------------------------


def test_columns__a_table_that_matches_has_no_problems() -> None:
    columns = {
        "paid_on": "date",
        "id": "long",
        "lines": "list<struct<5: amount: optional decimal(9, 2)>>",
    }

    assert column_problems(parse_contract(PAYMENTS), columns) == []


def test_columns__a_column_that_the_table_lacks_is_named_where_it_is_described() -> None:
    contract = of_columns({"name": "id"}, {"name": "the day", "physicalName": "day"})

    assert [problem.field for problem in column_problems(contract, {})] == [
        "contract.schema.0.properties.0.name",
        "contract.schema.0.properties.1.physicalName",
    ]


def test_columns__a_column_that_the_contract_leaves_out_is_named() -> None:
    problems_found = column_problems(of_columns({"name": "id"}), {"id": "int", "email": "string"})

    assert [problem.field for problem in problems_found] == ["columns.email"]


def test_columns__names_that_differ_in_case_are_pointed_out() -> None:
    missing, extra = column_problems(of_columns({"name": "orderId"}), {"orderid": "long"})

    assert "upper and lower case" in missing.message
    assert extra.field == "columns.orderid"


def test_columns__a_column_described_twice_is_a_problem() -> None:
    contract = of_columns({"name": "id"}, {"name": "number", "physicalName": "id"})

    (problem,) = column_problems(contract, {"id": "long"})

    assert problem.field == "contract.schema.0.properties.1.physicalName"
    assert "contract.schema.0.properties.0" in problem.message


def test_columns__a_contract_without_a_schema_describes_no_table() -> None:
    (problem,) = column_problems(parse_contract(HEAD), {"id": "long"})

    assert problem.field == "contract.schema"


FITTING = [
    ("string", "string uuid binary fixed[16]"),
    ("date", "date"),
    ("timestamp", "timestamp timestamptz timestamp_ns timestamptz_ns"),
    ("time", "time"),
    ("number", "int long float double decimal(9,2)"),
    ("integer", "int long decimal(38,0)"),
    ("object", "struct<1:a:optional-int> map<string,int> variant"),
    ("array", "list<string>"),
    ("boolean", "boolean"),
]
EVERY_TYPE = {iceberg for _, fitting in FITTING for iceberg in fitting.split()} | {"geometry"}


@pytest.mark.parametrize(("logical", "fitting"), FITTING)
def test_columns__a_logical_type_fits_certain_iceberg_types_only(
    logical: str, fitting: str
) -> None:
    contract = of_columns({"name": "a", "logicalType": logical})

    refused = {iceberg for iceberg in EVERY_TYPE if column_problems(contract, {"a": iceberg})}

    # A decimal without fraction is a number as well.
    also = {"decimal(38,0)"} if logical == "number" else set()
    assert refused == EVERY_TYPE - set(fitting.split()) - also


def test_columns__a_type_that_does_not_fit_is_told_at_the_logical_type() -> None:
    contract = of_columns({"name": "id", "logicalType": "integer"})

    assert column_problems(contract, {"id": "timestamptz"}) == [
        FieldProblem(
            "contract.schema.0.properties.0.logicalType",
            "is integer, but the column is timestamptz; integer fits int, long",
        )
    ]


def test_columns__a_column_without_logical_type_fits_any() -> None:
    assert column_problems(of_columns({"name": "a"}), {"a": "timestamptz"}) == []


def test_columns__before_3_1_a_date_may_be_a_timestamp() -> None:
    column = {"name": "at", "logicalType": "date"}

    assert column_problems(of_columns(column, api_version="v3.0.2"), {"at": "timestamptz"}) == []
    assert column_problems(of_columns(column, api_version="v3.1.0"), {"at": "timestamptz"})
