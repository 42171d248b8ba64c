"""The home folder: keys for their owner's eyes only, and one key however many start at once."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from meshplane.kit.errors import Invalid
from meshplane.run.home import MASK_KEY_BYTES, Home

_PROCESSES = 8
_RACE = """
import sys, time
from pathlib import Path
from meshplane.run.home import Home
from meshplane.run.links import issuer
from meshplane.run.settings import read_settings

home = Home(Path(sys.argv[1]))
while time.time() < float(sys.argv[2]):
    pass
home.prepare()
key = home.mask_key()
print(key.hex(), issuer(read_settings(home=Path(sys.argv[1]))).jwks()["keys"][0]["n"])
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    prepared = Home(tmp_path / "deep" / "home")
    prepared.prepare()
    return prepared


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_prepare__makes_folders_that_only_their_owner_may_enter(home: Home) -> None:
    for folder in (home.folder, home.keys, home.lake, home.scratch):
        assert (folder.is_dir(), oct(_mode(folder))) == (True, "0o700")


def test_prepare__twice__changes_nothing(home: Home) -> None:
    (home.lake / "table").mkdir()
    key = home.mask_key()
    home.prepare()
    assert (home.lake / "table").is_dir()
    assert home.mask_key() == key


def test_prepare__a_file_in_its_place__is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(Invalid) as refused:
        Home(tmp_path / "home").prepare()
    assert refused.value.code == "SETTING_INVALID"
    assert refused.value.fields[0].field == "home"
    assert str(tmp_path / "home") in refused.value.message


def test_mask_key__is_made_once_and_only_its_owner_may_read_it(home: Home) -> None:
    key = home.mask_key()
    assert len(key) == MASK_KEY_BYTES
    assert Home(home.folder).mask_key() == key
    assert oct(_mode(home.keys / "mask.key")) == "0o600"
    assert [file.name for file in home.keys.iterdir()] == ["mask.key"]


def test_mask_key__of_another_home__is_another(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.prepare()
    assert other.mask_key() != home.mask_key()


@pytest.mark.parametrize("content", [b"", b"short", b"x" * (MASK_KEY_BYTES + 1)])
def test_mask_key__damaged__is_refused_and_never_replaced(home: Home, content: bytes) -> None:
    home.mask_key()
    path = home.keys / "mask.key"
    path.write_bytes(content)
    with pytest.raises(Invalid) as refused:
        home.mask_key()
    assert refused.value.code == "MASK_KEY_DAMAGED"
    assert path.read_bytes() == content


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_mask_key__that_others_may_read_or_write__is_refused(home: Home, mode: int) -> None:
    home.mask_key()
    (home.keys / "mask.key").chmod(mode)
    with pytest.raises(Invalid) as refused:
        home.mask_key()
    assert refused.value.code == "MASK_KEY_EXPOSED"


def test_keys__a_crash_before_the_key_had_its_name__leaves_no_harm(home: Home) -> None:
    (home.keys / "tmpabcdefgh").write_bytes(b"half a k")
    key = home.mask_key()
    assert len(key) == MASK_KEY_BYTES


def test_keys__many_processes_start_at_once__all_have_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "home"
    start = str(time.time() + 1.5)
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", _RACE, str(folder), start], stdout=subprocess.PIPE, text=True
        )
        for _ in range(_PROCESSES)
    ]
    said = {process.communicate(timeout=60)[0].strip() for process in racing}
    assert [process.returncode for process in racing] == [0] * _PROCESSES
    assert len(said) == 1
    assert {file.name for file in (folder / "keys").iterdir()} == {"issuer.pem", "mask.key"}
    assert {oct(_mode(file)) for file in (folder / "keys").iterdir()} == {"0o600"}


def test_sweep__removes_what_a_killed_process_left_long_ago_and_nothing_newer(
    tmp_path: Path,
) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    left, in_use = home.scratch / "upload-left", home.scratch / "upload-in-use"
    for path in (left, in_use):
        path.write_bytes(b"rows")
    os.utime(left, (0, 0))
    home.sweep_scratch()
    assert not left.exists()
    assert in_use.exists()
