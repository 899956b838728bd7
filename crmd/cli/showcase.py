"""Jobs to look at: `crmd demo --stay` shows the dashboard, live progress, failures and dead letters with them."""

from __future__ import annotations

from typing import Literal

import anyio

import crmd

CONTACTS = 92
PACE_SECONDS = 0.08
LONG_SECONDS = 3600
DEALS = 40
# Which of thirty contacts has no address, and after how many requests in a row the directory refuses one.
ROUND, BLOCKED, REFUSED = 30, 11, 24
# Hosts that take no mail, and what they say. A report that goes elsewhere is delivered.
REFUSALS = {
    "nowhere.invalid": "the mail server of nowhere.invalid cannot be found",
    "full.invalid": "full.invalid answers 452: the mailbox is full",
    "strict.invalid": "strict.invalid answers 550: reports are not welcome here",
}


class Contacts(crmd.Payload, frozen=True):
    """How many contacts there are, and how long one of them takes."""

    count: int = CONTACTS
    pace_seconds: float = PACE_SECONDS


class Delivery(crmd.Payload, frozen=True):
    """Where a report goes; some hosts refuse it, until somebody mends the address."""

    recipient: str
    report: str = "weekly"


class Deals(crmd.Payload, frozen=True):
    """A file of deals, and what becomes of lines that nobody can read."""

    file: str
    bad_lines: Literal["refuse", "skip"] = "refuse"


class Index(crmd.Payload, frozen=True):
    """What is to be indexed."""

    of: str = "messages"


@crmd.job("enrich-contacts", timeout_seconds=LONG_SECONDS)
async def enrich_contacts(ctx: crmd.Context, payload: Contacts) -> dict[str, int]:
    """Look up contacts, one after the other. Some are blocked; a few fail, and work when they are tried again."""
    turn = 0
    async for number in ctx.remaining(range(payload.count)):
        await anyio.sleep(payload.pace_seconds)
        turn += 1
        if number % ROUND == BLOCKED:
            ctx.blocked(number, "no address is known")
        elif turn % ROUND == REFUSED:
            ctx.failed(number, "the directory had enough for a moment")
        else:
            ctx.succeeded(number)
    return {"contacts": turn}


@crmd.job("deliver-report", max_attempts=2, backoff=crmd.Backoff(first_seconds=1.0, cap_seconds=1.0))
async def deliver_report(ctx: crmd.Context, payload: Delivery) -> None:
    """Send a report; to a host that takes none it dies after two attempts."""
    ctx.log.info("delivering the %s report", payload.report)
    refusal = REFUSALS.get(payload.recipient.rpartition("@")[2])
    if refusal is not None:
        raise ConnectionError(refusal)


@crmd.job("import-deals")
async def import_deals(ctx: crmd.Context, payload: Deals) -> dict[str, int]:
    """Read a file of deals; a line that cannot be read fails it, unless such lines are to be skipped."""
    ctx.log.info("reading %s", payload.file)
    async for line in ctx.remaining(range(1, DEALS + 1)):
        if line % 17:
            ctx.succeeded(line)
        elif payload.bad_lines == "refuse":
            raise crmd.FailJob(f'line {line} of {payload.file}: "twelve" is no amount (set badLines to "skip")')
        else:
            ctx.blocked(line, "the amount is no number")
    return {"deals": DEALS - DEALS // 17}


@crmd.job("rebuild-index", timeout_seconds=LONG_SECONDS)
async def rebuild_index(ctx: crmd.Context, payload: Index) -> None:
    """Take an hour, so that there is something to cancel."""
    for done in range(LONG_SECONDS):
        ctx.progress(done, LONG_SECONDS, f"reading {payload.of}")
        await anyio.sleep(1)
