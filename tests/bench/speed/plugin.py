"""The plugin that is measured, with job types as a user writes them: typed payloads, no options without need."""

from __future__ import annotations

import os
import time

import anyio

import crmd

LEDGER_VARIABLE = "BENCH_LEDGER"
LINE = "{number:>12} {pid:>8} {at:>20.6f}\n"
"""A start of a job in the ledger. All lines are of one length, so that counting them costs nothing."""

LINE_BYTES = len(LINE.format(number=0, pid=0, at=0.0))


class Number(crmd.Payload, frozen=True):
    """What a job carries."""

    number: int


class Soaked(crmd.Payload, frozen=True):
    """A job of the soak and what it is to do."""

    number: int
    does: str = "nothing"


def note_start(number: int) -> None:
    """One line into the ledger, which is outside the database: whatever becomes of the daemon, it says what began."""
    line = LINE.format(number=number, pid=os.getpid(), at=time.monotonic())
    os.write(_ledger(), line.encode())


_opened: list[int] = []


def _ledger() -> int:
    if not _opened:
        _opened.append(os.open(os.environ[LEDGER_VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))
    return _opened[0]


@crmd.job("no-op", queue="fast")
async def no_op(ctx: crmd.Context, payload: Number) -> None:
    """Does nothing."""


@crmd.job("no-op-keyed", queue="fast", concurrency=crmd.Concurrency(max=5, per="workspace"))
async def no_op_keyed(ctx: crmd.Context, payload: Number) -> None:
    """Does nothing; five of a workspace at a time."""


@crmd.job("tell-start", queue="fast")
async def tell_start(ctx: crmd.Context, payload: Number) -> dict[str, float]:
    """Answers when it began, by the clock that all processes of a machine share."""
    return {"at": time.monotonic()}


@crmd.job("work", queue="fast")
async def work(ctx: crmd.Context, payload: Number) -> None:
    """A millisecond of asynchronous work."""
    note_start(payload.number)
    await anyio.sleep(0.001)


@crmd.job("soak", queue="fast", backoff=crmd.Backoff(first_seconds=1.0, cap_seconds=2.0))
async def soak(ctx: crmd.Context, payload: Soaked) -> crmd.Snooze | None:
    """Does what its payload says, once."""
    match payload.does:
        case "retry" if ctx.job.attempt == 1:
            raise ConnectionError("the first attempt fails")
        case "snooze" if ctx.job.snooze_count == 0:
            return crmd.Snooze(1.0)
        case "progress":
            for done in range(5):
                ctx.progress(done, 5)
                await anyio.sleep(0.1)
        case "wait":
            await anyio.sleep(60.0)
        case _:
            pass
    return None


@crmd.job("soak-tick", queue="fast")
async def soak_tick(ctx: crmd.Context) -> None:
    """Fires as the soak has it scheduled; by itself it would disturb what else is measured."""
