"""The job type that delivers webhooks: one that crmd itself declares, so that messages are jobs like all others."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from crmd.backoff import Backoff
from crmd.errors import NotKnownHere
from crmd.job_type import job
from crmd.model import Concurrency, Payload

if TYPE_CHECKING:
    from crmd.context import Context

OWNER = "crmd"
NAME = "deliver-webhook"
TRIES = 10
IN_FLIGHT_MAX = 4


class Delivering(Payload, frozen=True):
    """Which message goes to which webhook."""

    delivery_id: UUID
    webhook_id: UUID


@job(
    NAME,
    queue="fast",
    max_attempts=TRIES,
    timeout_seconds=60.0,
    concurrency=Concurrency(max=IN_FLIGHT_MAX, per="webhookId"),
    # `crmd.webhooks.trying` decides how long a message waits for its next try, never less than this.
    backoff=Backoff(first_seconds=5.0, factor=4.0, cap_seconds=6 * 3600.0, jitter=0.0),
)
async def declared(ctx: Context, payload: Delivering) -> None:
    """Tells another system of an event, by a signed POST to its webhook."""
    raise NotKnownHere(NAME, f"attempt {ctx.job.attempt} of {payload.delivery_id} came to a process that sends none")


DELIVER_WEBHOOK = declared.owned_by(OWNER)
"""As it is declared to the database. A daemon puts its sender in the handler's place."""
