"""What the stand-in for Lake Formation lets through, against a naive reader of the rules.

The oracle knows grants as sentences in a list and asks of every single cell whether one of them
shows it; the stand-in takes grants apart, merges them and joins what they show.
"""

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.builders.fake_lake import (
    FakeLake,
    all_tables,
    cells,
    columns,
    filter_resource,
    refusal,
    table,
    to,
)
from tests.builders.seeds import shown

NAMES = ("flight", "origin", "delay", "pilot")
ROWS: list[dict[str, Any]] = [
    {"flight": "A1", "origin": "JFK", "delay": 70, "pilot": "Amelia"},
    {"flight": "B2", "origin": "JFK", "delay": 5, "pilot": "Bessie"},
    {"flight": "C3", "origin": "LGA", "delay": 90, "pilot": "Charles"},
    {"flight": "D4", "origin": "LGA", "delay": 0, "pilot": "Dorothy"},
]
CONDITIONS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "origin = 'JFK'": lambda row: row["origin"] == "JFK",
    "delay > 60": lambda row: row["delay"] > 60,
    "NOT origin = 'JFK'": lambda row: row["origin"] != "JFK",
}

Sentence = tuple[str, tuple[str, ...], str]
"""How: `all`, `every table`, `only`, `but`, `filter`; which columns; which rows."""


class Reader:
    """The oracle."""

    def __init__(self) -> None:
        self.sentences: list[Sentence] = []

    def shows(self, row: dict[str, Any], column: str) -> bool:
        for how, names, condition in self.sentences:
            if how in ("all", "every table"):
                return True
            if how == "only" and column in names:
                return True
            if how == "but" and column not in names:
                return True
            if how == "filter" and column in names and CONDITIONS[condition](row):
                return True
        return False

    def cells(self) -> set[tuple[str, str]]:
        return {
            (row["flight"], column) for row in ROWS for column in NAMES if self.shows(row, column)
        }


def cells_of(lake: FakeLake) -> set[tuple[str, str]]:
    access = lake.fake.access(lake.caller("ann"), "111122223333", "aviation", "flights")
    return {
        (row["flight"], column)
        for scope in access.scopes
        for row in ROWS
        if scope.rows is None or CONDITIONS[scope.rows](row)
        for column in scope.columns
    }


def resource_of(lake: FakeLake, sentence: Sentence) -> dict[str, Any]:
    how, names, condition = sentence
    if how == "all":
        return table()
    if how == "every table":
        return all_tables()
    if how == "only":
        return columns(*names)
    if how == "but":
        return columns(excluded=names)
    name = f"{condition} {' '.join(names)}"
    made = refusal(lake.admin.create_data_cells_filter, TableData=cells(name, condition, *names))
    assert made in {"", "AlreadyExistsException"}
    return filter_resource(name)


def some_sentence(chance: random.Random) -> Sentence:
    how = chance.choice(["all", "every table", "only", "only", "but", "but", "filter", "filter"])
    names = tuple(sorted(chance.sample(NAMES, chance.randint(1, 3))))
    if how in ("all", "every table"):
        return how, (), ""
    return how, names, chance.choice(sorted(CONDITIONS)) if how == "filter" else ""


def revoke_is_held(reader: Reader, sentence: Sentence) -> bool:
    """Takes a sentence back by the naive rules, and says whether it could be."""
    how, names, _ = sentence
    if how != "only":
        held = sentence in reader.sentences
        if held:
            reader.sentences.remove(sentence)
        return held
    listed = {name for kind, each, _ in reader.sentences if kind == "only" for name in each}
    if not set(names) <= listed:
        return False
    others = [one for one in reader.sentences if one[0] != "only"]
    left = tuple(sorted(listed - set(names)))
    reader.sentences = others + ([("only", left, "")] if left else [])
    return True


@pytest.mark.parametrize("number", range(150))
def test_random_grants_and_revokes__show_the_cells_that_a_naive_reader_sees(number: int) -> None:
    seed = shown(number)
    chance, lake, reader = random.Random(seed), FakeLake(), Reader()
    for _ in range(25):
        sentence = some_sentence(chance)
        if reader.sentences and chance.random() < 0.45:
            sentence = chance.choice([*reader.sentences, sentence])
            if sentence[0] == "only" and chance.random() < 0.5:
                sentence = ("only", sentence[1][:1], "")
            resource = resource_of(lake, sentence)
            code = refusal(
                lake.admin.revoke_permissions,
                Principal=to("ann"),
                Resource=resource,
                Permissions=["SELECT"],
            )
            taken = code == ""
            assert taken or code == "InvalidInputException"
            assert taken == revoke_is_held(reader, sentence), f"seed {seed}: {sentence}"
        else:
            lake.admin.grant_permissions(
                Principal=to("ann"), Resource=resource_of(lake, sentence), Permissions=["SELECT"]
            )
            if sentence not in reader.sentences:
                reader.sentences.append(sentence)
        assert cells_of(lake) == reader.cells(), f"seed {seed}: {reader.sentences}"


@pytest.mark.parametrize(
    ("resource", "later"),
    [
        (table(), True),
        (all_tables(), True),
        (columns(excluded=("pilot",)), True),
        (columns("flight", "origin", "delay", "pilot"), False),
    ],
)
def test_column_that_is_added_later__belongs_to_what_is_not_a_list(
    resource: dict[str, Any], later: bool
) -> None:
    lake = FakeLake()
    lake.admin.grant_permissions(Principal=to("ann"), Resource=resource, Permissions=["SELECT"])
    lake.make_table(columns={**dict.fromkeys(NAMES, "string"), "gate": "string"})
    assert ("gate" in lake.reads("ann")) is later


def test_other_permissions__show_no_data() -> None:
    lake = FakeLake()
    lake.admin.grant_permissions(
        Principal=to("ann"), Resource=table(), Permissions=["INSERT", "DESCRIBE", "DELETE"]
    )
    database = {"Database": {"Name": "aviation"}}
    lake.admin.grant_permissions(Principal=to("ann"), Resource=database, Permissions=["ALL"])
    assert lake.sees("ann") == set()
    assert lake.fake.describes(lake.caller("ann"), "111122223333", "aviation", "flights")


def test_super_on_a_table__shows_everything() -> None:
    lake = FakeLake()
    lake.admin.grant_permissions(Principal=to("ann"), Resource=table(), Permissions=["ALL"])
    assert lake.reads("ann") == set(NAMES)


def test_administrator__reads_only_what_is_granted_to_him() -> None:
    lake = FakeLake()
    assert lake.sees("admin") == set()
    lake.admin.grant_permissions(Principal=to("admin"), Resource=table(), Permissions=["SELECT"])
    assert lake.reads("admin") == set(NAMES)


def test_everybody_of_the_account__can_be_granted_to() -> None:
    lake = FakeLake()
    group = {"DataLakePrincipalIdentifier": "111122223333:IAMPrincipals"}
    lake.admin.grant_permissions(Principal=group, Resource=table(), Permissions=["SELECT"])
    assert lake.reads("anyone") == set(NAMES)
    assert lake.sees("anyone", "444455556666") == set()


def test_unregistered_location__shows_nothing_where_that_is_asked_for() -> None:
    lake = FakeLake()
    lake.admin.grant_permissions(Principal=to("ann"), Resource=table(), Permissions=["SELECT"])
    lake.fake.decision.only_registered = True
    assert lake.sees("ann") == set()
    lake.admin.register_resource(
        ResourceArn="arn:aws:s3:::data-lake-aviation", UseServiceLinkedRole=True
    )
    assert lake.reads("ann") == set(NAMES)


def test_columns_of_former_iceberg_schemas__are_no_columns() -> None:
    from moto.backends import get_backend

    lake = FakeLake()
    glue = get_backend("glue")["111122223333"]["eu-central-1"]
    former = {"Name": "captain", "Type": "string", "Parameters": {"iceberg.field.current": "false"}}
    now = {"Name": "pilot", "Type": "string", "Parameters": {"iceberg.field.current": "true"}}
    glue.databases["aviation"].tables["flights"].update(
        {"Name": "flights", "StorageDescriptor": {"Columns": [now, former]}}
    )
    lake.admin.grant_permissions(Principal=to("ann"), Resource=table(), Permissions=["SELECT"])
    assert lake.reads("ann") == {"pilot"}
