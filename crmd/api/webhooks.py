"""Webhooks of one workspace: made, changed, disabled and enabled, with secrets that are shown once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from crmd.allowed import EVENT_WISH
from crmd.api.problem import invalid, not_found
from crmd.api.reading import uuid_in
from crmd.api.route import Answer, Call, Nothing, Route, routed
from crmd.api.webhook_view import Webhook, webhook_of
from crmd.errors import UsageError
from crmd.store import events, webhooks

if TYPE_CHECKING:
    from uuid import UUID

ROOT = "/api/workspaces/{workspaceId}/webhooks"
ONE = ROOT + "/{webhookId}"
DAY_SECONDS = 86_400.0
WEEK_SECONDS = 7 * DAY_SECONDS
Address = Annotated[str, Meta(min_length=8, max_length=2000, description="https, on the public internet")]
EventType = Annotated[
    str,
    Meta(
        max_length=400,
        pattern=EVENT_WISH,
        description="`contact.created`, `contact.*` or `*`; the ends of jobs are `job.completed` and so on, or `job.*`",
    ),
]
EventTypes = Annotated[tuple[EventType, ...], Meta(min_length=1, max_length=50)]
Description = Annotated[str, Meta(max_length=500)]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A webhook to be made."""

    url: Address
    event_types: EventTypes
    description: Description = ""


class Changed(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What is to be changed of a webhook; what is left out stays."""

    url: Address | None = None
    event_types: EventTypes | None = None
    description: Description | None = None


class WithSecret(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A webhook with its new secret."""

    webhook: Webhook
    secret: Annotated[str, Meta(description="what messages are signed with; it is not shown again")]


class Webhooks(msgspec.Struct, frozen=True, kw_only=True):
    """All webhooks of a workspace."""

    webhooks: list[Webhook]


class Rotating(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """How a secret is replaced."""

    keep_seconds: Annotated[
        float, Meta(ge=0, le=WEEK_SECONDS, description="how long messages are signed with the old one, too")
    ] = DAY_SECONDS


class Disabling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why."""

    reason: Annotated[str, Meta(min_length=1, max_length=300)] = "disabled by request"


@routed("GET", ROOT, scope="manage", tag="webhooks")
async def list_webhooks(call: Call) -> Webhooks:
    """List the webhooks of the workspace, oldest first."""
    async with call.state.sight(call.workspace_id) as connection:
        rows = await webhooks.listed(connection, call.workspace_id)
    return Webhooks(webhooks=[webhook_of(row) for row in rows])


@routed("POST", ROOT, scope="manage", tag="webhooks", status=201, problems=(409,))
async def create_webhook(call: Call, body: NewWebhook) -> Answer[WithSecret]:
    """Make a webhook. Its secret is in this answer and in no other."""
    _check(call, body.url)
    workspace_id = workspace_of(call)
    new = webhooks.NewWebhook(
        workspace_id=workspace_id,
        url=body.url,
        event_types=body.event_types,
        description=body.description,
        created_by=call.identity.name,
    )
    async with call.state.acting(
        call.identity, "webhooks.create", workspace_id=workspace_id, eventTypes=list(body.event_types)
    ) as found:
        async with call.state.pool.acquire() as connection, connection.transaction():
            webhook_id = await webhooks.add(connection, new)
            secret = await call.state.services.webhooks.new_secret(connection, workspace_id, webhook_id)
        found["webhook"] = str(webhook_id)
    await _heard(call)
    made = WithSecret(webhook=await read(call, webhook_id), secret=secret.reveal())
    return Answer(made, 201, {"Location": f"/api/workspaces/{workspace_id}/webhooks/{webhook_id}"})


@routed("GET", ONE, scope="manage", tag="webhooks")
async def get_webhook(call: Call) -> Webhook:
    """Look at one webhook."""
    return await seen(call)


@routed("PATCH", ONE, scope="manage", tag="webhooks")
async def change_webhook(call: Call, body: Changed) -> Webhook:
    """Change the address, the event types or the description."""
    webhook = await seen(call)
    if body.url is not None:
        _check(call, body.url)
    async with call.state.acting(call.identity, "webhooks.change", webhook.id, workspace_id=call.workspace_id):
        await webhooks.change(
            call.state.pool,
            workspace_of(call),
            webhook.id,
            url=body.url,
            event_types=body.event_types,
            description=body.description,
        )
    await _heard(call)
    return await read(call, webhook.id)


@routed("DELETE", ONE, scope="manage", tag="webhooks")
async def remove_webhook(call: Call) -> Nothing:
    """Forget a webhook, its secrets and what became of its messages.

    What waits to be sent is cancelled when it is due.
    """
    webhook = await seen(call)
    async with call.state.acting(call.identity, "webhooks.remove", webhook.id, workspace_id=call.workspace_id):
        await webhooks.remove(call.state.pool, workspace_of(call), webhook.id)
    await _heard(call)
    return Nothing()


@routed("POST", ONE + "/rotate", scope="manage", tag="webhooks", problems=(409,))
async def rotate_secret(call: Call, body: Rotating) -> WithSecret:
    """Replace the secret. For a while messages are signed with both, so that the receiver can change over."""
    webhook, workspace_id = await seen(call), workspace_of(call)
    async with (
        call.state.acting(call.identity, "webhooks.rotate", webhook.id, workspace_id=workspace_id),
        call.state.pool.acquire() as connection,
        connection.transaction(),
    ):
        await webhooks.end_secret(connection, workspace_id, webhook.id, body.keep_seconds)
        secret = await call.state.services.webhooks.new_secret(connection, workspace_id, webhook.id)
    return WithSecret(webhook=webhook, secret=secret.reveal())


@routed("POST", ONE + "/enable", scope="manage", tag="webhooks")
async def enable_webhook(call: Call) -> Webhook:
    """Let a webhook be told again. What it missed is not sent by itself: see replay."""
    webhook = await seen(call)
    async with call.state.acting(call.identity, "webhooks.enable", webhook.id, workspace_id=call.workspace_id):
        await webhooks.enable(call.state.pool, workspace_of(call), webhook.id)
    await _heard(call)
    return await read(call, webhook.id)


@routed("POST", ONE + "/disable", scope="manage", tag="webhooks")
async def disable_webhook(call: Call, body: Disabling) -> Webhook:
    """Let a webhook be told of nothing until it is enabled again."""
    webhook = await seen(call)
    async with call.state.acting(call.identity, "webhooks.disable", webhook.id, workspace_id=call.workspace_id):
        await webhooks.disable(call.state.pool, webhook.id, body.reason)
    await _heard(call)
    return await read(call, webhook.id)


def workspace_of(call: Call) -> UUID:
    """The workspace in the address."""
    assert call.workspace_id is not None  # noqa: S101 - each of these routes has one in its address
    return call.workspace_id


def _check(call: Call, url: str) -> None:
    try:
        call.state.services.webhooks.check(url)
    except UsageError as error:
        raise invalid("$.url", error.sentence, error.hint) from None


async def _heard(call: Call) -> None:
    """The ends of jobs are told of from now on, or no longer, as the webhooks ask."""
    async with call.state.pool.acquire() as connection:
        await events.hear_jobs(connection)


async def seen(call: Call) -> Webhook:
    """The webhook in the address.

    Raises:
        Problem: 404.
    """
    return await read(call, uuid_in(call.path["webhookId"], "webhook"))


async def read(call: Call, webhook_id: UUID) -> Webhook:
    """A webhook of the workspace.

    Raises:
        Problem: 404.
    """
    async with call.state.sight(call.workspace_id) as connection:
        rows = await webhooks.listed(connection, call.workspace_id, webhook_id)
    if not rows:
        raise not_found("webhook")
    return webhook_of(rows[0])


ROUTES: tuple[Route, ...] = (
    list_webhooks,
    create_webhook,
    get_webhook,
    change_webhook,
    remove_webhook,
    rotate_secret,
    enable_webhook,
    disable_webhook,
)
