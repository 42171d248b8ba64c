"""The zips of the Lambda functions, and their handlers run as Lambda would: with the zip alone."""

import json
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "deploy/lambda/package.py"

_RUN = """
import json, sys, time
sys.path[:0] = [sys.argv[1]]
given = json.load(sys.stdin)
class Context:
    aws_request_id = "request-1"
    def get_remaining_time_in_millis(self):
        return given["milliseconds"]
import os
os.environ.update(given["settings"])
began = time.perf_counter()
module = __import__(given["handler"])
seconds = time.perf_counter() - began
answers = []
for event in given["events"]:
    try:
        answers.append({"answer": module.handler(event, Context())})
    except Exception as error:
        answers.append({"error": type(error).__name__, "message": str(error)})
loaded = sorted({name.partition(".")[0] for name in sys.modules})
json.dump({"answers": answers, "seconds": seconds, "loaded": loaded}, sys.stdout)
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a process of a function did.

    Args:
        answers: for each event, `answer`, or `error` and `message`.
        cold_start_seconds: what importing the handler took.
        loaded: the packages that were imported.
    """

    answers: list[dict[str, Any]]
    cold_start_seconds: float
    loaded: frozenset[str]


def packaged(out: Path, *only: str) -> str:
    """Makes the zips in a folder; what the script printed."""
    chosen = [part for name in only for part in ("--only", name)]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--out", str(out), *chosen],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def unzipped(zip_file: Path, folder: Path) -> Path:
    """The content of a zip, in a folder."""
    with zipfile.ZipFile(zip_file) as zipped:
        zipped.extractall(folder)
    return folder


def run(
    folder: Path,
    handler: str,
    events: Sequence[Mapping[str, Any]],
    settings: Mapping[str, str],
    *,
    seconds: float = 60.0,
) -> Ran:
    """Runs a handler for events, one after the other, in a process that has only its zip."""
    told = {
        "handler": handler,
        "events": list(events),
        "settings": dict(settings),
        "milliseconds": int(seconds * 1000),
    }
    done = subprocess.run(
        # Isolated, and without the site packages of this environment.
        [sys.executable, "-I", "-S", "-B", "-c", _RUN, str(folder)],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return Ran(found["answers"], found["seconds"], frozenset(found["loaded"]))


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Answering = Callable[[Asked], tuple[int, Any]]


@contextmanager
def http_server(answer: Answering) -> Iterator[str]:
    """A server on loopback that answers JSON; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, self.rfile.read(size))
            status, document = answer(asked)
            text = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = _answer  # noqa: N815 - as the library wants it

        def log_message(self, *_: Any) -> None:
            """Nothing is written."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
