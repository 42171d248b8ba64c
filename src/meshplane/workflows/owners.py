"""Who is still alive of those that own executions.

A lease says until when an owner must have shown himself; it ends half a minute after his death.
Where processes share a machine, their deaths are seen at once: each holds a lock on a file of its
own, and the kernel gives it free however the process ends.
"""

import fcntl
import os
from pathlib import Path
from typing import Protocol

_ENDING = ".owner"


class Owners(Protocol):
    """Knows the processes that own executions."""

    def enter(self, owner: str) -> None:
        """From now on, `owner` lives in this process."""
        ...

    def leave(self, owner: str) -> None:
        """He has ended, and owns nothing any more."""
        ...

    def dead(self) -> frozenset[str]:
        """Those that have died, until they are forgotten."""
        ...

    def forget(self, owner: str) -> None:
        """What a dead one owned has been taken over."""
        ...


class LeasesOnly:
    """Nobody's death is seen: leases alone tell. For processes on several machines."""

    def enter(self, owner: str) -> None:
        """Nothing is kept."""

    def leave(self, owner: str) -> None:
        """Nothing is kept."""

    def dead(self) -> frozenset[str]:
        """None is known to be dead."""
        return frozenset()

    def forget(self, owner: str) -> None:
        """Nothing is kept."""


class LockedFiles:
    """Owners on one machine: a locked file for each that lives.

    Args:
        folder: for the files, the same for all; it is created when it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, int] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def enter(self, owner: str) -> None:
        """See `Owners.enter`."""
        # Locked under another name first: nobody may find it before it is locked.
        path = self._folder / owner
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        path.rename(self._path(owner))
        self._held[owner] = descriptor

    def leave(self, owner: str) -> None:
        """See `Owners.leave`."""
        self._path(owner).unlink(missing_ok=True)
        os.close(self._held.pop(owner))

    def dead(self) -> frozenset[str]:
        """See `Owners.dead`."""
        names = (path.stem for path in self._folder.glob(f"*{_ENDING}"))
        return frozenset(name for name in names if name not in self._held and self._is_free(name))

    def forget(self, owner: str) -> None:
        """See `Owners.forget`."""
        self._path(owner).unlink(missing_ok=True)

    def _is_free(self, owner: str) -> bool:
        try:
            descriptor = os.open(self._path(owner), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
        return True

    def _path(self, owner: str) -> Path:
        return self._folder / f"{owner}{_ENDING}"
