"""Job types that do what a careless plugin does: each must cost its own job at the most, never the daemon."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import crmd


class WordlessError(RuntimeError):
    """An error whose own words fail."""

    def __str__(self) -> str:
        raise ValueError("no words")


@crmd.job("exits", max_attempts=1)
async def exits(ctx: crmd.Context) -> None:
    """Calls sys.exit."""
    sys.exit(3)


@crmd.job("cancels-itself", max_attempts=1)
async def cancels_itself(ctx: crmd.Context) -> None:
    """Raises the error that only the loop should."""
    raise asyncio.CancelledError


@crmd.job("groups-exit", max_attempts=1)
async def groups_exit(ctx: crmd.Context) -> None:
    """Raises a group that no `except Exception` catches."""
    raise BaseExceptionGroup("together", [SystemExit(3)])


@crmd.job("wordless", max_attempts=1)
async def wordless(ctx: crmd.Context) -> None:
    """Raises an error that cannot be told."""
    raise WordlessError


@crmd.job("snoozes-nonsense", max_attempts=1)
async def snoozes_nonsense(ctx: crmd.Context) -> crmd.Snooze:
    """Orders a nap of no length."""
    return crmd.Snooze(cast("Any", "soon"))


@crmd.job("snoozes-for-ever", max_attempts=1)
async def snoozes_for_ever(ctx: crmd.Context) -> crmd.Snooze:
    """Orders a nap beyond all calendars."""
    return crmd.Snooze(1e300)


@crmd.job("snoozes-nan", max_attempts=1)
async def snoozes_nan(ctx: crmd.Context) -> crmd.Snooze:
    """Orders a nap that is not a number."""
    return crmd.Snooze(float("nan"))


@crmd.job("deep-result", max_attempts=1)
async def deep_result(ctx: crmd.Context) -> object:
    """Answers what no stack can walk."""
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    return value


@crmd.job("stops-loudly", max_attempts=5)
async def stops_loudly(ctx: crmd.Context) -> None:
    """Raises while it is being stopped."""
    try:
        await asyncio.sleep(60)
    finally:
        raise RuntimeError("noise of the clean-up")


@crmd.job("sleeps-on")
async def sleeps_on(ctx: crmd.Context) -> None:
    """Runs until it is stopped."""
    await asyncio.sleep(60)


@crmd.job("forgets-its-place")
async def forgets_its_place(ctx: crmd.Context) -> list[str]:
    """Goes on after an engine's call of its transaction has failed, and looks who it is."""
    roles = []
    async with ctx.transaction() as tx:
        for attempt in (tx.checkpoint(object()), tx.emit("sample.told", cast("Any", object()))):
            try:
                await attempt
            except Exception:  # noqa: BLE001 - what a careless plugin does, and what the test is about
                roles.append(await tx.fetchval(crmd.load_queries("hostile_plugin").role))
    return roles
