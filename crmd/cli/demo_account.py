"""The demo's provider and mailbox: a Gmail of its own on the loopback address, with a few faults to show."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crmd.cli.asking import workspace_of
from crmd.cli.connecting import Connected, Wanted, add_connection
from crmd.connections.provider import ClientCredentials
from crmd.secret import Secret
from crmd.store import jobs
from crmd.store.jobs import NewJobs
from crmd.testing.demo_mailbox import answer_key, deliver
from crmd.testing.sandbox.faults import cut, rate_limited, server_error
from crmd.testing.sandbox.gmail import GmailSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from crmd.composition import Opened
    from crmd.testing.sandbox.account import Account

WORKSPACE = "demo"
_TOO_MANY, _SERVER_FAULT = 429, 500


@dataclass(frozen=True, slots=True)
class DemoProvider:
    """A running sandbox with the made-up mailbox in it."""

    sandbox: GmailSandbox
    account: Account
    messages: int

    @property
    def troubles(self) -> dict[str, int]:
        """Answers that were refusals or faults, by kind."""
        statuses = [record.status for record in self.sandbox.log.requests]
        return {
            "throttled": sum(status == _TOO_MANY for status in statuses),
            "faulty": sum(status >= _SERVER_FAULT for status in statuses),
            "cut off": sum(status == 0 for status in statuses),
        }


@contextlib.asynccontextmanager
async def demo_provider() -> AsyncIterator[DemoProvider]:
    """The provider for as long as the block runs: it throttles once, fails once and cuts an answer off once."""
    async with GmailSandbox.running() as sandbox:
        owner = answer_key().owner
        account = sandbox.add_account(owner.address, name=owner.name, aliases=owner.aliases)
        count = deliver(account.mailbox)
        sandbox.faults.next(rate_limited("1"), server_error(503), path="/batch", where="request", skip=1)
        sandbox.faults.next(cut(), path="/batch", where="request", skip=3)
        yield DemoProvider(sandbox, account, count)


def demo_workspace() -> UUID:
    """The workspace that the demo fills."""
    found = workspace_of(WORKSPACE)
    assert found is not None  # noqa: S101 - the name is not empty
    return found


async def connect_demo(everything: Opened, provider: DemoProvider) -> Connected:
    """Connect the made-up account, just as `crmd connections add` connects a real one."""
    sandbox = provider.sandbox
    rules = sandbox.grants.rules
    return await add_connection(
        everything,
        Wanted(
            provider="google",
            workspace_id=demo_workspace(),
            client=ClientCredentials(rules.client_id, Secret(rules.client_secret)),
            refresh_token=Secret(provider.account.refresh_token),
            endpoints={
                "token_url": sandbox.token_url,
                "api_url": sandbox.api_url,
                "batch_url": sandbox.batch_url,
            },
        ),
    )


async def start_sync(everything: Opened, connected: Connected) -> None:
    """Enqueue the first sync of the account; the daemon does the rest."""
    payload: dict[str, Any] = {"connectionId": str(connected.id)}
    job_type = everything.loaded.job_types["sync-emails-initial"]
    new = NewJobs(type=job_type.name, payloads=[job_type.encode(payload)], workspace_id=demo_workspace())
    await jobs.enqueue_many(everything.pools.control, new)
