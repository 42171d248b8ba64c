"""The guide's commands, run as they stand against the sample mesh, as a reader would."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from meshplane.sample.loader import load
from meshplane.sample.nycflights import default_archive
from tests.builders.server import Server, running_server

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(
        not default_archive().is_file(),
        reason=f"{default_archive().name} is not in this environment: run `make setup`",
    ),
]

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide"
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LONGEST_SECONDS = 300  # a page of sixty commands, on a busy machine
_HERE = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        load(
            running.url,
            running.token,
            running.home,
            None,
            Console(quiet=True),
        )
        yield running


def type_in(server: Server, page: str, folder: Path) -> tuple[int, str]:
    """Types the commands of a page into one shell that ends at the first that fails.

    Returns:
        The exit code, and all that was printed.
    """
    text = (GUIDE / f"{page}.md").read_text(encoding="utf-8")
    script = "set -e -o pipefail\n" + "\n".join(BLOCK.findall(text)).replace(_HERE, server.url)
    kept = {name: value for name, value in os.environ.items() if "MESHPLANE" not in name}
    place = {"MESHPLANE_HOME": str(server.home), "MESHPLANE_URL": server.url, "COLUMNS": "120"}
    path = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    printed = folder / "printed"
    with printed.open("wb") as file:
        shell = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env={**kept, **place, **path},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            code = shell.wait(_LONGEST_SECONDS)
        finally:
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
    return code, printed.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("run", ['{"status":"ok"', "user:tides@port", "SubscriptionApproved"]),
        ("settings-and-home", ["MESHPLANE_PROT", "log_level", "exit code 1"]),
        ("publish", ['"addedRows":3', "climate.stations", "public\nSTALE"]),
        (
            "access",
            [
                *("ACCESS_REQUIRED", "REQUEST_CHANGED", "excluded", "109416", "1957"),
                *("SQL_INVALID", "restricted", "SAME_APPROVER", "waitsFor: owner", "****00"),
                *("masked   hash", "carrier and name become visible", "(origin = 'EWR')"),
                *("reads 18 of 19 columns", "GRANT_BROKEN", "1 excess, 0 changed, 1 missing"),
                *("nothing was changed", "1 repaired", "1 removed"),
                *("The lake holds what was granted", "GRANT_OF_SUBSCRIPTION", "revoked"),
            ],
        ),
        ("query", ["328521", "336776", "42.57886", "SQL_REFUSED", "windy_hours"]),
        ("quality", ["4 of 4 passed", "3 of 4 passed", "DataQualityAlert"]),
        ("deploy", ["PLANNED", "CREATE_COMPLETE", "Team: flights", "as its template", "REMOVED"]),
        (
            "glossary",
            [
                *("Off the gate later", "revision    2", "column dep_delay  Departure delay"),
                *("aviation.flights (column dep_delay, form Retention.measures)", "exit code 1"),
            ],
        ),
        ("lineage", ["flights.carrier", '{"edges":1}', "noaa/observations.air_temp"]),
        ("events", ["1 of", "no match", "refused", "delay-causes", "'04R'", "'22L'", "COMPLETED"]),
        ("workflows", ["AWS_REFUSES_OPERATION", "SELF_APPROVAL", "Go ahead", "APPROVAL_REJECTED"]),
        ("audit", ["verifies", "The chain is broken at record 3", "SubscriptionRevoked"]),
    ],
)
def test_guide__a_page_typed_as_it_stands__tells_what_it_says(
    page: str, told: list[str], server: Server, tmp_path: Path
) -> None:
    code, printed = type_in(server, page, tmp_path)
    assert code == 0, printed
    assert [text for text in told if text not in printed] == [], printed
