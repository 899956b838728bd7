"""The job types that the examples of docs/api.md make."""

from __future__ import annotations

import crmd


class Contacts(crmd.Payload, frozen=True):
    """Which contacts."""

    contact_ids: tuple[str, ...] = ()


@crmd.job("import-contacts")
async def import_contacts(ctx: crmd.Context, payload: Contacts) -> int:
    """Answers how many there were."""
    return len(payload.contact_ids)
