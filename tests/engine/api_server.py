"""The API in this process, over the database of a workbench, as a test asks it."""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import aiohttp
import msgspec

from crmd.api.server import serving
from crmd.clock import boot_seconds
from crmd.config.api_settings import Api
from crmd.store import api_keys
from crmd.store.api_keys import NewKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from crmd.api.state import State
    from crmd.testing import Workbench


@dataclass
class Idle:
    """An engine that does nothing by itself: jobs run when the test says so."""

    may_claim: bool = True

    @property
    def turned_at(self) -> float:
        """Its loop always turns."""
        return boot_seconds()


@dataclass(frozen=True)
class Told:
    """An answer.

    Attributes:
        status: Of HTTP.
        body: Decoded JSON, or None.
        headers: As they came.
    """

    status: int
    body: Any
    headers: Any


@dataclass
class ApiServer:
    """A served API and a client of it.

    Attributes:
        workbench: Whose database it shows.
        address: Its root.
        state: What its routes work with.
        session: Of the client.
        settings: In force; a test may replace them.
        key: Of an operator, sent when none is given.
    """

    workbench: Workbench
    address: str
    session: aiohttp.ClientSession
    settings: list[Api]
    state: State | None = None
    key: str = ""
    engine: Idle = field(default_factory=Idle)

    async def new_key(
        self, *scopes: str, workspace_id: UUID | None = None, job_types: Sequence[str] | None = None
    ) -> str:
        """A key of a client of its own."""
        new = NewKey(
            client=f"client {uuid4()}",
            scopes=scopes or ("admin",),
            workspace_id=workspace_id,
            job_types=job_types,
            created_by="test",
        )
        return await api_keys.create(self.workbench._pool, new)

    async def ask(self, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str) -> Told:  # noqa: ANN401 - any JSON
        """Send a request and read its answer."""
        sent = {
            "Authorization": f"Bearer {self.key if key is None else key}",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else msgspec.json.encode(body)
            sent.setdefault("Content-Type", "application/json")
        async with self.session.request(method, self.address + path, data=data, headers=sent) as response:
            raw = await response.read()
            is_json = "json" in response.headers.get("Content-Type", "")
            return Told(response.status, msgspec.json.decode(raw) if is_json and raw else raw, response.headers)


@contextlib.asynccontextmanager
async def api_over(workbench: Workbench, settings: Api | None = None) -> AsyncIterator[ApiServer]:
    """The API over a workbench, with an operator's key."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    chosen = msgspec.structs.replace(settings or Api(requests_per_minute=100_000), listen=f"127.0.0.1:{port}")
    in_force = [chosen]
    engine = Idle()
    everything = workbench.everything
    async with (
        serving(everything.services, engine, everything.provider_http, lambda: in_force[0]) as state,  # type: ignore[arg-type]  # stands in for the engine
        aiohttp.ClientSession() as session,
    ):
        server = ApiServer(workbench, f"http://127.0.0.1:{port}", session, in_force, state, engine=engine)
        server.key = await server.new_key("admin")
        yield server
