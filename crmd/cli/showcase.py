"""Jobs to look at: `crmd demo --stay` shows the dashboard, live progress and dead letters with them."""

from __future__ import annotations

import anyio

import crmd

CONTACTS = 92
PACE_SECONDS = 0.08
LONG_SECONDS = 3600


class Contacts(crmd.Payload, frozen=True):
    """How many contacts there are, and how long one of them takes."""

    count: int = CONTACTS
    pace_seconds: float = PACE_SECONDS


class Delivery(crmd.Payload, frozen=True):
    """Where a report goes; one to `example.invalid` is refused, until somebody mends the address."""

    recipient: str
    report: str = "weekly"


@crmd.job("enrich-contacts", timeout_seconds=LONG_SECONDS)
async def enrich_contacts(ctx: crmd.Context, payload: Contacts) -> dict[str, int]:
    """Look up contacts, one after the other; some are blocked, a few fail."""
    for number in range(payload.count):
        await anyio.sleep(payload.pace_seconds)
        match number % 30:
            case 11:
                ctx.blocked(number, "no address is known")
            case 23:
                ctx.failed(number, "the directory did not answer")
            case _:
                ctx.succeeded(number)
        ctx.progress(number + 1, payload.count, f"contact {number + 1}")
    return {"contacts": payload.count}


@crmd.job("deliver-report", max_attempts=2, backoff=crmd.Backoff(first_seconds=1.0, cap_seconds=1.0))
async def deliver_report(ctx: crmd.Context, payload: Delivery) -> None:
    """Send a report; mail to a host that does not exist dies after two attempts."""
    ctx.log.info("delivering the %s report", payload.report)
    if payload.recipient.endswith("example.invalid"):
        raise ConnectionError("the mail server of example.invalid cannot be found")


@crmd.job("rebuild-index", timeout_seconds=LONG_SECONDS)
async def rebuild_index(ctx: crmd.Context) -> None:
    """Take an hour, so that there is something to cancel."""
    for done in range(LONG_SECONDS):
        ctx.progress(done, LONG_SECONDS, "reading messages")
        await anyio.sleep(1)
