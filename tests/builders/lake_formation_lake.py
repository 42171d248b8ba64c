"""Lake Formation in the sandbox, with what the suite of lakes puts grants on.

One sandbox runs for all lakes of a process. A lake that is opened in a new folder finds it empty;
in the folder lies where it is, so that other processes open the same one.
"""

from pathlib import Path

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.place import AwsPlace
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.lake.aws import LakeFormationLake
from meshplane.services.lake.ports import LakeGrants
from tests.builders.aws_sandbox import REGION
from tests.builders.aws_sessions import session_with

_ACCOUNT = "111122223333"
_FILE = "sandbox-address"
_COLUMNS = ("name", "größe", "tail", "a", "b", "c")
_running: list[AwsSandbox] = []


def lake_formation_lake(folder: Path) -> LakeGrants:
    """The lake of a folder; an empty one if the folder is new."""
    known = folder / _FILE
    if not known.exists():
        known.write_text(_prepared())
    return LakeFormationLake(root_of(known.read_text()))


def stop_sandbox() -> None:
    """Stops the sandbox, if one runs."""
    while _running:
        _running.pop().stop()


def root_of(url: str) -> Aws:
    """AWS as the root of the mesh's account sees it."""
    place = AwsPlace(REGION, _ACCOUNT, endpoint_url=url, read_seconds=20.0)
    return Aws(place, session_with(f"ASBX{_ACCOUNT}", "secret"))


def _prepared() -> str:
    """Where an empty lake with a catalog of some tables is."""
    if _running:
        _running[0].reset()
    else:
        _running.append(AwsSandbox().start())
    aws = root_of(_running[0].url)
    root = f"arn:aws:iam::{_ACCOUNT}:root"
    settings = {
        "DataLakeAdmins": [{"DataLakePrincipalIdentifier": root}],
        "CreateDatabaseDefaultPermissions": [],
        "CreateTableDefaultPermissions": [],
        "Parameters": {"CROSS_ACCOUNT_VERSION": "4"},
    }
    aws.run("lakeformation", "put_data_lake_settings", DataLakeSettings=settings)
    aws.run("glue", "create_database", DatabaseInput={"Name": "aviation"})
    columns = [{"Name": name, "Type": "string"} for name in _COLUMNS]
    for name in ("flights", "f", "a", "b", "c"):
        table = {"Name": name, "StorageDescriptor": {"Columns": columns}}
        aws.run("glue", "create_table", DatabaseName="aviation", TableInput=table)
    aws.run("lakeformation", "create_lf_tag", TagKey="team", TagValues=["ops", "sea"])
    url = aws.place.endpoint_url or ""
    aws.close()
    return url
