"""A mesh on one machine loads nothing of AWS."""

import subprocess
import sys
from pathlib import Path

_MAKES_A_MESH = """
import asyncio, sys
from pathlib import Path
from meshplane.run.mesh import Mesh
from meshplane.run.settings import read_settings

async def main():
    mesh = Mesh(read_settings(home=Path(sys.argv[1]), port=0))
    async with mesh._run():
        await asyncio.sleep(0.5)

asyncio.run(main())
print(sorted({"boto3", "botocore", "moto", "s3transfer"} & set(sys.modules)))
"""


def test_embedded_mode__loads_no_client_of_aws(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", _MAKES_A_MESH, str(tmp_path / "home")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout.strip()) == (0, "[]"), ran.stderr[-2000:]
