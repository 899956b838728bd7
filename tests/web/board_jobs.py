"""A plugin with job types of a CRM, so that the dashboard has something to show. Their handlers do next to nothing."""

from __future__ import annotations

from uuid import UUID

import crmd

WORKSPACE = UUID("0198a5c0-4f1e-7c3a-9b2d-00000a34f5c7")
"""One of those that filled.sql fills."""


class Contacts(crmd.Payload, frozen=True):
    """Which contacts."""

    contact_ids: tuple[int, ...] = ()
    source: str = "website"


@crmd.job("sync-mailbox", queue="fast", schedule="*/10 * * * *")
async def sync_mailbox(ctx: crmd.Context) -> dict[str, int]:
    """Fetch what is new in a mailbox."""
    ctx.log.info("14 new messages, 3 changed, 1 gone")
    return {"new": 14, "changed": 3}


@crmd.job("enrich-contact", max_attempts=3, on_events="contact.created")
async def enrich_contact(ctx: crmd.Context, payload: Contacts) -> dict[str, int]:
    """Look contacts up at the sources that are configured."""
    for number in payload.contact_ids:
        ctx.succeeded(str(number))
    return {"enriched": len(payload.contact_ids)}


@crmd.job("score-leads", queue="slow", schedule="0 2 * * *")
async def score_leads(ctx: crmd.Context, payload: Contacts) -> None:
    """Score all leads of a workspace anew."""
    ctx.progress(len(payload.contact_ids), len(payload.contact_ids))


@crmd.job("send-campaign", priority="high", max_attempts=5)
async def send_campaign(ctx: crmd.Context, payload: Contacts) -> None:
    """Send the mails of a campaign that are due."""
    if payload.source == "nowhere":
        raise crmd.FailJob("the campaign has no sender")


@crmd.job("import-deals", queue="slow")
async def import_deals(ctx: crmd.Context, payload: Contacts) -> None:
    """Read a file of deals."""
    ctx.log.info("the file has no rows")


@crmd.job("weekly-report", queue="slow", schedule="0 7 * * 1")
async def weekly_report(ctx: crmd.Context) -> str:
    """Write the report of the week."""
    return "written"
