"""The first table: its figures in the order in which they are measured, and its rows with the bars to be reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from speed import drains, idling, singles
from speed.baseline import measure_baseline
from speed.database import NEWEST, OLDEST
from speed.failure import BenchError
from speed.figure import Row

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from speed.database import Ground
    from speed.figure import Values
    from speed.sizes import Sizes

    Measure: TypeAlias = Callable[[Ground, Sizes], Awaitable[Values]]

BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that is measured.

    Attributes:
        name: For `ONLY=`.
        measure: Does it once.
        needs: What has to be measured in the same round, to compare with.
        versions: Servers that it uses.
    """

    name: str
    measure: Measure
    needs: tuple[str, ...] = (BASELINE,)
    versions: tuple[int, ...] = (NEWEST,)


async def _baseline(ground: Ground, sizes: Sizes) -> Values:
    return {"rate": await measure_baseline(ground, sizes.baseline_seconds)}


def _after_plain(measure: Measure) -> Measure:
    """With a plain drain right before, to compare with: minutes later the machine may be another."""

    async def both(ground: Ground, sizes: Sizes) -> Values:
        before = await drains.plain(ground, sizes)
        return {**await measure(ground, sizes), "plain": before["rate"]}

    return both


FIGURES = (
    Figure(BASELINE, _baseline, ()),
    Figure("drain", drains.plain),
    Figure("two", _after_plain(drains.by_two)),
    Figure("future", _after_plain(drains.future)),
    Figure("behind", _after_plain(drains.behind)),
    Figure("snapshot", _after_plain(drains.under_snapshot)),
    Figure("flush", _after_plain(drains.slow_flush)),
    Figure("oldest", drains.on_oldest, versions=(NEWEST, OLDEST)),
    Figure("limits", drains.limited),
    Figure("enqueue", singles.enqueues),
    Figure("latency", singles.latency),
    Figure("idle", idling.idle),
)

PG = f"PostgreSQL {OLDEST}"
ROWS = (
    Row(value="baseline.rate", title="pgbench: take one row, 8 clients", than="baseline.rate"),
    Row(value="drain.rate", title="drain, one daemon", than="baseline.rate", least=6.0),
    Row(value="two.rate", title="drain, two daemons", than="two.plain", least=0.8),
    Row(value="enqueue.bulk", title="enqueue in one call", than="baseline.rate", least=20.0),
    Row(value="enqueue.single", title="enqueue one at a time", than="baseline.rate", least=1.0),
    Row(value="enqueue.bare", title="the same, of a bare row", than="baseline.rate"),
    Row(value="latency.p50", title="enqueue to start, idle daemon, p50", unit="ms", most=0.8, digits=2),
    Row(value="latency.p99", title="enqueue to start, idle daemon, p99", unit="ms", most=2.5, digits=2),
    Row(value="latency.bare_p50", title="a bare row, notified and taken, p50", unit="ms", digits=2),
    Row(value="latency.bare_p99", title="a bare row, notified and taken, p99", unit="ms", digits=2),
    Row(value="future.rate", title="drain beside future jobs", than="future.plain", least=0.9),
    Row(value="behind.rate", title="drain before due jobs of low priority", than="behind.plain", least=0.9),
    Row(value="oldest.rate", title=f"{PG}: drain, one daemon", than="baseline.rate"),
    Row(value="oldest.future", title=f"{PG}: beside future jobs", than="oldest.rate", least=0.9),
    Row(value="oldest.behind", title=f"{PG}: before due jobs of low priority", than="oldest.rate", least=0.9),
    Row(value="snapshot.rate", title="drain under a held snapshot", than="snapshot.plain", least=0.9),
    Row(value="limits.one", title="keys with a limit of 5, one daemon", than="baseline.rate", least=3.0),
    Row(value="limits.two", title="keys with a limit of 5, two daemons", than="baseline.rate", least=3.0),
    Row(value="flush.rate", title="drain, each flush 2 ms slower", than="flush.plain", least=0.6),
    Row(value="idle.daemon", title="idle: processor time of the daemon", unit="s", most=0.10, digits=2),
    Row(value="idle.server", title="idle: processor time of PostgreSQL", unit="s", most=0.05, digits=2),
    Row(value="idle.resident", title="idle: memory of the daemon", unit="MiB", most=64.0, digits=1),
    Row(value="drain.wal", title="log of a job, claim to settled", unit="bytes", most=1200.0),
    Row(value="drain.wal_all", title="the same with its enqueue", unit="bytes"),
)


def chosen(only: Sequence[str]) -> list[Figure]:
    """The named figures with what they are compared to, or all, in the order of the table.

    Raises:
        BenchError: There is no such figure.
    """
    known = {figure.name: figure for figure in FIGURES}
    if unknown := [name for name in only if name not in known]:
        raise BenchError(f"there is no figure {unknown[0]}; there are {', '.join(known)}")
    wanted = set(only or known)
    wanted |= {need for name in wanted for need in known[name].needs}
    return [figure for figure in FIGURES if figure.name in wanted]
