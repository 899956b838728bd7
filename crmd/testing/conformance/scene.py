"""The world of one try, as a sample's seed fills it; implements `crmd.Scene`."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from crmd.store.queries import load_queries
from crmd.testing.conformance.traffic import FAKE_REFRESH_TOKEN
from crmd.testing.connecting import connect_account, connect_sandbox
from crmd.testing.sandbox import GmailSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.context import Statements
    from crmd.sample import Answer
    from crmd.testing.conformance.traffic import Traffic
    from crmd.testing.sandbox import Mailbox
    from crmd.testing.workbench import Workbench

_STORE = load_queries("crmd.store")
_WORKSPACES = UUID("6f1f2b0e-52a5-4f0c-9d5c-0d6c1f8e7a10")


@dataclass(frozen=True, slots=True)
class ConnectedMailbox:
    """A mailbox of the Gmail sandbox, and the connection that leads to it."""

    connection_id: UUID
    mailbox: Mailbox


class Scene:
    """One workspace's part of a trial.

    Args:
        workbench: Whose database it fills.
        traffic: Whose fakes it adds.
        stack: Closes what it opens.
        name: Of its workspace; equal names give equal workspaces.
    """

    def __init__(
        self, workbench: Workbench, traffic: Traffic, stack: contextlib.AsyncExitStack, name: str = "own"
    ) -> None:
        self.workspace_id = uuid5(_WORKSPACES, name)
        self._workbench = workbench
        self._traffic = traffic
        self._stack = stack

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[Statements]:
        """A transaction under row-level security for the workspace."""
        services = self._workbench.everything.services
        async with services.pools.plugins.acquire() as connection, connection.transaction():
            await connection.fetch(_STORE.workspace_set, str(self.workspace_id))
            if services.is_role_changed:
                await connection.execute(_STORE.role_app)
            yield connection

    async def connect(self, provider: str, account: str, answer: Answer) -> UUID:
        """Connect an account at a fake of a provider."""
        name = f"{provider}.fake.invalid"
        self.host(name, answer)
        endpoints = {"token_url": f"https://{name}/token", "api_url": f"https://{name}"}
        return await connect_account(
            self._workbench,
            provider,
            account,
            endpoints=endpoints,
            refresh_token=FAKE_REFRESH_TOKEN,
            workspace_id=self.workspace_id,
        )

    async def gmail(self, *messages: bytes, account: str = "jana@nordwerk.example") -> ConnectedMailbox:
        """Connect a mailbox of the Gmail sandbox that holds these messages."""
        sandbox = await self._stack.enter_async_context(GmailSandbox.running())
        opened = sandbox.add_account(account)
        for message in messages:
            opened.mailbox.add(message)
        self._traffic.sandboxes.add(sandbox.url)
        self._traffic.secrets.add(opened.refresh_token)
        connection_id = await connect_sandbox(self._workbench, sandbox, opened, workspace_id=self.workspace_id)
        return ConnectedMailbox(connection_id, opened.mailbox)

    def host(self, name: str, answer: Answer) -> None:
        """Let a host of the outside answer."""
        self._traffic.fakes[name] = answer
