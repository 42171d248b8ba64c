"""DBOS: five steps in a workflow, on SQLite. Run by bench_workflows.py in the peers' environment.

Prints one JSON line. SQLite is set to WAL, as ours is, which makes DBOS faster than its default.
"""

import json
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from dbos import DBOS

folder, count = sys.argv[1], int(sys.argv[2])
path = f"{folder}/dbos.db"
sqlite3.connect(path).execute("PRAGMA journal_mode = WAL").close()
DBOS(
    config={
        "name": "bench",
        "system_database_url": f"sqlite:///{path}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
)


@DBOS.step()
def add_one(number: int) -> int:
    return number + 1


@DBOS.workflow()
def five_steps(number: int) -> int:
    for _ in range(5):
        number = add_one(number)
    return number


DBOS.launch()
assert five_steps(0) == 5
start = time.perf_counter()
for _ in range(count):
    assert five_steps(0) == 5
sequential = count / (time.perf_counter() - start)
with ThreadPoolExecutor(64) as pool:
    start = time.perf_counter()
    assert set(pool.map(five_steps, [0] * count)) == {5}
    at_once = count / (time.perf_counter() - start)
DBOS.destroy()
print(json.dumps({"sequential": sequential, "at_once": at_once}))
