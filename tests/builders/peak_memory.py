"""How much memory a piece of work takes at its most, in a process that may hold much already."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"
"""What resets a process's peak: see proc(5), `clear_refs`."""


def grown_megabytes() -> Callable[[], int]:
    """Begins to measure; what it gives tells the peak since, above what was held at the begin.

    Where a process's peak cannot be reset, a peak below that of its past is not seen.
    """
    if _RESET.exists():
        _RESET.write_text(_FORGET_PEAK)
    before = _peak_megabytes()
    return lambda: _peak_megabytes() - before


def _peak_megabytes() -> int:
    if _RESET.exists():
        line = next(one for one in _STATUS.read_text().splitlines() if one.startswith("VmHWM:"))
        return int(line.split()[1]) // 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // (1024 * 1024 if sys.platform == "darwin" else 1024)
