"""Jobs for the tests of the test kit."""

from __future__ import annotations

import anyio
import msgspec

import crmd


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [plugins.kit_jobs]."""

    greeting: str = "Hello"
    times: int = 1


class Greet(crmd.Payload, frozen=True):
    """Whom to greet."""

    who: str
    mood: dict[str, str] = msgspec.field(default_factory=dict)


@crmd.job("kit-greet", queue="fast", aliases=("kit-hello",), max_attempts=3)
async def greet(ctx: crmd.Context, payload: Greet) -> str:
    """Greets, and tells of it."""
    await ctx.emit("kit.greeted", {"who": payload.who, "mood": {"is": "good", "was": "bad"}})
    return f"{ctx.settings.greeting}, {payload.who}"


@crmd.job("kit-chain", queue="fast")
async def chain(ctx: crmd.Context) -> None:
    """Has somebody greeted later."""
    await ctx.enqueue("kit-greet", {"who": "Ada", "mood": {"a": "b", "c": "d"}})


@crmd.job("kit-fail", queue="fast", max_attempts=3, backoff=crmd.Backoff(first_seconds=60, factor=10))
async def fail(ctx: crmd.Context) -> None:
    """Fails until the third attempt."""
    if ctx.job.attempt < 3:
        raise RuntimeError("not yet")


@crmd.job("kit-quarterly", queue="fast", schedule="*/15 * * * *")
async def quarterly(ctx: crmd.Context) -> str:
    """Runs each quarter of an hour."""
    return str(ctx.job.meta["dueAt"])


@crmd.job("kit-two-writes", queue="fast")
async def two_writes(ctx: crmd.Context) -> None:
    """Tells of two things, the second after the first: a crash between the two doubles the first."""
    await ctx.emit("kit.first", {"n": 1})
    await ctx.emit("kit.second", {"n": 2})


@crmd.job("kit-one-write", queue="fast")
async def one_write(ctx: crmd.Context) -> None:
    """The same with a checkpoint in the transaction."""
    if ctx.restored(str) == "told":
        return
    async with ctx.transaction() as tx:
        await tx.emit("kit.first", {"n": 1})
        await tx.emit("kit.second", {"n": 2})
        await tx.checkpoint("told")


@crmd.job("kit-cleans-up", queue="fast")
async def cleans_up(ctx: crmd.Context) -> None:
    """Has two tasks, each of which would tell of its end even when it is stopped."""

    async def begin() -> None:
        try:
            await ctx.emit("kit.begun", {})
        finally:
            CLEANED.append("child")

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(begin)
            await ctx.checkpoint("begun")
            await anyio.sleep(0.2)
    finally:
        CLEANED.append("parent")


@crmd.job("kit-ask", queue="fast", max_attempts=1)
async def ask(ctx: crmd.Context) -> str:
    """Asks a host of the outside."""
    response = await ctx.http.request("POST", "https://api.example.com/people", json={"email": "ada@engine.example"})
    return f"{response.status} {response.json()['next']}"


@crmd.job("kit-sleep", queue="fast")
async def sleep(ctx: crmd.Context) -> str:
    """Sleeps for three days without a slot."""
    await ctx.sleep(3 * 86400)
    return "awake"


CLEANED: list[str] = []


def crmd_settings() -> type[Settings]:
    """The settings."""
    return Settings
