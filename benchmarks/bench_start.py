"""Start to the first 200 from /ready, with the sample mesh loaded, beside a bare Starlette app.

Each is started several times in turn, on a warm disk; medians are compared. Then the memory at
rest, of the server and of the processes that it keeps for queries, as proportional set size.
"""

import statistics
import sys
import tempfile
import time
from pathlib import Path

from report import Ratio, publish
from servers import HERE, bare_command, free_port, mesh_command, running

from meshplane.sample.progress import is_finished

ROUNDS = 9
REST_SECONDS = 5.0
LOAD_SECONDS = 300.0


def load_sample(home: Path) -> None:
    """Plays the journey into the home, as `make run` does."""
    port = free_port()
    with running([*mesh_command(home, port), "--sample"], port):
        begun = time.perf_counter()
        while not is_finished(home):
            if time.perf_counter() - begun > LOAD_SECONDS:
                raise RuntimeError("the sample mesh was not loaded in time")
            time.sleep(0.1)


def start(command: list[str], port: int) -> float:
    """Seconds from the start of the process to its first 200."""
    with running(command, port) as (_, seconds):
        return seconds


def memory_mib(home: Path) -> float:
    """Memory of the server and its children at rest; Linux only."""
    port = free_port()
    with running(mesh_command(home, port), port) as (process, _):
        time.sleep(REST_SECONDS)
        return sum(_pss_mib(pid) for pid in _family(process.pid))


def _family(pid: int) -> list[int]:
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status = (folder / "stat").read_text()
        except OSError:
            continue  # it ended meanwhile
        parents[int(folder.name)] = int(status.rpartition(")")[2].split()[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _pss_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("no Pss in smaps_rollup")


def main() -> None:
    """Measures and publishes."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        home = Path(folder) / "home"
        load_sample(home)
        bare, mesh = [], []
        for _ in range(ROUNDS + 1):
            port = free_port()
            bare.append(start(bare_command(Path(folder) / "bare.db", port), port))
            port = free_port()
            mesh.append(start(mesh_command(home, port), port))
        pair = {
            "bare seconds": statistics.median(bare[1:]),
            "meshplane seconds": statistics.median(mesh[1:]),
        }
        seconds = pair["meshplane seconds"]
        ratios = [
            Ratio("seconds to ready, sample loaded", seconds, 2.0, False, {}),
            Ratio("ready ÷ bare Starlette", seconds / pair["bare seconds"], 3.0, False, pair),
        ]
        if sys.platform == "linux":
            ratios.append(Ratio("resting memory, MiB", memory_mib(home), 300.0, False, {}))
        else:
            print("resting memory: not measured, it is read from /proc")
    publish("start", ratios)


if __name__ == "__main__":
    main()
