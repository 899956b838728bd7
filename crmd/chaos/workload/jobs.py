"""Job types of the workload: each writes one row under its lease, and tells a ledger outside before and after."""

from __future__ import annotations

import asyncio

import anyio

import crmd
from crmd.chaos.workload.mark import note

SQL = crmd.load_queries("crmd.chaos.workload")
# What errors may hold: nothing of it may keep a failure from being stored.
HOSTILE = "\x00 \ud800 \u202e '; DROP SCHEMA crmd; -- \U0001f480"
ATTEMPTS = 1000
SOON = crmd.Backoff(first_seconds=0.1, factor=1.5, cap_seconds=1.0)
LIMIT = 3
CHILDREN = 3
RECEIVER_SECONDS = 2.0


class Task(crmd.Payload, frozen=True):
    """What one job is to do.

    Args:
        key: Names the job for the client.
        milliseconds: How long it takes.
        fails: How many attempts raise before one goes well.
        snoozes: How often it asks for more time first.
        account: What bounds it.
        text: Whatever somebody may have typed.
    """

    key: str
    milliseconds: int = 0
    fails: int = 0
    snoozes: int = 0
    account: str = ""
    text: str = ""


async def _write(tx: crmd.Transaction, ctx: crmd.Context, name: str) -> None:
    job = ctx.job
    await tx.execute(SQL.write, job.id, name, job.fence, job.claim_id, job.workspace_id)


async def _write_once(ctx: crmd.Context, name: str) -> None:
    """The row and the checkpoint commit together, so that a later attempt knows that the row is there."""
    if ctx.restored(str) == name:
        return
    note(ctx, ctx.settings.ledger, "try", name)
    async with ctx.transaction() as tx:
        await _write(tx, ctx, name)
        await tx.checkpoint(name)
    note(ctx, ctx.settings.ledger, "written", name)


async def _work(ctx: crmd.Context, payload: Task) -> crmd.Snooze | None:
    note(ctx, ctx.settings.ledger, "begin")
    if payload.snoozes > ctx.job.snooze_count:
        return crmd.Snooze(0.2)
    if payload.fails >= ctx.job.attempt:
        raise RuntimeError(HOSTILE)
    await anyio.sleep(payload.milliseconds / 1000)
    await _write_once(ctx, "work")
    note(ctx, ctx.settings.ledger, "end")
    return None


@crmd.job("chaos-work", max_attempts=ATTEMPTS, backoff=SOON)
async def work(ctx: crmd.Context, payload: Task) -> crmd.Snooze | None:
    """Takes its time and writes one row; may fail, or ask for more time, before that."""
    return await _work(ctx, payload)


@crmd.job("chaos-limited", max_attempts=ATTEMPTS, backoff=SOON, concurrency=crmd.Concurrency(max=LIMIT, per="account"))
async def limited(ctx: crmd.Context, payload: Task) -> crmd.Snooze | None:
    """A few at a time of each account."""
    return await _work(ctx, payload)


@crmd.job("chaos-single", max_attempts=ATTEMPTS, backoff=SOON, unique=crmd.Unique(fields=("account",)))
async def single(ctx: crmd.Context, payload: Task) -> crmd.Snooze | None:
    """One unfinished job of each account."""
    return await _work(ctx, payload)


@crmd.job("chaos-doomed", max_attempts=3, backoff=SOON)
async def doomed(ctx: crmd.Context, payload: Task) -> None:
    """Never goes well."""
    note(ctx, ctx.settings.ledger, "begin")
    raise RuntimeError(payload.text)


@crmd.job("chaos-tick", max_attempts=ATTEMPTS, backoff=SOON)
async def tick(ctx: crmd.Context, payload: Task) -> crmd.Snooze | None:
    """One slot of a schedule."""
    return await _work(ctx, payload)


@crmd.job("chaos-parent", max_attempts=ATTEMPTS, backoff=SOON)
async def parent(ctx: crmd.Context, payload: Task) -> None:
    """Makes its children in the transaction of its own row, and ends when they have."""
    note(ctx, ctx.settings.ledger, "begin")
    if ctx.restored(str) != "work":
        async with ctx.transaction() as tx:
            await _write(tx, ctx, "work")
            for number in range(CHILDREN):
                await tx.enqueue("chaos-work", Task(key=f"{payload.key}/{number}", milliseconds=5), is_child=True)
            await tx.checkpoint("work")
        note(ctx, ctx.settings.ledger, "written", "work")
    note(ctx, ctx.settings.ledger, "end")


@crmd.job("chaos-steps", max_attempts=ATTEMPTS, backoff=SOON)
async def steps(ctx: crmd.Context, payload: Task) -> None:  # noqa: ARG001 - the payload names it for the client
    """Two steps that write a row each, with a wait in between that frees the slot."""
    note(ctx, ctx.settings.ledger, "begin")

    async def write(tx: crmd.Transaction, name: str) -> str:
        await _write(tx, ctx, name)
        return name

    await ctx.step("first", write, "first", is_transaction=True)
    await ctx.sleep(1.2)
    await ctx.step("second", write, "second", is_transaction=True)
    note(ctx, ctx.settings.ledger, "end")


@crmd.job("chaos-send", max_attempts=ATTEMPTS, backoff=SOON, on_unknown_effect="probe")
async def send(ctx: crmd.Context, payload: Task) -> None:
    """Hands something over to a receiver outside, once."""
    note(ctx, ctx.settings.ledger, "begin")
    port = ctx.settings.receiver_port
    await ctx.effect(
        "chaos",
        key=payload.key,
        send=lambda effect: _ask(port, "take", effect),
        probe=lambda effect: _ask(port, "find", effect),
        quiet_seconds=ctx.settings.quiet_seconds,
    )
    await _write_once(ctx, "work")
    note(ctx, ctx.settings.ledger, "end")


async def _ask(port: int, word: str, effect: crmd.Effect) -> object:
    """One line to the receiver, one line back; a link that ends without an answer leaves the outcome unknown."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), RECEIVER_SECONDS)
    except OSError as error:
        raise crmd.NotAccepted("nobody there", after_seconds=0.2) from error
    try:
        writer.write(f"{word} {effect.key}\n".encode())
        answer = await asyncio.wait_for(reader.readline(), RECEIVER_SECONDS)
    finally:
        writer.close()
    if not answer:
        raise crmd.OutcomeUnknown("the link ended without an answer")
    found = answer.decode().strip()
    return None if found == "none" else {"receipt": found}
