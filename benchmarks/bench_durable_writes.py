"""Durable `POST /api/v1/projects` beside a bare Starlette route that inserts one row.

Both are measured in turn, several times in one run, at 16 connections; the medians are compared.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from report import Ratio, publish
from servers import HERE, bare_command, environment, free_port, mesh_command, running

from meshplane.run.links import issuer
from meshplane.run.settings import read_settings

CONNECTIONS = 16
REQUESTS = 4000
ROUNDS = 5


def load(plan: dict[str, Any]) -> float:
    """Requests a second."""
    done = subprocess.run(
        [sys.executable, str(HERE / "http_load.py")],
        input=json.dumps({"connections": CONNECTIONS, "requests": REQUESTS, **plan}).encode(),
        stdout=subprocess.PIPE,
        env=environment(),
        check=True,
    )
    told = json.loads(done.stdout)
    return float(told["requests"] / told["seconds"])


def new_domain(port: int, token: str) -> str:
    """The id of a domain to create projects in."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/domains",
        data=b'{"name": "bench"}',
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request) as answer:
        return str(json.load(answer)["domainId"])


def main() -> None:
    """Measures and publishes."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        home = Path(folder) / "home"
        bare_port, mesh_port = free_port(), free_port()
        token = issuer(read_settings(home=home, port=mesh_port)).mint("admin", ("mesh-admins",))
        with (
            running(bare_command(Path(folder) / "bare.db", bare_port), bare_port),
            running(mesh_command(home, mesh_port), mesh_port),
        ):
            domain_id = new_domain(mesh_port, token)
            bare_plan = {"port": bare_port, "method": "POST", "path": "/insert", "status": 201}
            mesh_plan = {**bare_plan, "port": mesh_port, "path": "/api/v1/projects", "token": token}
            bare, mesh = [], []
            for round_number in range(ROUNDS + 1):
                body = json.dumps({"domainId": domain_id, "name": "p-NUMBER"})
                same = {"body": body, "run": f"r{round_number}"}
                bare.append(load({**bare_plan, **same}))
                mesh.append(load({**mesh_plan, **same}))
    # The first round warms both.
    pair = {
        "bare requests/s": statistics.median(bare[1:]),
        "POST /api/v1/projects requests/s": statistics.median(mesh[1:]),
    }
    value = pair["POST /api/v1/projects requests/s"] / pair["bare requests/s"]
    publish(
        "durable_writes",
        [Ratio("durable POST /projects ÷ bare insert, 16 connections", value, 0.5, True, pair)],
    )


if __name__ == "__main__":
    main()
