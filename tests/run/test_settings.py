"""Settings: where they come from, which wins, and an error that names each one that is wrong."""

import os
from pathlib import Path

import pytest

from meshplane.kit.errors import Invalid
from meshplane.run.aws_settings import PARTS
from meshplane.run.catalogue import SERVICES, chosen
from meshplane.run.links import issuer, note_issuer_url
from meshplane.run.settings import Settings, read_settings

WHERE = {"aws_region": "eu-central-1", "aws_account": "111122223333"}


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of whoever runs the tests."""
    for name in list(os.environ):
        if name.upper().startswith("MESHPLANE_"):
            monkeypatch.delenv(name)


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that MESHPLANE_CONFIG names; a test writes it."""
    file = tmp_path / "meshplane.toml"
    monkeypatch.setenv("MESHPLANE_CONFIG", str(file))
    return file


def _refused(**given: object) -> Invalid:
    with pytest.raises(Invalid) as refused:
        read_settings(**given)
    assert refused.value.code == "SETTING_INVALID"
    return refused.value


def test_nothing_set__gives_a_server_for_this_machine_alone() -> None:
    settings = read_settings()
    assert (settings.host, settings.port, settings.only) == ("127.0.0.1", 8080, ())
    assert settings.home == Path(".meshplane")


def test_code_wins_over_variable__and_variable_over_file(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('port = 1001\nlog_level = "info"\nadmin_group = "chiefs"\n')
    monkeypatch.setenv("MESHPLANE_PORT", "1002")
    monkeypatch.setenv("MESHPLANE_LOG_LEVEL", "debug")
    settings = read_settings(port=1003)
    assert (settings.port, settings.log_level, settings.admin_group) == (1003, "debug", "chiefs")


def test_not_given_in_code__leaves_the_variable_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MESHPLANE_PORT", "1002")
    assert read_settings(port=None).port == 1002


@pytest.mark.parametrize(
    "text",
    ['only = ["domains", "projects"]', 'only = "domains, projects"', 'only = "domains,projects,"'],
)
def test_only__is_a_list_or_names_with_commas(config: Path, text: str) -> None:
    config.write_text(text)
    assert read_settings().only == ("domains", "projects")


def test_links__from_file_and_variables__are_taken_together(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config.write_text('[links]\nprojects = "http://127.0.0.1:1/"\nassets = "http://[::1]:2"\n')
    monkeypatch.setenv("MESHPLANE_LINKS__TABLES", "http://localhost:3")
    monkeypatch.setenv("MESHPLANE_LINKS__assets", "https://assets.example")
    assert read_settings().links == {
        "projects": "http://127.0.0.1:1",
        "assets": "https://assets.example",
        "tables": "http://localhost:3",
    }


BAD = [
    ("port", "-1"),
    ("port", "65536"),
    ("port", "eighty"),
    ("host", "0.0.0.0"),
    ("host", "::"),
    ("host", "example.com"),
    ("host", ""),
    ("log_level", "loud"),
    ("query_workers", "0"),
    ("query_workers", "33"),
    ("query_memory_mib", "63"),
    ("query_memory_mib", "much"),
    ("subscription_routes", "public:auto"),
    ("subscription_routes", "everything:steward"),
    ("subscription_notice_days", "-1"),
    ("subscription_notice_days", "366"),
    ("audience", ""),
    ("admin_group", ""),
    ("auditor_group", ""),
    ("internal_host", ""),
    ("outbound_hosts", "https://hooks.example.org"),
    ("outbound_hosts", "127.0.0.1,*"),
    ("issuer_url", "nonsense"),
    ("issuer_url", "http://127.0.0.1:8080/"),
    ("issuer_url", "ftp://127.0.0.1"),
    ("issuer_url", "http://127.0.0.1:80808"),
    ("links", "nonsense"),
    ("links", '["http://127.0.0.1:1"]'),
    ("links", '{"cinema": "http://127.0.0.1:1"}'),
    ("links", '{"projects": "127.0.0.1:8001"}'),
    ("links", '{"projects": "http://user:secret@127.0.0.1:8001"}'),
    ("links", '{"projects": "http://127.0.0.1:8001?x=1"}'),
    ("aws_parts", "moon"),
    ("aws_region", "Frankfurt"),
    ("aws_account", "1234"),
    ("aws_endpoint_url", "localhost:5000"),
    ("aws_account_roles", "444455556666"),
    ("aws_external_id", "agreed on"),
    ("aws_prefix", "Mesh_"),
    ("aws_part_roles", "moon=arn:aws:iam::111122223333:role/moon"),
    ("aws_part_roles", "lake=meshplane-lake"),
    ("aws_part_roles", "made,lake=arn:aws:iam::111122223333:role/lake"),
    ("aws_principals", "meshplane"),
    ("aws_template_services", "iam"),
    ("aws_template_services", "kms,sqs"),
    ("aws_template_services", "kms:*"),
    ("aws_attempts", "0"),
    ("aws_read_seconds", "1.9"),
    ("aws_metrics_seconds", "0"),
    ("aws_scan_usd_per_tib", "-1"),
    ("aws_portal_people", "perhaps"),
    ("aws_cognito_pool", "people"),
    ("aws_cognito_clients", "my client"),
    ("aws_cognito_id_tokens", "perhaps"),
    ("aws_cognito_names", "perhaps"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_bad_value__in_a_variable__the_error_names_the_setting(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MESHPLANE_{name.upper()}", value)
    error = _refused()
    assert error.fields[0].field == name
    assert error.message.startswith(f"Setting {name}: ")
    assert "secret@" not in error.message


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("port = -1", "port"),
        ('port = "eighty"', "port"),
        ("home = 7", "home"),
        ('links = "x"', "links"),
        ("[links]\nprojects = 8001", "links.projects"),
        ('[links]\ncinema = "http://127.0.0.1:1"', "links"),
        ("only = 7", "only"),
        ('colour = "red"', "colour"),
        ("[server]\nport = 1", "server"),
    ],
)
def test_bad_value__in_the_file__the_error_names_the_setting(
    config: Path, text: str, name: str
) -> None:
    config.write_text(text)
    assert _refused().fields[0].field == name


def test_several_bad_values__each_is_named(config: Path) -> None:
    config.write_text('port = -1\ncolour = "red"\nlog_level = "loud"\n')
    named = {problem.field for problem in _refused().fields}
    assert named == {"port", "colour", "log_level"}


def test_every_setting_with_a_limit__has_a_bad_value_here() -> None:
    free = {"home", "only"}  # any path is one; what `only` may hold is seen below
    assert {name for name, _ in BAD} | free == set(Settings.model_fields)


@pytest.mark.parametrize("name", ["MESHPLANE_COLOUR", "MESHPLANE_PROT", "meshplane_colour"])
def test_unknown_variable__is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    error = _refused()
    assert error.fields[0].field == name
    assert name in error.message


def test_variables_of_the_command_line__are_no_unknown_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("TOKEN", "URL", "USER", "GROUPS"):
        monkeypatch.setenv(f"MESHPLANE_{name}", "x")
    assert read_settings().port == 8080


def test_link_of_a_service_that_there_is_not__is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MESHPLANE_LINKS__CINEMA", "http://127.0.0.1:1")
    assert "cinema" in _refused().message


def test_link_in_clear_to_another_machine__is_refused() -> None:
    assert "projects" in _refused(links={"projects": "http://192.0.2.7:8001"}).message
    assert read_settings(links={"projects": "https://192.0.2.7"}).links


@pytest.mark.parametrize("content", [b"port = \n", b"port 7", b"\xff\xfe", b"[links\n"])
def test_file__that_is_not_toml__is_named(config: Path, content: bytes) -> None:
    config.write_bytes(content)
    error = _refused()
    assert error.fields[0].field == "MESHPLANE_CONFIG"
    assert str(config) in error.message


def test_file__that_is_not_there_or_a_folder__is_named(config: Path) -> None:
    assert str(config) in _refused().message
    config.mkdir()
    assert str(config) in _refused().message


@pytest.mark.parametrize("names", [("cinema",), ("domains", "cinema"), ("Domains",)])
def test_chosen__an_unknown_service__is_named_with_those_that_there_are(
    names: tuple[str, ...],
) -> None:
    with pytest.raises(Invalid) as refused:
        chosen(names)
    assert refused.value.fields[0].field == "only"
    assert names[-1] in refused.value.message
    assert "subscriptions" in refused.value.message


def test_chosen__none__is_all__and_some_come_in_building_order() -> None:
    assert chosen(()) == SERVICES
    assert [service.name for service in chosen(["audit", "domains"])] == ["domains", "audit"]


def test_issuer__of_processes_with_some_services__has_one_name_on_all_ports(
    tmp_path: Path,
) -> None:
    parts = [
        read_settings(home=tmp_path, port=port, only=(name,))
        for port, name in ((1001, "domains"), (1002, "audit"))
    ]
    urls = {issuer(part).discovery()["issuer"] for part in parts}
    assert len(urls) == 1


def test_issuer__noted_by_a_whole_server__is_that_of_every_process(tmp_path: Path) -> None:
    note_issuer_url(read_settings(home=tmp_path, port=0), "http://127.0.0.1:4321")
    for settings in (
        read_settings(home=tmp_path),
        read_settings(home=tmp_path, port=1001, only=("domains",)),
    ):
        assert issuer(settings).discovery()["issuer"] == "http://127.0.0.1:4321"


def test_aws__all_stands_for_every_part() -> None:
    settings = read_settings(aws_parts="all", aws_region="eu-central-1", aws_account="111122223333")
    assert settings.aws_parts == PARTS


def test_aws__roles_in_other_accounts_are_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    role = "arn:aws:iam::444455556666:role/meshplane"
    monkeypatch.setenv("MESHPLANE_AWS_ACCOUNT_ROLES", f" 444455556666 = {role}")
    assert read_settings().aws_account_roles == {"444455556666": role}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"aws_parts": "lake"}, "needs aws_region and aws_account"),
        ({"aws_parts": "moon", **WHERE}, "there is no part moon"),
        ({"aws_parts": "store,query", **WHERE}, "query needs tables and lake on AWS as well"),
        ({"aws_parts": "tables,shares", **WHERE}, "shares needs lake on AWS as well"),
        ({"aws_region": "Frankfurt"}, "must be a region"),
        ({"aws_account": "1234"}, "12 digits"),
        ({"aws_endpoint_url": "localhost:5000"}, "must be an http or https address"),
        ({"aws_account_roles": "444455556666"}, "must be 444455556666=arn"),
        (
            {"aws_account_roles": "444455556666=arn:aws:iam::111122223333:role/m"},
            "names for 444455556666 a role of another account",
        ),
        ({"aws_external_id": "agreed on"}, "must be 2 to 1224 letters"),
        ({"aws_prefix": "Mesh_"}, "lower-case letters"),
    ],
)
def test_aws__what_does_not_hold_is_named(given: dict[str, str], told: str) -> None:
    refused = _refused(**given)
    assert told in refused.message
    assert refused.fields[0].field == next(iter(given))
