"""LF-tags at the stand-in for Lake Formation: assigned, inherited, overridden, granted by."""

import random
from typing import Any

import pytest

from tests.builders.fake_lake import (
    FLIGHTS,
    FakeLake,
    columns,
    refusal,
    role_arn,
    table,
    tagged,
    to,
)
from tests.builders.seeds import shown as seed_shown

DATABASE = {"Database": {"Name": "aviation"}}


@pytest.fixture
def lake() -> FakeLake:
    lake = FakeLake()
    lake.admin.create_lf_tag(TagKey="Team", TagValues=["Ops", "HR", "sales"])
    lake.admin.create_lf_tag(TagKey="level", TagValues=["1", "2"])
    return lake


def put(lake: FakeLake, resource: dict[str, Any], key: str, value: str) -> None:
    pairs = [{"TagKey": key, "TagValues": [value]}]
    answer = lake.admin.add_lf_tags_to_resource(Resource=resource, LFTags=pairs)
    assert answer == {"Failures": []}, answer


def grant(lake: FakeLake, resource: dict[str, Any], *permissions: str, role: str = "ann") -> None:
    lake.admin.grant_permissions(
        Principal=to(role), Resource=resource, Permissions=list(permissions or ("SELECT",))
    )


def test_tags__are_kept_in_lower_case(lake: FakeLake) -> None:
    assert lake.admin.get_lf_tag(TagKey="TEAM")["TagValues"] == ["hr", "ops", "sales"]
    code = refusal(lake.admin.create_lf_tag, TagKey="team", TagValues=["x"])
    assert code == "InvalidInputException"


def test_update__keeps_values_that_are_in_use(lake: FakeLake) -> None:
    put(lake, table(), "team", "ops")
    update = lake.admin.update_lf_tag
    assert refusal(update, TagKey="team", TagValuesToDelete=["ops"]) == "InvalidInputException"
    assert refusal(update, TagKey="nowhere", TagValuesToAdd=["x"]) == "EntityNotFoundException"
    update(TagKey="team", TagValuesToDelete=["sales"], TagValuesToAdd=["law"])
    assert lake.admin.get_lf_tag(TagKey="team")["TagValues"] == ["hr", "law", "ops"]


def test_assigning__says_what_failed(lake: FakeLake) -> None:
    pairs = [
        {"TagKey": "team", "TagValues": ["ops"]},
        {"TagKey": "team", "TagValues": ["nobody"]},
        {"TagKey": "nowhere", "TagValues": ["x"]},
        {"TagKey": "level", "TagValues": ["1", "2"]},
    ]
    answer = lake.admin.add_lf_tags_to_resource(Resource=table(), LFTags=pairs)
    assert [one["Error"]["ErrorCode"] for one in answer["Failures"]] == [
        "InvalidInputException",
        "EntityNotFoundException",
        "InvalidInputException",
    ]
    tags = lake.admin.get_resource_lf_tags(Resource=table())
    assert [(one["TagKey"], one["TagValues"]) for one in tags["LFTagsOnTable"]] == [
        ("team", ["ops"])
    ]


def test_removing__what_is_not_assigned_there_fails(lake: FakeLake) -> None:
    put(lake, DATABASE, "team", "ops")
    pairs = [{"TagKey": "team", "TagValues": ["ops"]}]
    inherited = lake.admin.remove_lf_tags_from_resource(Resource=table(), LFTags=pairs)
    assert len(inherited["Failures"]) == 1
    assert lake.admin.remove_lf_tags_from_resource(Resource=DATABASE, LFTags=pairs) == {
        "Failures": []
    }
    assert lake.admin.get_resource_lf_tags(Resource=DATABASE) == {}


def test_reading__a_column_has_its_tables_tags_unless_it_overrides_them(lake: FakeLake) -> None:
    put(lake, DATABASE, "team", "sales")
    put(lake, DATABASE, "level", "1")
    put(lake, table(), "team", "ops")
    put(lake, columns("pilot"), "team", "hr")
    tags = lake.admin.get_resource_lf_tags(Resource=columns("pilot", "flight"))
    shown = {
        column["Name"]: {one["TagKey"]: one["TagValues"][0] for one in column["LFTags"]}
        for column in tags["LFTagsOnColumns"]
    }
    assert shown == {
        "pilot": {"team": "hr", "level": "1"},
        "flight": {"team": "ops", "level": "1"},
    }
    own = lake.admin.get_resource_lf_tags(Resource=table(), ShowAssignedLFTags=True)
    assert [one["TagKey"] for one in own["LFTagsOnTable"]] == ["team"]
    assert [column["Name"] for column in own["LFTagsOnColumns"]] == ["pilot"]


@pytest.mark.parametrize(
    ("terms", "sees"),
    [
        ({"team": ("ops",)}, {"flight", "origin", "delay"}),
        ({"team": ("hr",)}, {"pilot"}),
        ({"team": ("ops", "hr")}, set(FLIGHTS)),
        ({"team": ("*",)}, set(FLIGHTS)),
        ({"team": ("ops",), "level": ("1",)}, set()),
        ({"level": ("1",)}, set()),
    ],
)
def test_grant_on_tags__shows_the_columns_that_carry_them(
    lake: FakeLake, terms: dict[str, tuple[str, ...]], sees: set[str]
) -> None:
    put(lake, table(), "team", "ops")
    put(lake, columns("pilot"), "team", "hr")
    grant(lake, tagged(terms))
    assert lake.reads("ann") == sees


def test_grant_on_tagged_databases__shows_no_data(lake: FakeLake) -> None:
    put(lake, DATABASE, "team", "ops")
    grant(lake, tagged({"team": ("ops",)}, "DATABASE"), "DESCRIBE", "CREATE_TABLE")
    assert lake.sees("ann") == set()
    assert lake.fake.describes(lake.caller("ann"), "111122223333", "aviation")


def test_grant_on_a_part_of_the_columns__brings_describe_instead_of_insert(
    lake: FakeLake,
) -> None:
    put(lake, table(), "team", "ops")
    put(lake, columns("pilot"), "team", "hr")
    grant(lake, tagged({"team": ("ops",)}), "INSERT", "SELECT")
    given = {"Principal": to("ann"), "Resource": table()}

    def held() -> set[str]:
        rows = lake.admin.list_permissions(**given)["PrincipalResourcePermissions"]
        return {permission for row in rows for permission in row["Permissions"]}

    assert held() == {"SELECT", "DESCRIBE"}
    pairs = [{"TagKey": "team", "TagValues": ["hr"]}]
    lake.admin.remove_lf_tags_from_resource(Resource=columns("pilot"), LFTags=pairs)
    assert held() == {"SELECT", "DESCRIBE", "INSERT"}


def test_deleted_tag__ends_what_was_granted_by_it(lake: FakeLake) -> None:
    put(lake, table(), "team", "ops")
    grant(lake, tagged({"team": ("ops",)}))
    lake.admin.delete_lf_tag(TagKey="team")
    assert lake.sees("ann") == set()
    # The grant itself is still there to be revoked.
    lake.admin.revoke_permissions(
        Principal=to("ann"), Resource=tagged({"team": ("ops",)}), Permissions=["SELECT"]
    )


def test_saved_expression__changes_what_grants_by_it_show(lake: FakeLake) -> None:
    put(lake, table(), "team", "ops")
    put(lake, columns("pilot"), "team", "hr")
    ops, hr = ([{"TagKey": "team", "TagValues": [value]}] for value in ("ops", "hr"))
    lake.admin.create_lf_tag_expression(Name="mine", Expression=ops, Description="ours")
    by_name = {"LFTagPolicy": {"ResourceType": "TABLE", "ExpressionName": "mine"}}
    grant(lake, by_name)
    assert lake.reads("ann") == {"flight", "origin", "delay"}
    lake.admin.update_lf_tag_expression(Name="mine", Expression=hr)
    assert lake.reads("ann") == {"pilot"}
    shown = lake.admin.list_lf_tag_expressions()["LFTagExpressions"]
    assert [(one["Name"], one["Description"]) for one in shown] == [("mine", "ours")]
    lake.admin.delete_lf_tag_expression(Name="mine")
    assert lake.sees("ann") == set()
    gone = refusal(lake.admin.get_lf_tag_expression, Name="mine")
    assert gone == "EntityNotFoundException"


def test_search__finds_what_carries_the_tags(lake: FakeLake) -> None:
    lake.make_table("crews")
    put(lake, table(), "team", "ops")
    put(
        lake,
        {"TableWithColumns": {**table("crews")["Table"], "ColumnNames": ["pilot"]}},
        "team",
        "hr",
    )
    expression = [{"TagKey": "team", "TagValues": ["hr", "ops"]}]
    found = lake.admin.search_tables_by_lf_tags(Expression=expression)["TableList"]
    assert [one["Table"]["Name"] for one in found] == ["crews", "flights"]
    databases = lake.admin.search_databases_by_lf_tags(Expression=expression)["DatabaseList"]
    assert databases == []
    first = lake.admin.search_tables_by_lf_tags(Expression=expression, MaxResults=1)
    assert len(first["TableList"]) == 1
    assert "NextToken" in first


def test_who_may_tag__needs_associate_and_the_table(lake: FakeLake) -> None:
    ann, pairs = lake.lake("ann"), [{"TagKey": "team", "TagValues": ["ops"]}]
    code = refusal(ann.add_lf_tags_to_resource, Resource=table(), LFTags=pairs)
    assert code == "AccessDeniedException"
    lake.admin.grant_permissions(
        Principal=to("ann"),
        Resource=table(),
        Permissions=["ALL"],
        PermissionsWithGrantOption=["ALL"],
    )
    failed = ann.add_lf_tags_to_resource(Resource=table(), LFTags=pairs)
    assert failed["Failures"][0]["Error"]["ErrorCode"] == "AccessDeniedException"
    tag = {"LFTag": {"TagKey": "team", "TagValues": ["ops"]}}
    grant(lake, tag, "ASSOCIATE")
    assert ann.add_lf_tags_to_resource(Resource=table(), LFTags=pairs) == {"Failures": []}
    rows = lake.admin.list_permissions(ResourceType="LF_TAG")["PrincipalResourcePermissions"]
    assert [row["Principal"]["DataLakePrincipalIdentifier"] for row in rows] == [role_arn("ann")]
    create = refusal(ann.create_lf_tag, TagKey="mine", TagValues=["x"])
    assert create == "AccessDeniedException"


KEYS = {"team": ("ops", "hr", "sales"), "level": ("1", "2")}


class Book:
    """The oracle: tags by path, and every column asked value by value."""

    def __init__(self) -> None:
        self.tags: dict[str, str] = {}

    def carries(self, column: str, key: str) -> str | None:
        for path in (f"aviation/flights/{column}", "aviation/flights", "aviation"):
            if f"{path}#{key}" in self.tags:
                return self.tags[f"{path}#{key}"]
        return None

    def readable(self, grants: list[dict[str, tuple[str, ...]]]) -> set[str]:
        seen = set()
        for column in FLIGHTS:
            for terms in grants:
                hits = [
                    value
                    for key, values in terms.items()
                    for value in values
                    if self.carries(column, key) == value
                ]
                if len(hits) == len(terms):
                    seen.add(column)
        return seen


@pytest.mark.parametrize("number", range(60))
def test_random_tags_and_grants__are_seen_as_a_naive_reader_says(number: int) -> None:
    seed = seed_shown(number)
    chance, lake, book = random.Random(seed), FakeLake(), Book()
    for key, values in KEYS.items():
        lake.admin.create_lf_tag(TagKey=key, TagValues=list(values))
    held: list[dict[str, tuple[str, ...]]] = []
    for _ in range(30):
        key = chance.choice(sorted(KEYS))
        value, at = chance.choice(KEYS[key]), chance.choice(["db", "table", *FLIGHTS])
        resource = {"db": DATABASE, "table": table()}.get(at, columns(at))
        path = {"db": "aviation", "table": "aviation/flights"}.get(at, f"aviation/flights/{at}")
        act = chance.random()
        if act < 0.5:
            put(lake, resource, key, value)
            book.tags[f"{path}#{key}"] = value
        elif act < 0.7 and f"{path}#{key}" in book.tags:
            pairs = [{"TagKey": key, "TagValues": [book.tags.pop(f"{path}#{key}")]}]
            assert lake.admin.remove_lf_tags_from_resource(Resource=resource, LFTags=pairs) == {
                "Failures": []
            }
        elif act < 0.85 or not held:
            keys = chance.sample(sorted(KEYS), chance.randint(1, 2))
            terms = {
                one: tuple(sorted(chance.sample(KEYS[one], chance.randint(1, len(KEYS[one])))))
                for one in keys
            }
            grant(lake, tagged(terms))
            if terms not in held:
                held.append(terms)
        else:
            gone = held.pop(chance.randrange(len(held)))
            lake.admin.revoke_permissions(
                Principal=to("ann"), Resource=tagged(gone), Permissions=["SELECT"]
            )
        assert lake.reads("ann") == book.readable(held), f"seed {seed}"
