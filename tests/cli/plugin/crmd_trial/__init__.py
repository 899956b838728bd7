"""A plugin for tests of the command line: jobs that succeed, fail, wait and have children; a provider; a command."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from uuid import UUID

import anyio

import crmd
from crmd import Backoff, Concurrency, Context, Payload, Provider, hookimpl, job

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable


class Count(Payload, frozen=True):
    """How many."""

    count: int = 3


class OfConnection(Payload, frozen=True):
    """Whose."""

    connection_id: UUID


@job("trial-greet", aliases=("trial-hello",), queue="fast", schedule="0 6 * * *")
async def greet(ctx: Context, request: Count) -> dict[str, int]:
    """Says hello so many times."""
    for done in range(request.count):
        ctx.progress(done + 1, request.count, "greeting")
        ctx.succeeded(done)
    return {"greeted": request.count}


@job("trial-fail", max_attempts=1)
async def fail(_: Context) -> None:
    """Fails for good."""
    raise ValueError("the dog ate it")


@job("trial-picky", max_attempts=1)
async def picky(_: Context, request: Count) -> None:
    """Fails whatever it is given."""
    raise ValueError(f"{request.count} is not to its liking")


@job("trial-secret", is_payload_sealed=True)
async def secret(_: Context, request: Count) -> None:
    """Has a payload that is nobody's business."""
    del request


@job("trial-stepwise", max_attempts=1)
async def stepwise(ctx: Context, request: Count) -> int:
    """Does a step, gathers what its children greet, naps, and fails on its way to a third item."""
    await ctx.step("first", int, "1")
    greeted = await ctx.gather([("trial-greet", Count(count=one)) for one in range(request.count)])
    await ctx.sleep(0.01)
    async for item in ctx.remaining(range(3)):
        ctx.failed(item, "odd") if item == 1 else ctx.succeeded(item)
    if ctx.job.meta.get("retriedFrom") is None:
        raise ValueError("not this time")
    return len(greeted)


@job("trial-talk")
async def talk(ctx: Context) -> None:
    """Logs a line, and one that it should not have."""
    ctx.log.info("talking")
    ctx.log.warning("password=hunter2hunter2")


@job("trial-flaky", max_attempts=3, backoff=Backoff(first_seconds=0.1))
async def flaky(ctx: Context) -> str:
    """Fails once."""
    if ctx.job.attempt == 1:
        raise crmd.RetryJob("not yet")
    return "at last"


@job("trial-family")
async def family(ctx: Context, request: Count) -> None:
    """Has children."""
    await ctx.enqueue_many("trial-child", [{"count": number} for number in range(request.count)], is_child=True)


@job("trial-child")
async def child(_: Context, request: Count) -> dict[str, int]:
    """Is one."""
    return {"sum": request.count}


@job("trial-single", concurrency=Concurrency(max=1))
async def single(_: Context) -> str:
    """Runs alone."""
    return "done"


@job("trial-endless", timeout_seconds=600)
async def endless(ctx: Context) -> None:
    """Runs until it is stopped."""
    ctx.progress(1, 2, "waiting")
    await anyio.sleep_forever()


@job("trial-throttled", max_attempts=1)
async def trial_throttled(ctx: Context) -> None:
    """Is told to wait a while by whoever is behind the limit."""
    gate = await ctx.limit("trial")
    await gate.close(3600, "429")


@job("trial-send", max_attempts=2)
async def trial_send(ctx: Context) -> object:
    """Sends something, and the line is cut."""

    async def send(_: crmd.Effect) -> None:
        raise OSError("cut")

    return await ctx.effect("mail", key="ann@example.com", send=send)


@job("trial-connected", connection="connectionId")
async def connected(ctx: Context, request: OfConnection) -> dict[str, object]:
    """Asks the provider who it is."""
    client = await ctx.connection(request.connection_id)
    response = await client.probe()
    return {"account": client.account, "status": None if response is None else response.status}


@hookimpl
def crmd_providers() -> Iterable[Provider]:
    """A provider that answers nowhere until its addresses are given."""
    nowhere = "http://127.0.0.1:9"
    return [
        Provider(
            name="trial",
            token_url=f"{nowhere}/token",
            api_url=nowhere,
            scopes=("https://mail.google.com/",),
            extra_authorize_params={"access_type": "offline", "prompt": "consent"},
            probe_path="/gmail/v1/users/me/profile",
        )
    ]


@hookimpl
def crmd_commands(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """A command of its own."""
    parser = subparsers.add_parser("trial-say", help="Say something.")
    parser.add_argument("word")
    parser.set_defaults(run=_say)


def _say(arguments: argparse.Namespace) -> int:
    sys.stdout.write(f"{arguments.word}\n")
    return 7
