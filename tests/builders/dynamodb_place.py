"""DynamoDB as moto plays it, in this process, and a place in it for a store.

moto works on several requests at once without isolating them, and copies a whole table for each
write of a transaction. Here requests take turns, as transactions of DynamoDB do, and what is copied
is what can change.
"""

import copy
import functools
import itertools
import threading
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from meshplane.kit.clock import Clock, FixedClock
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.dynamodb import DynamoStore
from meshplane.platform.aws.dynamodb_items import Shape
from meshplane.platform.aws.dynamodb_layout import OWN_TABLES, prepare
from meshplane.platform.aws.place import AwsPlace
from meshplane.platform.tables import Table
from tests.builders.aws_sessions import session_with

ACCOUNT, REGION = "123456789012", "eu-central-1"
_numbers = itertools.count(1)


class _CheapCopies:
    """Stands for the module `copy` where moto copies tables: rows are replaced, never changed."""

    def __getattr__(self, name: str) -> Any:
        return getattr(copy, name)

    def deepcopy(self, value: Any, memo: Any = None) -> Any:
        if type(value).__name__ != "Table":
            return copy.deepcopy(value, memo)
        made = copy.copy(value)
        made.items = type(value.items)(value.items.default_factory)
        for partition, rows in value.items.items():
            made.items[partition] = copy.copy(rows)
        return made


@functools.cache
def server_url() -> str:
    """The address of the one server of this process; it ends with the process."""
    from moto.dynamodb import models
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    vars(models)["copy"] = _CheapCopies()
    backends = DomainDispatcherApplication(create_backend_app)
    turn = threading.Lock()

    def one_after_the_other(environ: Any, start: Any) -> Any:
        with turn:
            return list(backends(environ, start))

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_request(self, *_: object) -> None:
            """Says nothing."""

    server = make_server("127.0.0.1", 0, one_after_the_other, True, request_handler=Quiet)
    threading.Thread(target=server.serve_forever, daemon=True, name="moto").start()
    return f"http://127.0.0.1:{server.server_port}"


@functools.cache
def _shared() -> Aws:
    session = session_with("AKIAIOSFODNN7EXAMPLE", "a-key-of-nobody")
    return Aws(AwsPlace(REGION, ACCOUNT, endpoint_url=server_url()), session)


def aws_of(prefix: str) -> Aws:
    """AWS on that server, with names that begin so. All of them share clients and threads."""
    made = copy.copy(_shared())
    made.place = replace(made.place, prefix=prefix)
    return made


@functools.cache
def _prefix(tables: tuple[Table, ...]) -> str:
    """One for all places with the same declarations, whose tables are made once."""
    return f"t{next(_numbers)}-"


class DynamoPlace:
    """Tables without rows. There is one such place at a time: a new one empties those of the last.

    Args:
        tables: that a store on it may use.
        clock: of the place.
    """

    def __init__(self, tables: Iterable[Table], clock: FixedClock) -> None:
        from moto.dynamodb.models import dynamodb_backends

        self.clock = clock
        self.tables = tuple(tables)
        self.prefix = _prefix(self.tables)
        self.aws = aws_of(self.prefix)
        there = dynamodb_backends[ACCOUNT][REGION].tables
        # Other tests may have reset moto, whose state is the process's.
        if not any(name.startswith(self.prefix) for name in there):
            shapes = [Shape(table, self.prefix) for table in (*self.tables, *OWN_TABLES)]
            prepare(self.aws, shapes, recovery=False)
        for name, table in list(there.items()):
            if name.startswith(self.prefix):
                table.items.clear()

    def open(self, clock: Clock | None = None, bucket: str | None = None) -> DynamoStore:
        """A store on the tables, by default on this place's clock."""
        clock = clock or self.clock
        return DynamoStore(
            self.aws, self.tables, clock, id_maker(clock), bucket=bucket, poll_seconds=0.02
        )


def dynamodb_place(tables: Iterable[Table], clock: FixedClock, folder: Path) -> DynamoPlace:
    """A place that has nothing in it; nothing of it lies in the folder."""
    del folder
    return DynamoPlace(tables, clock)
