"""The only clock of a daemon: boot time for trust, never wall time for decisions about jobs.

The database's clock decides about leases, schedules and due times (`crmd.clock()` in SQL). What a daemon measures by
itself is elapsed time since boot, which, unlike monotonic time, goes on while the machine is suspended.
"""

from __future__ import annotations

from time import CLOCK_BOOTTIME, clock_gettime


def boot_seconds() -> float:
    """Seconds since boot, suspended time included."""
    return clock_gettime(CLOCK_BOOTTIME)
