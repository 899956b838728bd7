"""Handlers and triggers that the tests of events load."""

from __future__ import annotations

from typing import Any

import msgspec

import crmd

told: list[tuple[str, object]] = []
"""What handlers were told, as (handler, what)."""


class Contact(msgspec.Struct, frozen=True, rename="camel"):
    """The data of contact.created."""

    contact_id: str
    score: int = 0


class Greeting(crmd.Payload, frozen=True):
    """Whom to greet."""

    contact_id: str = ""


@crmd.on_event("contact.created", queue="fast", max_attempts=2, backoff=crmd.Backoff(first_seconds=1, jitter=0))
async def greet(ctx: crmd.Context, event: crmd.Event[Contact]) -> str:
    """Greets a contact; one of them is poison."""
    told.append(("greet", event.data.contact_id))
    if event.data.contact_id == "poison":
        raise RuntimeError("cannot be greeted")
    await ctx.emit("greeting.sent", {"to": event.data.contact_id})
    return event.data.contact_id


@crmd.on_event("contact.*", name="count-contacts", when="$.score >= 10")
async def count_contacts(ctx: crmd.Context, event: crmd.Event[Any]) -> None:
    """Hears of good contacts alone."""
    told.append(("count", event.data))


@crmd.on_event("order.*", ordered=True, max_attempts=2, backoff=crmd.Backoff(first_seconds=10, jitter=0))
async def follow_orders(ctx: crmd.Context, event: crmd.Event[Any]) -> None:
    """Hears of the orders of each aggregate in turn."""
    told.append(("order", (event.aggregate_id, event.data["step"])))
    if event.data["step"] == "breaks":
        raise RuntimeError("this step breaks")


@crmd.on_event("contact.created", sync=True)
async def refuse(event: crmd.Event[Contact], tx: crmd.Transaction) -> None:
    """Refuses contacts without an id, after it has written something."""
    await tx.emit("contact.looked_at", {"contactId": event.data.contact_id})
    if not event.data.contact_id:
        raise crmd.Veto("a contact needs an id")


@crmd.job(
    "follow-up",
    queue="fast",
    on_events=(
        crmd.Trigger(
            event="greeting.sent", when={"to": ("ann", "bob")}, delay_seconds=60, dedup=("to",), priority="high"
        ),
    ),
)
async def follow_up(ctx: crmd.Context) -> None:
    """Starts once a greeting of Ann or Bob is a minute old."""


@crmd.job("greet-by-hand", queue="fast")
async def greet_by_hand(ctx: crmd.Context, payload: Greeting) -> None:
    """Is started by triggers that tests add."""


@crmd.job("tells", queue="fast")
async def tells(ctx: crmd.Context, payload: Greeting) -> str:
    """Emits contact.created outside a transaction of its own, and says what came of it."""
    try:
        await ctx.emit("contact.created", {"contactId": payload.contact_id}, aggregate_type="contact", aggregate_id="c")
    except crmd.Veto as veto:
        return f"vetoed: {veto}"
    return "told"


@crmd.job("tells-within", queue="fast")
async def tells_within(ctx: crmd.Context, payload: Greeting) -> str:
    """Emits in its transaction, goes on after a veto, and commits."""
    async with ctx.transaction() as tx:
        await tx.emit("tells.began", {})
        try:
            await tx.emit("contact.created", {"contactId": payload.contact_id})
        except crmd.Veto as veto:
            return f"vetoed: {veto}"
    return "told"


@crmd.on_event("job.dead", "job.failed")
async def mourn(ctx: crmd.Context, event: crmd.Event[Any]) -> None:
    """Hears of jobs that came to nothing, and comes to nothing itself."""
    told.append(("mourn", (event.type, event.data["type"])))
    raise crmd.FailJob("too sad")


@crmd.job("passes-on", queue="fast", on_events="chain.began")
async def passes_on(ctx: crmd.Context) -> None:
    """Starts a child, which emits."""
    await ctx.enqueue("passes-to", is_child=True)


@crmd.job("passes-to", queue="fast")
async def passes_to(ctx: crmd.Context) -> None:
    """Is started by another job."""
    await ctx.emit("chain.ended", {})
