"""One seed, one world: daemons, jobs, callers, and what befalls them; when all has healed, every promise must hold."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from reference_rows import New
from sim_daemon import Daemon
from sim_handler import Plan
from sim_store import BrokenPromiseError, Guards, WatchedStore
from sim_world import Call, Host, Lost, World

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from sim_world import Process

TROUBLE_SECONDS = 10.0
PATIENCE_SECONDS = 400.0
FAULTS = ("crash", "cut", "pause", "outage", "slowness", "clock")


class Clocked(WatchedStore):
    """A store whose clock is the world's, and may be turned."""

    def __init__(self, world: World, guards: Guards) -> None:
        super().__init__(guards)
        self._world = world
        self.turned_seconds = 0.0

    @property
    def clock(self) -> float:
        """Now, as the database has it."""
        return self._world.now + self.turned_seconds

    @clock.setter
    def clock(self, _: float) -> None:
        """Time cannot be set in a world."""


def simulate(seed: int, guards: Guards | None = None, faults: Sequence[str] = FAULTS) -> str:
    """Play one seed; answers the promise that was broken, "": none.

    Args:
        seed: Decides everything, also which of the faults come.
        guards: What holds; None: everything.
        faults: What may come.
    """
    world = World(seed)
    chance = world.chance
    kinds = [kind for kind in faults if chance.random() < 0.5]
    store = Clocked(world, guards or Guards())
    plans = [_plan(chance) for _ in range(chance.randint(3, 8))]
    is_strict = not {"pause", "clock"} & set(kinds)
    daemons = [
        Daemon(world, store, guards or Guards(), plans, is_strict=is_strict) for _ in range(chance.randint(2, 3))
    ]
    world.loss = chance.choice((0.0, 0.03, 0.15))
    world.delay_seconds = chance.choice((0.002, 0.02, 0.3))
    for daemon in daemons:
        world.at(chance.random(), daemon.boot)
    for number in range(len(plans)):
        world.start(Host(), _caller(world, store, number))
    for _ in range(chance.randint(1, 8) if kinds else 0):
        at, daemon, kind = chance.random() * TROUBLE_SECONDS, chance.choice(daemons), chance.choice(kinds)
        world.at(at, _befall, world, store, daemon, kind)
    world.at(TROUBLE_SECONDS, _heal, world)
    try:
        world.run(
            PATIENCE_SECONDS, lambda: len(store.enqueued) >= len(plans) and not store.waiting and not store.leases
        )
        store.check_end()
    except BrokenPromiseError as broken:
        return f"{broken} at {world.now:.3f} s"
    return ""


def _plan(chance: Random) -> Plan:
    return Plan(
        slices=chance.choice((1, 1, 3, 12)),
        slice_seconds=chance.choice((0.2, 0.5, 1.3)),
        fails=chance.choice((0, 0, 0, 1, 2)),
        snoozes=chance.choice((0, 0, 1)),
        is_sending=chance.random() < 0.5,
        is_lethal=chance.random() < 0.04,
    )


def _caller(world: World, store: WatchedStore, number: int) -> Process:
    """Enqueues one job, again and again until it is answered; some think better of it."""
    chance = world.chance
    yield chance.random() * TROUBLE_SECONDS / 2
    new = New({"n": number}, chance.choice((None, 0.0, 2.0)), chance.choice((None, "high", "low")), 5)
    name = f"job {number}"
    while True:
        try:
            yield Call(partial(store.receive, UUID(int=chance.getrandbits(64)), name, new), 1.0)
            break
        except Lost:
            yield chance.random()
    if chance.random() < 0.5:
        yield chance.random() * TROUBLE_SECONDS
        try:
            yield Call(partial(store.ask_to_stop, store.enqueued[name]))
        except Lost:
            return


def _befall(world: World, store: Clocked, daemon: Daemon, kind: str) -> None:
    """Something happens to a daemon, to the network, or to the database."""
    chance = world.chance
    match kind:
        case "crash":
            store.lives_cut_short += 1
            daemon.die()
        case "pause":
            daemon.stands_still_until = world.now + chance.random() * 15
        case "cut":
            daemon.cut_off_until = world.now + 3 + chance.random() * 10
        case "outage":
            world.database_down_until = world.now + chance.random() * 10
        case "slowness":
            world.delay_seconds, world.loss = 1.0, 0.2
        case _:
            store.turned_seconds += chance.uniform(-10, 10)


def _heal(world: World) -> None:
    world.loss, world.delay_seconds = 0.0, 0.002
