"""How far the sample's loading has come survives a crash at any moment."""

from pathlib import Path

import pytest

from meshplane.kit.errors import Invalid
from meshplane.sample.progress import FileProgressStore, Progress


def test_load__nothing_kept_yet__gives_none(tmp_path: Path) -> None:
    assert FileProgressStore(tmp_path / "home").load() is None


def test_save__then_load__gives_the_same(tmp_path: Path) -> None:
    store = FileProgressStore(tmp_path / "home")
    progress = Progress("2026-01-01T00:00:00.000000Z", [{"name": "one"}], {"asset:x": "asset-1"})
    store.save(progress)
    assert store.load() == progress


def test_save__a_crash_before_the_rename_leaves_the_old_record(tmp_path: Path) -> None:
    store = FileProgressStore(tmp_path)
    progress = Progress("2026-01-01T00:00:00.000000Z")
    store.save(progress)
    (tmp_path / "sample.json.new").write_text('{"format": 1, "startedAt": "20')
    assert store.load() == progress
    progress.steps.append({"name": "one"})
    store.save(progress)
    assert store.load() == progress


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2}'])
def test_load__a_record_changed_by_hand_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "sample.json").write_text(text)
    with pytest.raises(Invalid) as refused:
        FileProgressStore(tmp_path).load()
    assert refused.value.code == "SAMPLE_PROGRESS_UNREADABLE"
