"""Carries out the plan: does each fault at its time, ends it, and notes what it did."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import asyncpg

from crmd.chaos.history import Struck
from crmd.chaos.plan import ALL_KINDS
from crmd.store.pools import UNREACHABLE
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from crmd.chaos.fleet import Fleet, Place
    from crmd.chaos.link import Link
    from crmd.chaos.plan import Fault, Kind
    from crmd.chaos.scratch import Scratch

_SQL = load_queries("crmd.chaos")
SHORT_SECONDS = 3.0


@dataclass(slots=True)
class Nemesis:
    """What is done to a fleet.

    Args:
        scratch: Its database.
        fleet: The daemons.
        door: The link of whoever enqueues; it is hit as the one behind the last daemon's.
        poison: Enqueues a job that ends its process; with a segfault, or not.

    Attributes:
        struck: What was done so far.
        skipped: Faults that found nobody to hit.
    """

    scratch: Scratch
    fleet: Fleet
    door: Link
    poison: Callable[[bool], Awaitable[None]]
    struck: list[Struck] = field(default_factory=list)
    skipped: int = 0

    async def carry_out(self, plan: Sequence[Fault], on_fault: Callable[[Fault], None]) -> None:
        """Do everything that is planned; ends when the last fault has."""
        begun = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for fault in plan:
                await anyio.sleep(max(begun + fault.at_seconds - time.monotonic(), 0.0))
                on_fault(fault)
                tasks.start_soon(self._strike, fault)

    async def heal(self) -> None:
        """Whatever was left half done is put right."""
        with anyio.CancelScope(shield=True):
            for link in (self.door, *(place.link for place in self.fleet.places)):
                link.heal()
            for place in self.fleet.places:
                place.send(signal.SIGCONT)
            await self.scratch.resume()
            await self._ask(_SQL.clock_shift, 0.0)

    async def _strike(self, fault: Fault) -> None:
        is_door = fault.target == len(self.fleet.places)
        place = self.fleet.places[0 if is_door else fault.target]
        pid, began_at = None if is_door else place.pid, time.time()
        links = self._links()
        if fault.kind in links:
            await links[fault.kind](fault, self.door if is_door else place.link)
        elif not await self._moves()[fault.kind](fault, place):
            self.skipped += 1
            return
        target = -1 if fault.kind in ALL_KINDS else fault.target
        self.struck.append(Struck(fault.kind, target, pid, began_at, time.time()))

    def _moves(self) -> Mapping[Kind, Callable[[Fault, Place], Awaitable[bool]]]:
        return {
            "poison": self._poison,
            "kill": self._kill,
            "suspend": self._suspend,
            "stop": self._stop,
            "terminate": self._terminate,
            "clock": self._clock,
            "freeze": self._freeze,
            "database-stop": self._halt,
            "database-crash": self._halt,
        }

    def _links(self) -> Mapping[Kind, Callable[[Fault, Link], Awaitable[None]]]:
        return {"cut": _cut, "cut-after": _cut_after, "blackhole": _blackhole, "slow": _slow}

    async def _poison(self, fault: Fault, _: Place) -> bool:
        await self.poison(fault.amount % 2 == 1)
        return True

    async def _kill(self, _: Fault, place: Place) -> bool:
        return place.end(signal.SIGKILL, "kill")

    async def _stop(self, _: Fault, place: Place) -> bool:
        return place.end(signal.SIGTERM, place.cause or "stop")

    async def _suspend(self, fault: Fault, place: Place) -> bool:
        if place.is_stopped or not place.send(signal.SIGSTOP):
            return False
        place.is_stopped = True
        pid = place.pid
        try:
            await anyio.sleep(fault.seconds)
        finally:
            place.is_stopped = False
            if place.pid == pid:  # else it was killed meanwhile
                place.send(signal.SIGCONT)
        return True

    async def _terminate(self, fault: Fault, _: Place) -> bool:
        return bool(await self._ask(_SQL.sessions_end, fault.amount))

    async def _clock(self, fault: Fault, _: Place) -> bool:
        if await self._ask(_SQL.clock_shift, fault.amount / 1000) is None:
            return False
        try:
            await anyio.sleep(fault.seconds)
        finally:
            with anyio.CancelScope(shield=True):
                while await self._ask(_SQL.clock_shift, 0.0) is None:  # noqa: ASYNC110 - until the database answers
                    await anyio.sleep(0.1)
        return True

    async def _freeze(self, fault: Fault, _: Place) -> bool:
        pids = await self._ask_many(_SQL.backends, "crmd %")
        if not pids:
            return False
        pid = random.Random(fault.amount).choice(sorted(pids))  # noqa: S311 - a plan, not a secret
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            try:
                await anyio.sleep(fault.seconds)
            finally:
                os.kill(pid, signal.SIGCONT)
        return True

    async def _halt(self, fault: Fault, _: Place) -> bool:
        await self.scratch.halt(is_crash=fault.kind == "database-crash")
        try:
            await anyio.sleep(fault.seconds)
        finally:
            with anyio.CancelScope(shield=True):
                await self.scratch.resume()
        return True

    async def _ask(self, statement: str, argument: object) -> object:
        """What the database answers; None when it does not."""
        rows = await self._rows(statement, argument)
        return next((row[0] if row[0] is not None else True for row in rows), None)

    async def _ask_many(self, statement: str, argument: object) -> list[int]:
        return [row[0] for row in await self._rows(statement, argument)]

    async def _rows(self, statement: str, argument: object) -> list[asyncpg.Record]:
        try:
            connection = await asyncpg.connect(self.scratch.dsn, timeout=SHORT_SECONDS, command_timeout=SHORT_SECONDS)
            try:
                return await connection.fetch(statement, argument)
            finally:
                await connection.close(timeout=SHORT_SECONDS)
        except (*UNREACHABLE, asyncpg.PostgresError):
            return []


async def _cut(_: Fault, link: Link) -> None:
    link.cut()


async def _cut_after(fault: Fault, link: Link) -> None:
    link.cut_after = fault.amount


async def _blackhole(fault: Fault, link: Link) -> None:
    link.is_silent = True
    try:
        await anyio.sleep(fault.seconds)
    finally:
        link.speak()
        if fault.amount % 2:
            link.cut()


async def _slow(fault: Fault, link: Link) -> None:
    link.delay_seconds = fault.amount / 1000
    try:
        await anyio.sleep(fault.seconds)
    finally:
        link.delay_seconds = 0.0
