"""Durable `POST /api/v1/projects` beside a bare Starlette route that inserts one row.

Both are measured in turn, several times in one run, at 16 connections; the medians are compared.
Each project also starts a workflow and a function, which are no part of the answer. While requests
come in, most of that waits: it is worked off before the next measurement, and its rate is told.
"""

import json
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from report import Ratio, publish
from servers import HERE, bare_command, environment, free_port, mesh_command, running

from meshplane.run.home import Home
from meshplane.run.links import issuer
from meshplane.run.settings import read_settings

CONNECTIONS = 16
REQUESTS = 2000
ROUNDS = 5
SETTLED_WITHIN_SECONDS = 300.0


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


def settle(home: Path) -> None:
    """Returns when all that the projects started has ended."""
    store = sqlite3.connect(f"file:{Home(home).database}?mode=ro", uri=True)
    ended = "SELECT count(*) FROM Executions WHERE json_extract(body, '$.endedAt') IS NOT NULL"
    begun = time.perf_counter()
    # Each project has one execution, which begins at some time after the project is there.
    while (
        store.execute("SELECT count(*) FROM Messages").fetchone()[0]
        or store.execute(ended).fetchone()[0]
        < store.execute("SELECT count(*) FROM Projects").fetchone()[0]
    ):
        if time.perf_counter() - begun > SETTLED_WITHIN_SECONDS:
            raise RuntimeError("the projects were not set up in time")
        time.sleep(0.2)
    store.close()


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
            bare, mesh, whole = [], [], []
            for round_number in range(ROUNDS + 1):
                body = json.dumps({"domainId": domain_id, "name": "p-NUMBER"})
                same = {"body": body, "run": f"r{round_number}"}
                bare.append(load({**bare_plan, **same}))
                begun = time.perf_counter()
                mesh.append(load({**mesh_plan, **same}))
                settle(home)
                whole.append(REQUESTS / (time.perf_counter() - begun))
    # The first round warms both.
    pair = {
        "bare requests/s": statistics.median(bare[1:]),
        "POST /api/v1/projects requests/s": statistics.median(mesh[1:]),
        "projects/s until all is set up": statistics.median(whole[1:]),
    }
    value = pair["POST /api/v1/projects requests/s"] / pair["bare requests/s"]
    publish(
        "durable_writes",
        [Ratio("durable POST /projects ÷ bare insert, 16 connections", value, 0.5, True, pair)],
    )


if __name__ == "__main__":
    main()
