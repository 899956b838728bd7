"""Another system that is told of events: checks what it gets as a stranger would, and answers from a script."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from crmd.config.settings import Webhooks
from crmd.webhook_signature import signatures

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from uuid import UUID

    from api_server import ApiServer

    from crmd.testing import Workbench

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Got:
    """One request."""

    message_id: str
    timestamp: int
    signature: str
    raw: bytes

    @property
    def body(self) -> Any:  # noqa: ANN401 - any JSON
        """Decoded."""
        return msgspec.json.decode(self.raw)

    def is_signed_with(self, *secrets: str) -> bool:
        """Whether each of these secrets, and no other, has signed it."""
        return self.signature == signatures(list(secrets), self.message_id, self.timestamp, self.raw)


@dataclass
class Receiver:
    """Answers each request from its script; the last entry again and again.

    Attributes:
        url: Where it listens.
        script: Statuses, or what makes an answer.
        got: What came, in its order.
    """

    url: str
    script: list[int | Answer] = field(default_factory=lambda: [200])
    got: list[Got] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Take a request."""
        headers = request.headers
        raw = await request.read()
        self.got.append(
            Got(headers["webhook-id"], int(headers["webhook-timestamp"]), headers["webhook-signature"], raw)
        )
        entry = self.script[min(len(self.got), len(self.script)) - 1]
        return web.Response(status=entry) if isinstance(entry, int) else await entry(request)


@contextlib.asynccontextmanager
async def receiving(workbench: Workbench, *script: int | Answer) -> AsyncIterator[Receiver]:
    """A receiver on this machine, which the operator has named."""
    receiver = Receiver("", list(script) or [200])
    app = web.Application(client_max_size=64 * 1024)
    app.router.add_post("/hook", receiver.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host = f"127.0.0.1:{runner.addresses[0][1]}"
    receiver.url = f"http://{host}/hook"
    sender = workbench.everything.services.webhooks
    sender.settings = Webhooks(private_hosts=(host,))
    try:
        yield receiver
    finally:
        await runner.cleanup()


@dataclass(frozen=True)
class Hook:
    """A webhook that was made over the API."""

    api: ApiServer
    path: str
    secret: str

    async def shown(self) -> Any:  # noqa: ANN401 - any JSON
        """How it stands."""
        return (await self.api.ask("GET", self.path)).body

    async def deliveries(self, query: str = "") -> Any:  # noqa: ANN401 - any JSON
        """Its messages, newest first."""
        return (await self.api.ask("GET", f"{self.path}/deliveries{query}")).body["deliveries"]


async def hook_at(api: ApiServer, url: str, *event_types: str, workspace_id: UUID | None = None) -> Hook:
    """Make one."""
    root = f"/api/workspaces/{workspace_id or api.workbench.workspace_id}/webhooks"
    told = await api.ask("POST", root, {"url": url, "eventTypes": event_types or ("contact.*",)})
    assert told.status == 201, told.body
    return Hook(api, told.headers["Location"], told.body["secret"])


async def happens(workbench: Workbench, event_type: str = "contact.created", **data: object) -> None:
    """An event of the workbench's workspace, emitted as any program does it."""
    await workbench._pool.fetchval(
        "SELECT crmd.emit($1, $2::text::jsonb, workspace_id => $3)",
        event_type,
        msgspec.json.encode(data).decode(),
        workbench.workspace_id,
    )
