"""What the jobs of the loop take of the daemon beside time: its memory, and connections of the plugins' pool.

Memory of a process is nobody's by itself. Growth is charged to a plugin only where no other plugin's job ran meanwhile;
else it stays unsaid, for a guess would be worse. The peak of a job's own process is exact.
"""

from __future__ import annotations

import contextlib
import logging
import resource
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from crmd.engine.blame import Blame
    from crmd.engine.run import Run

_LOG = logging.getLogger("crmd.engine")
LOOK_SECONDS = 1.0
GROWTH_MIB_MIN = 64
HELD_SECONDS_MAX = 10.0
MIB = 1024 * 1024
_STATM = Path("/proc/self/statm")
_PAGE_BYTES = resource.getpagesize()


class Holding:
    """A connection that a job holds, since when, and whether that was told."""

    __slots__ = ("is_told", "run", "since")

    def __init__(self, run: Run) -> None:
        self.run = run
        self.since = time.monotonic()
        self.is_told = False


_holdings: set[Holding] = set()


@contextlib.contextmanager
def held_by(run: Run) -> Iterator[None]:
    """A connection of the plugins' pool is held for `run` while the block lasts."""
    holding = Holding(run)
    _holdings.add(holding)
    try:
        yield
    finally:
        _holdings.discard(holding)


def is_holding(run: Run) -> bool:
    """Whether `run` holds a connection of the plugins' pool now."""
    return any(holding.run is run for holding in _holdings)


class Footprint:
    """One daemon's look at both.

    Args:
        blame: Is told what can be charged.
    """

    def __init__(self, blame: Blame) -> None:
        self._blame = blame
        self._look_at = 0.0
        self._mib = 0
        self._plugins: set[str] = set()

    def look(self, runs: Iterable[Run]) -> None:
        """Look once a second; what is called more often is for nothing."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        self._charge_growth(resident_mib(), {run.job_type.plugin for run in runs if run.started})
        self._name_holders(now)

    def _charge_growth(self, mib: int, plugins: set[str]) -> None:
        growth, before = mib - self._mib, self._mib
        suspects = plugins | self._plugins
        self._mib, self._plugins = mib, plugins
        if before and growth >= GROWTH_MIB_MIN and len(suspects) == 1:
            [plugin] = suspects
            self._blame.grew(plugin, growth)
            _LOG.warning("the daemon took %d MiB more while only jobs of plugin %s ran", growth, plugin)

    def _name_holders(self, now: float) -> None:
        for holding in list(_holdings):
            seconds = now - holding.since
            if seconds < HELD_SECONDS_MAX or holding.is_told:
                continue
            holding.is_told = True
            job_type, job_id = holding.run.job_type, holding.run.token.id
            self._blame.held(job_type.plugin, seconds)
            _LOG.warning(
                "a job of %s (plugin %s) has held a connection of the database for %.0f s; others wait for one",
                job_type.name,
                job_type.plugin,
                seconds,
                extra={"job_id": job_id},
            )


def resident_mib() -> int:
    """The memory that this process has in use."""
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES // MIB
