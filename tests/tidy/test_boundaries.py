"""Who may reach for what: the cloud's client, the environment, and another service's inside.

The layers themselves are contracts of import-linter, in pyproject.toml; `make lint` checks them.
"""

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator

import pytest

from tests.tidy.test_names import services
from tests.tidy.tree import ROOT, File, assert_none, python

CLOUD_CLIENTS = {"aioboto3", "aiobotocore", "boto3", "botocore", "s3transfer"}
CLOUD_PLACES = ("src/meshplane/platform/aws/", "src/meshplane/sandbox/")
SERVICES = "meshplane.services"


def imports(file: File) -> Iterator[tuple[int, str]]:
    """Line and full dotted name of each thing imported anywhere in the file, in functions too."""
    for node in ast.walk(file.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def cloud_imports(file: File) -> list[str]:
    """Imports of the AWS client anywhere but in adapters, in `platform/aws` and in the sandbox."""
    if re.fullmatch(r"aws(_\w+)?\.py", file.parts[-1]) or file.path.startswith(CLOUD_PLACES):
        return []
    if not any(client in file.text for client in CLOUD_CLIENTS):
        return []  # nothing to parse
    return [
        file.at(line, f"{name} belongs into an aws.py beside its port")
        for line, name in imports(file)
        if name.split(".")[0] in CLOUD_CLIENTS
    ]


def environment_reads(file: File) -> list[str]:
    """Uses of the environment's variables anywhere but in the composition root."""
    if file.path.startswith("src/meshplane/run/"):
        return []
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    if not any(name in file.text for name in names):
        return []  # nothing to parse
    lines = [
        node.lineno
        for node in ast.walk(file.tree)
        if isinstance(node, ast.Attribute)
        and node.attr in names
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    ]
    lines += [line for line, name in imports(file) if name in {f"os.{each}" for each in names}]
    return [file.at(line, "only run/ reads the environment; take a setting") for line in lines]


def inside_imports(file: File) -> list[str]:
    """Imports, by a service, of more than another service's `api`."""
    if not file.path.startswith("src/meshplane/services/") or len(file.parts) < 5:
        return []
    if "services" not in file.text:
        return []  # nothing to parse
    own = file.parts[3]
    found = []
    for line, name in imports(file):
        if not f"{name}.".startswith(f"{SERVICES}."):
            continue
        service, _, rest = name.removeprefix(f"{SERVICES}").lstrip(".").partition(".")
        if service != own and rest.split(".")[0] != "api":
            found.append(file.at(line, f"{name} is the inside of a service; import its api"))
    return found


def undescribed_services(files: Iterable[File]) -> set[str]:
    """Services whose folder has no `__init__.py` with a docstring."""
    inside = [file for file in files if len(file.parts) > 4]
    described = {
        file.parts[3]
        for file in inside
        if file.parts[4:] == ("__init__.py",) and ast.get_docstring(file.tree)
    }
    return {file.parts[3] for file in inside} - described


def layered_services(pyproject: str) -> set[str]:
    """The services that import-linter's layers name."""
    contracts = tomllib.loads(pyproject)["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["id"] == "service-layers")
    return {
        item.strip(" ()").removeprefix(f"{SERVICES}.") for row in layers for item in row.split("|")
    }


def test_cloud_client__stands_in_adapters_alone() -> None:
    assert_none([problem for file in python("src") for problem in cloud_imports(file)])


def test_environment__is_read_where_everything_is_wired() -> None:
    assert_none([problem for file in python("src") for problem in environment_reads(file)])


def test_services__know_each_other_by_api_alone() -> None:
    assert_none([problem for file in python("src") for problem in inside_imports(file)])


def test_services__say_what_they_are_for() -> None:
    assert undescribed_services(python("src/meshplane/services")) == set()


def test_services__each_have_a_layer() -> None:
    layered = layered_services((ROOT / "pyproject.toml").read_text())
    assert services() - layered == set()


@pytest.mark.parametrize(
    ("path", "problems"),
    [
        ("services/lake/aws.py", 0),
        ("services/lake/aws_tags.py", 0),
        ("sandbox/protocol.py", 0),
        ("platform/aws/sessions.py", 0),
        ("services/lake/local.py", 2),
        ("services/aws/store.py", 2),
    ],
)
def test_cloud_imports__depends_on_the_place(path: str, problems: int) -> None:
    text = "import boto3\ndef late():\n    from botocore.config import Config\n"
    assert len(cloud_imports(File(f"src/meshplane/{path}", text))) == problems


@pytest.mark.parametrize(
    "text",
    ["import os\nx = os.environ['X']", "import os\nos.getenv('X')", "from os import environ"],
)
def test_environment_reads__finds_each_way_outside_run(text: str) -> None:
    assert len(environment_reads(File("src/meshplane/gateway/plant.py", text))) == 1
    assert environment_reads(File("src/meshplane/run/plant.py", text)) == []


@pytest.mark.parametrize(
    ("line", "problems"),
    [
        ("from meshplane.services.domains.api import Domains", 0),
        ("from meshplane.services.domains import api", 0),
        ("import meshplane.services.domains.api", 0),
        ("from meshplane.services.lake.store import TABLES", 0),
        ("from meshplane.kit.ids import IdMaker", 0),
        ("from meshplane.services.domains.store import TABLES", 1),
        ("from meshplane.services.domains import store", 1),
        ("from meshplane.services import domains", 1),
        ("import meshplane.services.domains", 1),
    ],
)
def test_inside_imports__lets_only_the_api_through(line: str, problems: int) -> None:
    text = f"def late():\n    {line}\n"
    assert len(inside_imports(File("src/meshplane/services/lake/grant.py", text))) == problems


def test_undescribed_services__finds_the_silent_and_the_headless() -> None:
    root = "src/meshplane/services"
    files = [
        File(f"{root}/__init__.py", ""),
        File(f"{root}/domains/__init__.py", '"""Domains and their members."""'),
        File(f"{root}/lake/__init__.py", "x = 1"),
        File(f"{root}/shares/model.py", '"""Shares."""'),
    ]
    assert undescribed_services(files) == {"lake", "shares"}


def test_layered_services__reads_rows_of_one_and_of_two() -> None:
    text = (
        '[[tool.importlinter.contracts]]\nid = "service-layers"\nlayers = ['
        '"(meshplane.services.lake) | (meshplane.services.shares)", "meshplane.services.tables"]'
    )
    assert layered_services(text) == {"lake", "shares", "tables"}
