"""The home folder: where a process keeps its state."""

import os
import secrets
import tempfile
from pathlib import Path

from meshplane.kit.errors import Invalid

MASK_KEY_BYTES = 32


class Home:
    """The parts of a home folder; made when they are first needed.

    `meshplane.db` holds rows, events and the audit trail; `lake/` the tables' files; `keys/` the
    issuer's key and the key of masks, which only their owner may read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.keys = self.folder / "keys"
        self.issuer_url = self.keys / "issuer.url"
        self.lake = self.folder / "lake"
        self.scratch = self.folder / "scratch"
        self.database = self.folder / "meshplane.db"

    def prepare(self) -> None:
        """Makes the folders.

        Raises:
            Invalid: SETTING_INVALID, the folder cannot be made or written.
        """
        try:
            for folder in (self.folder, self.keys, self.lake, self.scratch):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError:
            raise Invalid(
                "SETTING_INVALID",
                f"Setting home: the folder {self.folder} cannot be made: choose another.",
                field="home",
            ) from None

    def mask_key(self) -> bytes:
        """The secret of this mesh's hash masks; made once, the same ever after."""
        path = self.keys / "mask.key"
        if not path.exists():
            handle, name = tempfile.mkstemp(dir=self.keys)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(MASK_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            try:
                # A link fails where the file is there: of two processes at once, one key wins.
                Path(path).hardlink_to(name)
            except FileExistsError:
                return path.read_bytes()
            finally:
                Path(name).unlink()
        return path.read_bytes()
