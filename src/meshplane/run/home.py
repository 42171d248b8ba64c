"""The home folder: where a process keeps its state."""

import contextlib
import os
import secrets
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from meshplane.kit.errors import Invalid

SCRATCH_SECONDS = 3600.0
MASK_KEY_BYTES = 32
MASK_KEY_FILE = "mask.key"


class Home:
    """The parts of a home folder; made when they are first needed.

    `meshplane.db` holds rows, events and the audit trail; `lake/` the tables' files and the
    embedded lake's own grants; `keys/` the issuer's key and the key of masks, which only their
    owner may read; `owners/` a locked file for each process that runs workflows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.keys = self.folder / "keys"
        self.issuer_url = self.keys / "issuer.url"
        self.lake = self.folder / "lake"
        self.scratch = self.folder / "scratch"
        self.owners = self.folder / "owners"
        self.database = self.folder / "meshplane.db"

    def prepare(self) -> None:
        """Makes the folders.

        Raises:
            Invalid: SETTING_INVALID, the folder cannot be made or written.
        """
        try:
            for folder in (self.folder, self.keys, self.lake, self.scratch, self.owners):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            raise Invalid(
                "SETTING_INVALID",
                f"Setting home: the folder {self.folder} cannot be made: choose another.",
                field="home",
            ) from None

    def sweep_scratch(self) -> None:
        """Removes files that a process which was killed left behind.

        Only old ones: another process of this home may be using its own.
        """
        oldest = time.time() - SCRATCH_SECONDS
        for path in self.scratch.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process sweeps as well
                if path.is_file() and path.stat().st_mtime < oldest:
                    path.unlink()

    def mask_key(self) -> bytes:
        """The secret of this mesh's hash masks; made once, the same ever after.

        Raises:
            Invalid: MASK_KEY_DAMAGED, MASK_KEY_EXPOSED.
        """
        path = self.keys / MASK_KEY_FILE
        if not path.exists():
            self._make_mask_key(path)
        with path.open("rb") as file:
            mode, key = os.fstat(file.fileno()).st_mode, file.read(MASK_KEY_BYTES + 1)
        if len(key) != MASK_KEY_BYTES:
            raise Invalid(
                "MASK_KEY_DAMAGED",
                f"The file {path} is not the key that was made here; restore it from a backup, or "
                "delete it, so that a new key is made and hash masks show other values.",
            )
        if mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Invalid(
                "MASK_KEY_EXPOSED",
                f"Others may read {path}. Whoever read it can find out what hash masks hide: "
                "delete it, so that a new one is made, or run `chmod 600` if nobody did.",
            )
        return key

    def _make_mask_key(self, path: Path) -> None:
        handle, name = tempfile.mkstemp(dir=self.keys)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(MASK_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            # A link fails where the file is there: of two processes at once, one key wins.
            with suppress(FileExistsError):
                path.hardlink_to(name)
        finally:
            Path(name).unlink()
        folder = os.open(self.keys, os.O_RDONLY)
        try:
            os.fsync(folder)  # what is hashed with the key outlives a power cut, so must the key
        finally:
            os.close(folder)
