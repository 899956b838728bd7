"""A snapshot as Prometheus reads it. Label values are names that plugins and settings declare; else `other`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector, CollectorRegistry
from prometheus_client.utils import floatToGoString

from crmd.metrics import catalogue as told
from crmd.tally import OTHER

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping

    from prometheus_client.metrics_core import Metric as Family

    from crmd.metrics.catalogue import Metric
    from crmd.metrics.snapshot import Snapshot
    from crmd.store.figures import Figures
    from crmd.tally import Histogram


def exposed(snapshot: Snapshot, accept: str) -> tuple[bytes, str]:
    """The text and its media type, in the format that the scraper asks for."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(snapshot))
    ProcessCollector(registry=registry)
    encoder, media_type = choose_encoder(accept)
    return encoder(registry), media_type


class _Once(Collector):
    """Gives a snapshot to a registry."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Family]:
        yield from _of_daemon(self._snapshot)
        yield from _of_tally(self._snapshot)
        if self._snapshot.figures is not None:
            yield from _of_fleet(self._snapshot, self._snapshot.figures)

    def describe(self) -> Iterable[Family]:
        """Nothing beforehand: what there is is found when it is collected."""
        return ()


def _of_daemon(snapshot: Snapshot) -> Iterator[Family]:
    yield _gauge(told.INFO, {(snapshot.version,): 1})
    yield _gauge(told.READY, {(): snapshot.is_ready})
    yield _gauge(told.SLOTS, {(name,): room.slots for name, room in snapshot.rooms.items()})
    yield _gauge(told.SLOTS_TAKEN, {(name,): room.taken for name, room in snapshot.rooms.items()})
    yield _gauge(told.SETTLE_BACKLOG, {(): snapshot.backlog})
    yield _gauge(told.ABANDONED, {(): snapshot.abandoned})
    yield _gauge(told.POOL_MAX, {(name,): pool.max for name, pool in snapshot.pools.items()})
    pools = {(name, "idle"): pool.idle for name, pool in snapshot.pools.items()}
    pools |= {(name, "busy"): pool.open - pool.idle for name, pool in snapshot.pools.items()}
    yield _gauge(told.POOL, pools)


def _of_tally(snapshot: Snapshot) -> Iterator[Family]:
    tally, types, queues = snapshot.tally, snapshot.job_types, snapshot.queues
    attempts: Counter[tuple[str, ...]] = Counter()
    for (name, outcome), count in tally.attempts.items():
        attempts[_known(name, types), outcome] += count
    yield _counter(told.ATTEMPTS, attempts)
    yield _histogram(told.ATTEMPT_SECONDS, _merged(tally.attempt_seconds, types))
    yield _histogram(told.WAIT_SECONDS, _merged(tally.wait_seconds, queues))
    yield _histogram(told.LAG_SECONDS, {(): [tally.lag_seconds]})
    yield _counter(told.LIMIT_WAITS, tally.limit_waits)
    yield _histogram(told.LIMIT_WAIT_SECONDS, {(): [tally.limit_wait_seconds]})
    yield _histogram(told.HANDLER_SECONDS, _merged(tally.handler_seconds, tally.handler_seconds))
    yield _counter(told.HANDLER_ERRORS, {(name,): count for name, count in tally.handler_errors.items()})
    requests = {(method, route, str(status)): count for (method, route, status), count in tally.requests.items()}
    yield _counter(told.REQUESTS, requests)
    yield _histogram(told.REQUEST_SECONDS, _merged(tally.request_seconds, tally.request_seconds))
    yield _gauge(told.STREAMS, {(): snapshot.streams})


def _of_fleet(snapshot: Snapshot, figures: Figures) -> Iterator[Family]:
    fleet, types, queues = figures.fleet, snapshot.job_types, snapshot.queues
    yield _gauge(told.FIGURES_AGE, {(): figures.age_seconds})
    yield _counter(told.ENQUEUED, _summed(((name,), count) for name, count in _named(figures.enqueued, types)))
    yield _counter(told.EMITTED, {(name,): count for name, count in figures.emitted.items()})
    waiting = [(_known(one.queue, queues), one) for one in fleet.waiting]
    running = [(_known(one.queue, queues), one) for one in fleet.running]
    jobs = [((name, "due"), one.due) for name, one in waiting]
    jobs += [((name, "scheduled"), one.scheduled) for name, one in waiting]
    jobs += [((name, "held"), one.held) for name, one in waiting]
    jobs += [((name, "running"), one.jobs) for name, one in running]
    states = ("due", "scheduled", "held", "running")
    yield _gauge(told.JOBS, {(name, state): 0 for name in queues for state in states} | _summed(jobs))
    none = {(name,): 0.0 for name in queues}
    yield _gauge(told.OLDEST_DUE, none | _most(((name,), one.due_seconds) for name, one in waiting))
    yield _gauge(told.OLDEST_LEASE, none | _most(((name,), one.oldest_seconds) for name, one in running))
    yield _gauge(told.UNSERVED, none | _most(((name,), one.due > 0 and not one.is_served) for name, one in waiting))
    yield _gauge(told.RETRYING, _summed(((name,), count) for name, count in _named(fleet.retrying, types)))
    yield _gauge(told.DEAD, _summed(((_known(one.type, types), one.status), one.jobs) for one in fleet.trouble))
    daemons = fleet.daemons
    states_of = {("alive",): daemons.alive, ("draining",): daemons.draining, ("lost",): len(daemons.lost)}
    yield _gauge(told.DAEMONS, states_of)
    yield _gauge(told.BEAT_AGE, {(): daemons.beat_seconds})
    yield from _of_schedules_and_others(snapshot, figures)


def _of_schedules_and_others(snapshot: Snapshot, figures: Figures) -> Iterator[Family]:
    fleet, plans = figures.fleet, figures.fleet.schedules
    by_state = {("ok",): plans.ok, ("late",): plans.late, ("paused",): plans.paused, ("broken",): plans.broken}
    yield _gauge(told.SCHEDULES, by_state)
    yield _gauge(told.SCHEDULE_LATE, {(): plans.late_seconds})
    connected = [(_known(one.provider, snapshot.providers), one) for one in fleet.connections]
    active = [(name, one) for name, one in connected if one.state == "active"]
    yield _gauge(told.CONNECTIONS, _summed(((name, one.state), one.connections) for name, one in connected))
    yield _gauge(told.STALE, _summed(((name,), one.stale) for name, one in active))
    yield _gauge(told.SYNC_AGE, _most(((name,), one.sync_seconds) for name, one in active))
    yield _gauge(told.GATES, {(): fleet.gates})
    yield _gauge(told.QUARANTINED, {(): len(fleet.quarantined)})
    yield _gauge(told.UNKNOWN_EFFECTS, {(): fleet.unknown_effects})


def _known(name: str, names: Container[str]) -> str:
    return name if name in names else OTHER


def _named(counts: Mapping[str, int], names: Container[str]) -> Iterator[tuple[str, int]]:
    return ((_known(name, names), count) for name, count in counts.items())


def _summed(values: Iterable[tuple[tuple[str, ...], float]]) -> dict[tuple[str, ...], float]:
    result: dict[tuple[str, ...], float] = {}
    for labels, value in values:
        result[labels] = result.get(labels, 0) + value
    return result


def _most(values: Iterable[tuple[tuple[str, ...], float]]) -> dict[tuple[str, ...], float]:
    result: dict[tuple[str, ...], float] = {}
    for labels, value in values:
        result[labels] = max(result.get(labels, 0), value)
    return result


def _merged(histograms: Mapping[str, Histogram], names: Container[str]) -> dict[tuple[str, ...], list[Histogram]]:
    result: dict[tuple[str, ...], list[Histogram]] = {}
    for name, histogram in list(histograms.items()):
        result.setdefault((_known(name, names),), []).append(histogram)
    return result


def _gauge(metric: Metric, values: Mapping[Any, float]) -> Family:
    family = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, float(value))
    return family


def _counter(metric: Metric, values: Mapping[Any, float]) -> Family:
    family = CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for labels, value in sorted(values.items()):
        family.add_metric(labels, float(value))
    return family


def _histogram(metric: Metric, values: Mapping[tuple[str, ...], list[Histogram]]) -> Family:
    """Each of the values' histograms as one; all have the same bounds."""
    family = HistogramMetricFamily(metric.name, metric.meaning, labels=metric.labels)
    for labels, several in sorted(values.items()):
        counts = [sum(counts) for counts in zip(*(one.counts for one in several), strict=True)]
        bounds = [*map(floatToGoString, several[0].bounds), "+Inf"]
        buckets = [(bound, float(sum(counts[: place + 1]))) for place, bound in enumerate(bounds)]
        family.add_metric(labels, buckets, sum(one.total for one in several))
    return family
