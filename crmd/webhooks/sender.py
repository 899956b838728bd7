"""Sends messages to webhooks, as the handler of the job type that delivers them."""

from __future__ import annotations

import random
import secrets as randomness
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio

from crmd.connections.vault import webhook_place
from crmd.errors import CrmdError, GateClosed, JobError, RetryJob
from crmd.http.client import GuardedClient
from crmd.http.policy import PUBLIC_POLICY
from crmd.model import Cancel, Snooze
from crmd.store import webhooks
from crmd.webhook_job import NAME
from crmd.webhook_signature import NEW_SECRET_BYTES, secret_of, signatures
from crmd.webhooks.message import body_of, message_id_of
from crmd.webhooks.receiver import check_receiver, is_named
from crmd.webhooks.trying import Accepted, Again, Answer, GivenUp, decide, reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from crmd.config.settings import Webhooks
    from crmd.connections.vault import Vault
    from crmd.context import Context
    from crmd.http.limiter import Limiter
    from crmd.job_type import JobType
    from crmd.secret import Secret
    from crmd.store.pools import Connection, Pool
    from crmd.webhook_job import Delivering

REASON_MAX = 300
UNMENDED_SECONDS = 60.0


class Sender:
    """Sends messages, and keeps the secrets that they are signed with.

    Args:
        pool: The engine's.
        vault: Seals and opens the secrets.
        http: The guarded client for addresses that users give.
        limiter: Knows the gates; each webhook has one of its own.
        settings: `[webhooks]`.
        chance: Source of jitter in [0, 1).
    """

    def __init__(
        self,
        pool: Pool,
        *,
        vault: Vault,
        http: GuardedClient,
        limiter: Limiter,
        settings: Webhooks,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._pool = pool
        self._vault = vault
        self._http = http
        self._limiter = limiter
        self._chance = chance
        self.settings = settings

    def check(self, url: str) -> None:
        """Refuse an address that no message will ever be sent to.

        Raises:
            UsageError: It is one.
        """
        check_receiver(url, self.settings.private_hosts)

    async def new_secret(self, connection: Connection, workspace_id: UUID, webhook_id: UUID) -> Secret:
        """Make a webhook's secret and keep it sealed.

        Raises:
            CrmdError: There is no master key.
        """
        secret, secret_id = secret_of(randomness.token_bytes(NEW_SECRET_BYTES)), uuid4()
        sealed = self._vault.seal(webhook_place(workspace_id, secret_id), secret)
        await webhooks.add_secret(connection, secret_id, workspace_id, webhook_id, sealed)
        return secret

    async def deliver(self, ctx: Context, payload: Delivering) -> object:
        """Try once to deliver a message; the handler of the job type.

        Raises:
            GateClosed: The receiver is left alone for now; that is no try.
            RetryJob: It did not accept the message.
        """
        row = await webhooks.message(self._pool, payload.delivery_id)
        # Whoever may start jobs of a workspace may start this one: it must not reach into another.
        if row is None or (row["workspace_id"], row["webhook_id"]) != (ctx.job.workspace_id, payload.webhook_id):
            return Cancel("there is no such webhook any more")
        if row["status"] == "delivered":
            return {"note": "delivered before"}
        refusal = self._refusal(row)
        if refusal is not None:
            await webhooks.note(self._pool, row["id"], "failed", {"attempt": ctx.job.attempt, "error": refusal})
            return Cancel(refusal)
        gate_key = f"webhook/{row['workspace_id']}/{row['webhook_id']}"
        gate = await self._limiter.pass_gate(gate_key, provider=gate_key)
        started_at = anyio.current_time()
        try:
            answer = await self._send(row, gate)
        except CrmdError as error:  # no master key, or another one: for the operator to mend, and no try
            return Snooze(UNMENDED_SECONDS, str(error))
        seconds = round(anyio.current_time() - started_at, 3)
        noted = {
            "attempt": ctx.job.attempt,
            "status": answer.status,
            "seconds": seconds,
            "error": answer.reason or None,
        }
        return await self._concluded(ctx, row, answer, noted)

    def _refusal(self, row: Any) -> str | None:  # noqa: ANN401 - a row of webhook_message.sql
        if row["is_disabled"] and row["event_type"] != "webhook.test":
            return f"the webhook is disabled: {row['disabled_reason']}"
        if row["is_event_gone"]:
            return "the event is not kept any more"
        return None

    async def _send(self, row: Any, gate: Any) -> Answer:  # noqa: ANN401 - a row of webhook_message.sql, a shared gate
        body = body_of(row)
        places = [webhook_place(row["workspace_id"], secret_id) for secret_id in row["secret_ids"]]
        opened = [self._vault.unseal(place, sealed) for place, sealed in zip(places, row["sealed"], strict=True)]
        message_id = message_id_of(row)
        headers = {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(row["now"]),
            "webhook-signature": signatures(opened, message_id, row["now"], body),
        }
        answers: list[Answer] = []
        parts = {"data": body, "headers": headers, "gate": gate, "classify": reading(answers)}
        try:
            await self._post(row["url"], {**parts, "deadline_seconds": self.settings.timeout_seconds})
        except GateClosed as closed:
            return answers[-1] if answers else Answer(None, closed.reason)
        except JobError as error:
            return Answer(answers[-1].status if answers else None, str(error)[:REASON_MAX])
        return answers[-1]

    async def _post(self, url: str, parts: Any) -> None:  # noqa: ANN401 - the parts of a request
        if not is_named(url, self.settings.private_hosts):
            await self._http.request("POST", url, **parts)
            return
        async with GuardedClient("none", policy=PUBLIC_POLICY) as own:
            await own.request("POST", url, **parts)

    async def _concluded(self, ctx: Context, row: Any, answer: Answer, noted: Any) -> object:  # noqa: ANN401 - a row and JSON
        job = ctx.job
        following = decide(answer, attempt=job.attempt, attempts_max=job.max_attempts, chance=self._chance())
        match following:
            case Accepted():
                await webhooks.note(self._pool, row["id"], "delivered", noted)
                return {"status": answer.status}
            case Again(after_seconds):
                await webhooks.note(self._pool, row["id"], "pending", noted)
                raise RetryJob(answer.reason, after_seconds=after_seconds)
            case GivenUp(is_gone):
                reason = "the receiver answered 410" if is_gone else f"no try succeeded; at last {answer.reason}"
                async with self._pool.acquire() as connection, connection.transaction():
                    await webhooks.note(connection, row["id"], "failed", noted)
                    if is_gone or not row["has_accepted_since"]:
                        await webhooks.disable(connection, row["webhook_id"], reason)
                if is_gone:
                    return Cancel(reason)
                raise RetryJob(answer.reason)


def with_sender(job_types: Mapping[str, JobType], sender: Sender) -> dict[str, JobType]:
    """The job types, that of webhooks with this sender as its handler, and in the loop that the sender belongs to."""
    return {
        name: replace(job_type, handler=sender.deliver, runs_in="loop") if job_type.name == NAME else job_type
        for name, job_type in job_types.items()
    }
