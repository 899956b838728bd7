"""What a child process does to itself before it runs a job: its life is tied to its parent's, its use is bounded.

Nothing here needs a privilege, and all of it passes the system call filter of the systemd unit: a process may always
bind itself further. Called between fork and the first line of the job, so it imports the standard library alone.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import resource
import signal
from pathlib import Path

PR_SET_PDEATHSIG = 1
MIB = 1024 * 1024
# When memory runs out the kernel ends a job before it ends the daemon or a session of the database.
OOM_SCORE_MORE = 500
OOM_SCORE_MAX = 1000
# Between the signal that names the limit and the one that nobody can ignore.
CPU_GRACE_SECONDS = 2


def tie_to(parent: int) -> None:
    """End when `parent` ends, however it ends; for good when it has ended already."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os._exit(1)


def confine(memory_mib: int, cpu_seconds: float | None, processes_max: int) -> None:
    """Set the limits of this process, which all that it starts inherit."""
    _bound(resource.RLIMIT_CORE, 0)
    _bound(resource.RLIMIT_DATA, memory_mib * MIB)
    if cpu_seconds is not None:
        soft = math.ceil(cpu_seconds)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, soft + CPU_GRACE_SECONDS))
    if os.geteuid() != 0:  # the kernel does not count root's
        _bound(resource.RLIMIT_NPROC, tasks_of(os.getuid()) + processes_max)
    offer_to_the_kernel()


def offer_to_the_kernel() -> None:
    """Raise the score by which the kernel chooses whom to end when memory runs out."""
    place = Path("/proc/self/oom_score_adj")
    with contextlib.suppress(OSError):  # not there in some containers; the memory limit holds without it
        place.write_text(str(min(int(place.read_text()) + OOM_SCORE_MORE, OOM_SCORE_MAX)))


def tasks_of(uid: int) -> int:
    """How many processes and threads a user has: the kernel counts them per user, so a bound is that and some more."""
    count = 0
    for entry in os.scandir("/proc"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            if entry.name.isdigit() and entry.stat().st_uid == uid:
                count += sum(1 for _ in os.scandir(f"{entry.path}/task"))
    return count


def _bound(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))
