"""Granting and revoking at the stand-in for Lake Formation."""

from typing import Any

import pytest

from tests.builders.fake_lake import (
    CONSUMER,
    OWNER,
    Desk,
    FakeLake,
    all_tables,
    cells,
    close_the_iam_door,
    columns,
    filter_resource,
    refusal,
    role_arn,
    table,
    tagged,
    to,
)


@pytest.fixture
def lake() -> FakeLake:
    return FakeLake()


def grant(lake: FakeLake, role: str, resource: dict[str, Any], *permissions: str) -> None:
    lake.admin.grant_permissions(
        Principal=to(role), Resource=resource, Permissions=list(permissions)
    )


def listed(desk: Desk, **given: Any) -> list[tuple[str, list[str], list[str]]]:
    rows = desk.list_permissions(**given)["PrincipalResourcePermissions"]
    return [
        (
            next(iter(row["Resource"])),
            row["Permissions"],
            row["PermissionsWithGrantOption"],
        )
        for row in rows
    ]


def test_grant_on_a_table__select_is_listed_on_all_columns_and_the_rest_on_the_table(
    lake: FakeLake,
) -> None:
    grant(lake, "ann", table(), "SELECT", "INSERT")
    rows = lake.admin.list_permissions(Resource=table())["PrincipalResourcePermissions"]
    shown = {next(iter(row["Resource"])): (row["Resource"], row["Permissions"]) for row in rows}
    assert shown["Table"][1] == ["INSERT"]
    assert shown["TableWithColumns"] == (
        {
            "TableWithColumns": {
                "CatalogId": OWNER,
                "DatabaseName": "aviation",
                "Name": "flights",
                "ColumnWildcard": {},
            }
        },
        ["SELECT"],
    )


def test_grant_twice__is_one_grant_with_both(lake: FakeLake) -> None:
    grant(lake, "ann", columns("flight"), "SELECT")
    grant(lake, "ann", columns("delay"), "SELECT")
    grant(lake, "ann", table(), "INSERT")
    grant(lake, "ann", table(), "DELETE")
    assert listed(lake.admin, Resource=table()) == [
        ("TableWithColumns", ["SELECT"], []),
        ("Table", ["DELETE", "INSERT"], []),
    ]
    assert lake.reads("ann") == {"flight", "delay"}


def test_revoke_of_a_part__leaves_the_rest(lake: FakeLake) -> None:
    grant(lake, "ann", columns("flight", "delay"), "SELECT")
    lake.admin.revoke_permissions(
        Principal=to("ann"), Resource=columns("delay"), Permissions=["SELECT"]
    )
    assert lake.reads("ann") == {"flight"}


def test_revoke_of_one_permission__leaves_the_others(lake: FakeLake) -> None:
    grant(lake, "ann", table(), "INSERT", "DELETE", "ALTER")
    lake.admin.revoke_permissions(
        Principal=to("ann"), Resource=table(), Permissions=["INSERT", "ALTER"]
    )
    assert listed(lake.admin, Resource=table()) == [("Table", ["DELETE"], [])]


def test_revoke_of_a_permission__takes_its_grant_option_along(lake: FakeLake) -> None:
    given = {"Permissions": ["SELECT"], "PermissionsWithGrantOption": ["SELECT"]}
    lake.admin.grant_permissions(Principal=to("ann"), Resource=table(), **given)
    lake.admin.revoke_permissions(Principal=to("ann"), Resource=table(), Permissions=["SELECT"])
    grant(lake, "ann", table(), "SELECT")
    assert listed(lake.admin, Resource=table()) == [("TableWithColumns", ["SELECT"], [])]


def test_revoke_of_the_grant_option_alone__leaves_the_permission(lake: FakeLake) -> None:
    lake.admin.grant_permissions(
        Principal=to("ann"),
        Resource=table(),
        Permissions=["SELECT"],
        PermissionsWithGrantOption=["SELECT"],
    )
    lake.admin.revoke_permissions(
        Principal=to("ann"),
        Resource=table(),
        Permissions=[],
        PermissionsWithGrantOption=["SELECT"],
    )
    assert listed(lake.admin, Resource=table()) == [("TableWithColumns", ["SELECT"], [])]


@pytest.mark.parametrize(
    ("held", "revoked"),
    [
        ([], [(table(), "SELECT")]),
        ([(table(), "SELECT")], [(table(), "INSERT")]),
        ([(table(), "SELECT")], [(columns("pilot"), "SELECT")]),
        ([(columns("flight"), "SELECT")], [(table(), "SELECT")]),
        ([(columns(excluded=("pilot",)), "SELECT")], [(columns(excluded=()), "SELECT")]),
        ([(all_tables(), "SELECT")], [(table(), "SELECT")]),
    ],
)
def test_revoke_of_what_is_not_held__is_refused_and_changes_nothing(
    lake: FakeLake, held: list[Any], revoked: list[Any]
) -> None:
    for resource, permission in held:
        grant(lake, "ann", resource, permission)
    before = lake.sees("ann")
    for resource, permission in revoked:
        code = refusal(
            lake.admin.revoke_permissions,
            Principal=to("ann"),
            Resource=resource,
            Permissions=[permission],
        )
        assert code == "InvalidInputException"
    assert lake.sees("ann") == before


@pytest.mark.parametrize(
    ("resource", "permission"),
    [
        (columns("flight"), "INSERT"),
        (columns("flight"), "DESCRIBE"),
        ({"Database": {"Name": "aviation"}}, "SELECT"),
        (table(), "CREATE_TABLE"),
        (table(), "DATA_LOCATION_ACCESS"),
        ({"DataLocation": {"ResourceArn": "arn:aws:s3:::data-lake-aviation"}}, "SELECT"),
        ({"Catalog": {}}, "DESCRIBE"),
        ({"Table": {"DatabaseName": "aviation"}}, "SELECT"),
        ({**table(), **columns("flight")}, "SELECT"),
        ({}, "SELECT"),
        (columns("gone"), "SELECT"),
        (
            {"TableWithColumns": {"DatabaseName": "aviation", "Name": "flights"}},
            "SELECT",
        ),
    ],
)
def test_grant__what_there_is_not_is_refused(
    lake: FakeLake, resource: dict[str, Any], permission: str
) -> None:
    given = {"Principal": to("ann"), "Resource": resource, "Permissions": [permission]}
    assert refusal(lake.admin.grant_permissions, **given) == "InvalidInputException"


@pytest.mark.parametrize(
    ("resource", "code"),
    [
        (table("nowhere"), "EntityNotFoundException"),
        (table("flights", "nowhere"), "EntityNotFoundException"),
        (filter_resource("nowhere"), "EntityNotFoundException"),
        (tagged({"nowhere": ("x",)}), "EntityNotFoundException"),
    ],
)
def test_grant_on_what_is_not_there__is_refused(
    lake: FakeLake, resource: dict[str, Any], code: str
) -> None:
    given = {"Principal": to("ann"), "Resource": resource, "Permissions": ["SELECT"]}
    assert refusal(lake.admin.grant_permissions, **given) == code


@pytest.mark.parametrize(
    "principal", ["ann", "project:ann", "arn:aws:iam::12:role/ann", OWNER, "12345"]
)
def test_grant_to_nobody__is_refused(lake: FakeLake, principal: str) -> None:
    code = refusal(
        lake.admin.grant_permissions,
        Principal={"DataLakePrincipalIdentifier": principal},
        Resource=table(),
        Permissions=["SELECT"],
    )
    assert code == "InvalidInputException"


def test_grant_option_on_columns__needs_a_list_of_columns(lake: FakeLake) -> None:
    given = {
        "Principal": to("ann"),
        "Permissions": ["SELECT"],
        "PermissionsWithGrantOption": ["SELECT"],
    }
    refused = refusal(lake.admin.grant_permissions, Resource=columns(excluded=("pilot",)), **given)
    taken = refusal(lake.admin.grant_permissions, Resource=columns("flight"), **given)
    assert (refused, taken) == ("InvalidInputException", "")


def test_who_may_grant__an_administrator_and_who_holds_the_grant_option(lake: FakeLake) -> None:
    lake.admin.grant_permissions(
        Principal=to("ann"),
        Resource=columns("flight", "delay"),
        Permissions=["SELECT"],
        PermissionsWithGrantOption=["SELECT"],
    )
    ann, given = lake.lake("ann"), {"Principal": to("ben"), "Permissions": ["SELECT"]}
    assert refusal(ann.grant_permissions, Resource=columns("flight"), **given) == ""
    for more in (columns("flight", "pilot"), columns(excluded=("pilot",)), table()):
        assert refusal(ann.grant_permissions, Resource=more, **given) == "AccessDeniedException"
    ben = lake.lake("ben")
    assert refusal(ben.grant_permissions, Resource=columns("flight"), **given) == (
        "AccessDeniedException"
    )
    assert lake.reads("ben") == {"flight"}


def test_what_a_holder_passed_on__stays_when_his_own_grant_goes(lake: FakeLake) -> None:
    given = {"Permissions": ["SELECT"], "PermissionsWithGrantOption": ["SELECT"]}
    lake.admin.grant_permissions(Principal=to("ann"), Resource=table(), **given)
    lake.lake("ann").grant_permissions(
        Principal=to("ben"), Resource=table(), Permissions=["SELECT"]
    )
    lake.admin.revoke_permissions(Principal=to("ann"), Resource=table(), Permissions=["SELECT"])
    assert (lake.reads("ann"), lake.reads("ben")) == (
        set(),
        {"flight", "origin", "delay", "pilot"},
    )


def test_batch__says_what_failed_and_carries_out_the_rest(lake: FakeLake) -> None:
    def entry(number: int, resource: dict[str, Any]) -> dict[str, Any]:
        principal = {"Principal": to("ann"), "Permissions": ["SELECT"]}
        return {"Id": str(number), "Resource": resource, **principal}

    entries = [entry(1, columns("flight")), entry(2, table("nowhere")), entry(3, columns("delay"))]
    failures = lake.admin.batch_grant_permissions(Entries=entries)["Failures"]
    assert [(one["RequestEntry"]["Id"], one["Error"]["ErrorCode"]) for one in failures] == [
        ("2", "EntityNotFoundException")
    ]
    assert lake.reads("ann") == {"flight", "delay"}
    again = lake.admin.batch_revoke_permissions(
        Entries=[entry(1, columns("flight")), entry(2, columns("pilot"))]
    )["Failures"]
    assert [one["Error"]["ErrorCode"] for one in again] == ["InvalidInputException"]
    assert lake.reads("ann") == {"delay"}


def test_batch__has_at_most_twenty_entries_with_ids_of_their_own(lake: FakeLake) -> None:
    one = {"Principal": to("ann"), "Resource": table(), "Permissions": ["SELECT"]}
    many = [{"Id": str(number), **one} for number in range(21)]
    twice = [{"Id": "1", **one}, {"Id": "1", **one}]
    for entries in (many, twice):
        code = refusal(lake.admin.batch_grant_permissions, Entries=entries)
        assert code == "InvalidInputException"


def test_filters__ten_in_a_grant_and_a_hundred_for_a_principal(lake: FakeLake) -> None:
    for number in range(101):
        lake.admin.create_data_cells_filter(TableData=cells(f"f{number}", "delay > 1", "flight"))

    def entries(numbers: range) -> list[dict[str, Any]]:
        return [
            {
                "Id": str(number),
                "Principal": to("ann"),
                "Resource": filter_resource(f"f{number}"),
                "Permissions": ["SELECT"],
            }
            for number in numbers
        ]

    eleven = lake.admin.batch_grant_permissions(Entries=entries(range(11)))
    assert [one["RequestEntry"]["Id"] for one in eleven["Failures"]] == ["10"]
    for start in range(10, 100, 10):
        answer = lake.admin.batch_grant_permissions(Entries=entries(range(start, start + 10)))
        assert answer == {"Failures": []}
    last = lake.admin.batch_grant_permissions(Entries=entries(range(100, 101)))
    assert [one["Error"]["ErrorCode"] for one in last["Failures"]] == ["InvalidInputException"]


def test_dropped_column_and_table__their_grants_stay_and_hold_again(lake: FakeLake) -> None:
    grant(lake, "ann", columns("flight", "pilot"), "SELECT")
    lake.make_table(columns={"flight": "string"})
    assert lake.reads("ann") == {"flight"}
    given = {"Principal": to("ann"), "Permissions": ["SELECT"]}
    code = refusal(lake.admin.revoke_permissions, Resource=columns("pilot"), **given)
    assert code == "InvalidInputException"
    lake.drop_table()
    assert lake.reads("ann") == set()
    code = refusal(lake.admin.revoke_permissions, Resource=columns("flight"), **given)
    assert code == "EntityNotFoundException"
    lake.make_table()
    assert lake.reads("ann") == {"flight", "pilot"}


def test_listing__needs_a_resource_for_a_principal_and_pages(lake: FakeLake) -> None:
    code = refusal(lake.admin.list_permissions, Principal=to("ann"))
    assert code == "InvalidInputException"
    for number in range(7):
        grant(lake, f"role{number}", table(), "INSERT")
    found: list[str] = []
    given: dict[str, Any] = {"MaxResults": 3}
    while True:
        answer = lake.admin.list_permissions(Resource=table(), **given)
        found += [
            row["Principal"]["DataLakePrincipalIdentifier"]
            for row in answer["PrincipalResourcePermissions"]
        ]
        if "NextToken" not in answer:
            break
        given["NextToken"] = answer["NextToken"]
    assert found == [role_arn(f"role{number}") for number in range(7)]
    code = refusal(lake.admin.list_permissions, Resource=table(), NextToken="bm8=")
    assert code == "InvalidInputException"


def test_listing_with_principal_and_resource__shows_what_is_in_effect(lake: FakeLake) -> None:
    grant(lake, "ann", all_tables(), "SELECT")
    explicit = listed(lake.admin, Resource=table())
    effective = listed(lake.admin, Principal=to("ann"), Resource=table())
    assert explicit == []
    assert effective == [("TableWithColumns", ["SELECT"], []), ("Table", ["DESCRIBE"], [])]
    database = {"Database": {"Name": "aviation"}}
    assert listed(lake.admin, Principal=to("ann"), Resource=database) == [
        ("Database", ["DESCRIBE"], [])
    ]


def test_listing__is_late_by_as_much_as_the_world_says() -> None:
    lake = FakeLake(visibility_seconds=5)
    grant(lake, "ann", table(), "INSERT")
    assert listed(lake.admin, Resource=table()) == []
    lake.clock.advance(5)
    grant(lake, "ann", table(), "DELETE")
    assert listed(lake.admin, Resource=table()) == [("Table", ["INSERT"], [])]
    lake.clock.advance(5)
    assert listed(lake.admin, Resource=table()) == [("Table", ["DELETE", "INSERT"], [])]


def test_default_permissions__leave_new_tables_to_iam_until_they_are_closed() -> None:
    lake = FakeLake(settings=False)
    lake.make_table()
    close_the_iam_door(lake.admin)
    lake.make_table("later")
    lake.make_table("elsewhere", database="other")
    everything = {"flight", "origin", "delay", "pilot"}
    # The defaults for a database's tables are those of when the database was made.
    assert lake.reads("ann") == everything
    assert lake.reads("ann", table="later") == everything
    assert lake.sees("ann", table="elsewhere", database="other") == set()
    iam = to("IAM_ALLOWED_PRINCIPALS")
    lake.admin.revoke_permissions(Principal=iam, Resource=table(), Permissions=["ALL"])
    assert lake.reads("ann") == set()


def test_hybrid_location__who_opted_in_is_under_lake_formation() -> None:
    lake = FakeLake(settings=False)
    lake.make_table()
    close_the_iam_door(lake.admin)
    lake.admin.register_resource(
        ResourceArn="arn:aws:s3:::data-lake-aviation",
        UseServiceLinkedRole=True,
        HybridAccessEnabled=True,
    )
    lake.admin.create_lake_formation_opt_in(Principal=to("ann"), Resource=table())
    assert (lake.reads("ann"), lake.reads("ben")) == (
        set(),
        {"flight", "origin", "delay", "pilot"},
    )
    infos = lake.admin.list_lake_formation_opt_ins()["LakeFormationOptInsInfoList"]
    assert len(infos) == 1
    lake.admin.delete_lake_formation_opt_in(Principal=to("ann"), Resource=table())
    assert lake.reads("ann") == {"flight", "origin", "delay", "pilot"}


def test_locations__are_registered_once_with_a_role(lake: FakeLake) -> None:
    arn, role = "arn:aws:s3:::data-lake-aviation", role_arn("lake")
    for wrong in (
        {"ResourceArn": arn},
        {"ResourceArn": f"{arn}/", "RoleArn": role},
        {"ResourceArn": arn, "RoleArn": role, "UseServiceLinkedRole": True},
    ):
        assert refusal(lake.admin.register_resource, **wrong) == "InvalidInputException"
    lake.admin.register_resource(ResourceArn=arn, RoleArn=role, HybridAccessEnabled=True)
    again = refusal(lake.admin.register_resource, ResourceArn=arn, RoleArn=role)
    assert again == "AlreadyExistsException"
    info = lake.admin.describe_resource(ResourceArn=arn)["ResourceInfo"]
    assert (info["RoleArn"], info["HybridAccessEnabled"]) == (role, True)
    assert len(lake.admin.list_resources()["ResourceInfoList"]) == 1
    lake.admin.deregister_resource(ResourceArn=arn)
    gone = refusal(lake.admin.describe_resource, ResourceArn=arn)
    assert gone == "EntityNotFoundException"


def test_settings__are_replaced_as_a_whole(lake: FakeLake) -> None:
    lake.admin.put_data_lake_settings(
        DataLakeSettings={"DataLakeAdmins": [to("chief")], "Parameters": {}}
    )
    settings = lake.admin.get_data_lake_settings()["DataLakeSettings"]
    assert settings["DataLakeAdmins"] == [to("chief")]
    assert settings["Parameters"]["CROSS_ACCOUNT_VERSION"] == "1"
    given = {"Principal": to("ann"), "Resource": table(), "Permissions": ["SELECT"]}
    assert refusal(lake.admin.grant_permissions, **given) == "AccessDeniedException"
    assert refusal(lake.lake("chief").grant_permissions, **given) == ""
    foreign = {"DataLakeSettings": {"DataLakeAdmins": [to("chief", CONSUMER)]}}
    assert refusal(lake.admin.put_data_lake_settings, **foreign) == "InvalidInputException"


def test_path__shows_who_holds_something_on_what_lies_there(lake: FakeLake) -> None:
    grant(lake, "ann", table(), "SELECT")
    rows = lake.admin.get_effective_permissions_for_path(
        ResourceArn="arn:aws:s3:::data-lake-aviation/flights"
    )["Permissions"]
    assert [row["Principal"] for row in rows] == [to("ann")]
    nothing = lake.admin.get_effective_permissions_for_path(
        ResourceArn="arn:aws:s3:::data-lake-aviation/other"
    )
    assert nothing["Permissions"] == []


def test_listing__shows_the_others_only_to_who_administers_or_may_grant(lake: FakeLake) -> None:
    grant(lake, "ann", table(), "INSERT")
    grant(lake, "ben", table(), "INSERT", "DELETE")
    lake.admin.grant_permissions(
        Principal=to("cay"),
        Resource=table(),
        Permissions=["INSERT"],
        PermissionsWithGrantOption=["INSERT"],
    )
    shown = {
        role: listed(lake.lake(role), Resource=table()) for role in ("admin", "ann", "cay", "dan")
    }
    assert [len(shown[role]) for role in ("admin", "ann", "cay", "dan")] == [3, 1, 3, 0]
    assert all("DELETE" not in permissions for _, permissions, _ in shown["cay"])
