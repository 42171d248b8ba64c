"""Whether a process has anything to do just now, as `/proc` shows its threads."""

from pathlib import Path

_PROC = Path("/proc")
# What tells of a thread in `/proc/PID/task/TID/status`; see proc(5).
_TOLD = ("State:", "voluntary_ctxt_switches:", "nonvoluntary_ctxt_switches:")
_SLEEPS = "S (sleeping)"


def is_idle(pid: int) -> bool:
    """Whether no thread of a process runs, or waits for a core or for a disk.

    One thread may wake another while both are looked at. So they are looked at twice, and none may
    have run in between. True as well where there is no `/proc`, or the process has ended.
    """
    threads = _threads(pid)
    return all(_SLEEPS in told for told in threads.values()) and _threads(pid) == threads


def _threads(pid: int) -> dict[str, str]:
    """What is told of each thread, by its id."""
    found = {}
    for status in _PROC.glob(f"{pid}/task/*/status"):
        try:
            lines = status.read_text("utf-8", errors="replace").splitlines()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended meanwhile
        found[status.parent.name] = "; ".join(line for line in lines if line.startswith(_TOLD))
    return found
