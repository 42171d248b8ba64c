"""Heads of the audit chain are noted in a file: what a crash in the middle of a line leaves there.

No head is ever made up of two halves, so that a sound chain is never called broken.
"""

import asyncio
from pathlib import Path

import pytest

from meshplane.services.audit.anchors import Anchors
from tests.builders.stores import SqlitePlace

_FIRST = f"7 {'ab' * 32}\n"

pytestmark = pytest.mark.fault


def _noted_after(log: Path, folder: Path) -> tuple[list[tuple[int, str]], tuple[int, str]]:
    """What is noted after one more head, and that head."""

    async def note() -> tuple[list[tuple[int, str]], tuple[int, str]]:
        store = SqlitePlace(folder).open()
        work = store.begin()
        work.record({"operation": "createDomain", "actor": "user:ada"})
        await work.commit()
        anchors = Anchors(store, log)
        await anchors.note()
        head = await store.audit_head()
        await store.close()
        return anchors.noted(), head

    return asyncio.run(note())


@pytest.mark.parametrize("kept", [0, 1, 2, 3, 20, len(_FIRST) - 2, len(_FIRST) - 1, len(_FIRST)])
def test_note__after_a_line_that_was_cut_short__both_stay_apart(tmp_path: Path, kept: int) -> None:
    log = tmp_path / "audit-anchors.log"
    log.write_text(_FIRST + _FIRST[:kept])
    noted, head = _noted_after(log, tmp_path)
    whole = [(7, "ab" * 32)] * (2 if kept >= len(_FIRST) - 1 else 1)
    assert noted == [*whole, head]


def test_note__into_no_file_yet__begins_it(tmp_path: Path) -> None:
    noted, head = _noted_after(tmp_path / "audit-anchors.log", tmp_path)
    assert noted == [head]
