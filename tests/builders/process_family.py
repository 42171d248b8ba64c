"""A process and all that it started, as `/proc` shows them, so that nobody is left behind."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PAUSE_SECONDS = 0.005
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Member:
    """A process; its start tells it from a later one with the same id."""

    pid: int
    parent: int
    session: int
    started_at_ticks: int
    state: str


def family_of(pid: int) -> frozenset[Member]:
    """The process, what it started, and what these started."""
    everyone = list(_everyone())
    found = {member for member in everyone if member.pid == pid}
    while True:
        known = {member.pid for member in found}
        more = {member for member in everyone if member.parent in known} - found
        if not more:
            return frozenset(found)
        found |= more


def survivors(family: Iterable[Member], within_seconds: float) -> list[int]:
    """The ids of those that still live when the time is over; empty as soon as none does.

    Whoever was born into a session of the family since counts as one of it.
    """
    known = {(member.pid, member.started_at_ticks) for member in family}
    sessions = {member.session for member in family}
    sessions.discard(os.getsid(0))
    give_up = time.monotonic() + within_seconds
    while True:
        living = [
            member.pid
            for member in _everyone()
            if member.state not in "ZX"
            and ((member.pid, member.started_at_ticks) in known or member.session in sessions)
        ]
        if not living or time.monotonic() >= give_up:
            return sorted(living)
        time.sleep(_PAUSE_SECONDS)


def _everyone() -> Iterable[Member]:
    for folder in _PROC.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            text = (folder / "stat").read_text("utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        # The name stands in parentheses and may hold any character; see proc(5), "stat".
        parts = text.rpartition(")")[2].split()
        yield Member(int(folder.name), int(parts[1]), int(parts[3]), int(parts[19]), parts[0])
