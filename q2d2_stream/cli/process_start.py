"""When this process was started, which is before Python runs its first line."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["process_start_s"]

_STARTTIME = 22  # of /proc/PID/stat, counted from 1, in ticks since boot: proc_pid_stat(5)


def process_start_s() -> float:
    """The start on the clock of ``time.monotonic``, to 10 ms; now, where the system does not say.

    Only Linux does: elsewhere the start of the interpreter is missing from what is measured.
    """
    now = time.monotonic()
    try:
        stat = Path("/proc/self/stat").read_text()
        ticks_per_second = os.sysconf("SC_CLK_TCK")
        boot_clock = time.CLOCK_BOOTTIME
    except (OSError, ValueError, AttributeError):
        return now
    # The second field, the program's name in parentheses, may hold spaces and parentheses.
    ticks = int(stat.rpartition(")")[2].split()[_STARTTIME - 3])
    age_s = time.clock_gettime(boot_clock) - ticks / ticks_per_second
    return now - max(0.0, age_s)
