"""`crmd webhooks`: where other systems are told of events, what became of their messages, and sending those again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli.acting import acting
from crmd.cli.asking import uuid_of, workspace_of
from crmd.cli.attached import on_database
from crmd.cli.enqueue import instant_of
from crmd.cli.screen import show_record, show_rows
from crmd.errors import ExitCode, UsageError
from crmd.store import events, webhooks

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

COLUMNS = {
    "id": "id",
    "url": "address",
    "event_types": "events",
    "workspace_id": "workspace",
    "accepted_at": "last accepted",
    "disabled_reason": "disabled",
}
DELIVERIES = {
    "id": "id",
    "event_type": "event",
    "emitted_at": "emitted",
    "status": "status",
    "attempt_count": "tries",
    "answer": "last answer",
    "next_at": "next try",
}


def listed(arguments: Namespace) -> int:
    """List webhooks."""

    async def work(pool: Pool, _config: Config) -> int:
        workspace_id = workspace_of(getattr(arguments, "workspace", None))
        rows = [dict(row) for row in await webhooks.listed(pool, workspace_id)]
        show_rows(rows, COLUMNS, is_json=arguments.is_json, empty="There are no webhooks; they are made over the API.")
        return ExitCode.OK

    return on_database(arguments, work)


def deliveries(arguments: Namespace) -> int:
    """List the messages to a webhook."""

    async def work(pool: Pool, _config: Config) -> int:
        webhook = await _found(pool, arguments.id)
        rows = await webhooks.deliveries(
            pool,
            webhook["workspace_id"],
            webhook["id"],
            status=arguments.status,
            before=uuid_of(arguments.before, "a message"),
            limit=max(arguments.limit, 1),
        )
        shown = [{**row, "answer": _answer(row["attempts"])} for row in map(dict, rows)]
        show_rows(shown, DELIVERIES, is_json=arguments.is_json, empty="There are no such messages.")
        return ExitCode.OK

    return on_database(arguments, work)


def replay(arguments: Namespace) -> int:
    """Send messages again."""
    wanted = webhooks.Replayed(
        delivery_id=uuid_of(arguments.delivery, "a message"),
        since=None if arguments.since is None else instant_of(arguments.since),
        includes_missed=arguments.includes_missed,
        per_second=arguments.per_second,
    )
    if wanted.includes_missed and wanted.since is None:
        raise UsageError("--missed needs --since.", hint="Give the time since when messages may have been missed.")
    if wanted.per_second <= 0:
        raise UsageError("--per-second has to be above 0.")

    async def work(pool: Pool, _config: Config) -> int:
        webhook = await _found(pool, arguments.id)
        async with acting(pool, "webhooks.replay", webhook["id"], workspace_id=webhook["workspace_id"]) as found:
            sent = await webhooks.replay(pool, webhook["workspace_id"], webhook["id"], wanted)
            found["count"] = len(sent)
        show_record({"webhook": webhook["id"], "sent_again": len(sent)}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


def enable(arguments: Namespace) -> int:
    """Let a webhook be told again."""

    async def work(pool: Pool, _config: Config) -> int:
        webhook = await _found(pool, arguments.id)
        async with acting(pool, "webhooks.enable", webhook["id"], workspace_id=webhook["workspace_id"]):
            is_changed = await webhooks.enable(pool, webhook["workspace_id"], webhook["id"])
        return await _shown(pool, webhook["id"], arguments, is_changed=is_changed)

    return on_database(arguments, work)


def disable(arguments: Namespace) -> int:
    """Let a webhook be told of nothing."""

    async def work(pool: Pool, _config: Config) -> int:
        webhook = await _found(pool, arguments.id)
        async with acting(
            pool, "webhooks.disable", webhook["id"], workspace_id=webhook["workspace_id"], reason=arguments.reason
        ):
            is_changed = await webhooks.disable(pool, webhook["id"], arguments.reason)
        return await _shown(pool, webhook["id"], arguments, is_changed=is_changed)

    return on_database(arguments, work)


async def _shown(pool: Pool, webhook_id: object, arguments: Namespace, *, is_changed: bool) -> int:
    async with pool.acquire() as connection:
        await events.hear_jobs(connection)
    show_record({"id": webhook_id, "is_changed": is_changed}, is_json=arguments.is_json)
    return ExitCode.OK


async def _found(pool: Pool, text: str) -> Any:  # noqa: ANN401 - a row of webhook_list.sql
    rows = await webhooks.listed(pool, webhook_id=uuid_of(text, "a webhook"))
    if not rows:
        raise UsageError(f"There is no webhook {text}.", hint="`crmd webhooks list` shows them.")
    return rows[0]


def _answer(attempts: list[dict[str, Any]]) -> str | None:
    """How the last try ended."""
    last = attempts[-1] if attempts else {}
    return last.get("error") or (None if last.get("status") is None else str(last["status"]))
