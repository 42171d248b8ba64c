"""Every call of AWS names what there is, as botocore's models have it."""

import ast

import pytest

from meshplane.cli.reference_aws_calls import CallSite, call_sites, sources, unnamed_calls
from tests.tidy.aws_shapes import misfits
from tests.tidy.tree import ROOT, assert_none

PACKAGE = ROOT / "src" / "meshplane"


def site_of(text: str) -> CallSite:
    (site,) = call_sites("plant.py", text)
    return site


def test_calls__exist_and_give_what_the_model_asks_for() -> None:
    sites = [site for path, text in sources(PACKAGE) for site in call_sites(path, text)]
    assert len(sites) > 150
    assert_none([problem for site in sites for problem in misfits(site)])


def test_calls__say_in_full_whom_they_call() -> None:
    assert_none([each for path, text in sources(PACKAGE) for each in unnamed_calls(path, text)])


def test_call_sites__finds_each_way_of_calling() -> None:
    text = (
        "async def f(self, aws, more):\n"
        "    await self._aws.call('glue', 'get_table', DatabaseName='d', Name='t')\n"
        "    aws.as_role(r, 's').run('sts', 'get_caller_identity')\n"
        "    async for page in reading.aws.pages('glue', 'get_tables', **more):\n"
        "        other.run(1, 2)\n"
        "    subprocess.run('ls', 'Not A Service')\n"
    )
    found = [(site.method, site.paged, site.open_ended) for site in call_sites("plant.py", text)]
    assert found == [
        ("get_table", False, False),
        ("get_caller_identity", False, False),
        ("get_tables", True, True),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "aws.call(service, 'get_table')",
        "self._aws.run('glue', operation)",
        "aws.as_role(role, 'x').call('glue', f'get_{what}')",
        "pool.submit(self.aws.run, 'glue', 'get_table')",
        "aws.pages(*what)",
    ],
)
def test_unnamed_calls__finds_what_nobody_could_check(line: str) -> None:
    assert len(unnamed_calls("plant.py", line)) == 1


@pytest.mark.parametrize(
    "line", ["aws.call('glue', 'get_table', **given)", "server.run()", "self.calls.run(x)"]
)
def test_unnamed_calls__leaves_the_others(line: str) -> None:
    assert unnamed_calls("plant.py", line) == []


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("'blue', 'get_table'", "botocore knows no service blue"),
        ("'glue', 'get_tabel'", "glue has no operation get_tabel"),
        ("'glue', 'get_table', Name='t'", "DatabaseName: is required"),
        ("'glue', 'get_table', DatabaseName='d', Name='t', Colour=1", "Colour: no such member"),
        ("'glue', 'get_table', DatabaseName=7, Name=t", "DatabaseName: must be a string"),
        ("'glue', 'get_table', DatabaseName=None, Name=t", "DatabaseName: must be a string"),
        ("'glue', 'get_table', DatabaseName=['d'], Name=t", "DatabaseName: must be string"),
        (
            "'glue', 'create_database', DatabaseInput={'Description': d}",
            "DatabaseInput.Name: is required",
        ),
        (
            "'glue', 'create_database', DatabaseInput={'Name': n, 'Names': n}",
            "DatabaseInput.Names: no such member",
        ),
        (
            "'dynamodb', 'create_table', TableName=t, KeySchema=[{'AttributeName': 'a',"
            " 'KeyType': 'HASH' if x else 'HASHED'}], AttributeDefinitions=d",
            "KeySchema[0].KeyType: must be one of HASH, RANGE",
        ),
        (
            "'lakeformation', 'grant_permissions', Principal=p, Resource=r, Permissions=['BANANA']",
            "Permissions[0]: must be one of",
        ),
    ],
)
def test_misfits__names_what_the_model_does_not_know(call: str, problem: str) -> None:
    (found,) = misfits(site_of(f"aws.call({call})"))
    assert f": {problem}" in found


@pytest.mark.parametrize(
    "call",
    [
        "'glue', 'get_table', **given",
        "'glue', 'create_database', DatabaseInput={'Name': n, **more}",
        "'glue', 'create_database', DatabaseInput={name: n}",
        "'datazone', 'create_domain', name=n, domainExecutionRole=r",
        "'sns', 'create_topic', Name=n, Attributes={'a': 'b', k: 'c'}, Tags=[*tags]",
    ],
)
def test_misfits__takes_what_may_fit(call: str) -> None:
    assert misfits(site_of(f"aws.call({call})")) == []


def test_pages__are_known_to_the_client() -> None:
    (found,) = misfits(site_of("aws.pages('glue', 'get_table', DatabaseName=d, Name=t)"))
    assert "no pages" in found
    assert misfits(site_of("aws.pages('glue', 'get_tables', DatabaseName=d)")) == []


def test_call_site__remembers_its_arguments_unevaluated() -> None:
    site = site_of("aws.run('glue', 'get_database', Name=name())")
    assert ast.unparse(site.arguments["Name"]) == "name()"
    assert site.place == "plant.py:1: glue get_database"
