"""What one scrape is made of: the daemon as it stands, what it has counted, and the figures of the fleet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.engine.engine import Engine
    from crmd.engine.services import Services
    from crmd.store.figures import Figures
    from crmd.store.pools import Pool
    from crmd.tally import Tally


@dataclass(frozen=True, slots=True)
class PoolState:
    """Connections of one pool."""

    max: int
    open: int
    idle: int


@dataclass(frozen=True, slots=True)
class Room:
    """Slots of one queue."""

    slots: int
    taken: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One moment.

    Attributes:
        version: Of the daemon.
        is_ready: Whether it takes jobs.
        rooms: By queue.
        backlog: Outcomes that are not committed.
        abandoned: Handlers that were given up and still run.
        pools: By name.
        streams: Live streams that are open.
        tally: What the daemon has counted.
        figures: Of the fleet; None: never gathered yet.
        job_types: The names that the label `type` may have.
        queues: The names that the label `queue` may have.
        providers: The names that the label `provider` may have.
    """

    version: str
    is_ready: bool
    rooms: Mapping[str, Room]
    backlog: int
    abandoned: int
    pools: Mapping[str, PoolState]
    streams: int
    tally: Tally
    figures: Figures | None
    job_types: frozenset[str]
    queues: frozenset[str]
    providers: frozenset[str]


def taken(
    engine: Engine, services: Services, api: Pool, figures: Figures | None, *, streams: int, version: str
) -> Snapshot:
    """The daemon as it stands; one that has not begun yet has no rooms."""
    executor = getattr(engine, "executor", None)
    queues = {} if executor is None else executor.queues
    of = services.pools
    pools = {"work": of.work, "control": of.control, "plugins": of.plugins, "api": api}
    return Snapshot(
        version=version,
        is_ready=executor is not None and engine.may_claim,
        rooms={name: Room(queue.slots, queue.taken) for name, queue in queues.items()},
        backlog=0 if executor is None else engine.settler.backlog,
        abandoned=0 if executor is None else len(executor.abandoned.runs),
        pools={
            name: PoolState(pool.get_max_size(), pool.get_size(), pool.get_idle_size()) for name, pool in pools.items()
        },
        streams=streams,
        tally=services.tally,
        figures=figures,
        job_types=frozenset(one.name for one in services.job_types.values()),
        queues=frozenset(queues),
        providers=frozenset(services.connections.providers),
    )
