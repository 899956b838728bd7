from __future__ import annotations

import json
import logging
import traceback
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import anyio
import asyncpg
import pytest
from aiohttp import web

from crmd.connections import account as accounts
from crmd.connections.keeping import Consent, disable, enable, forget, keep
from crmd.connections.master_key import MasterKey
from crmd.connections.oauth import Grant
from crmd.connections.opening import Connections
from crmd.connections.provider import ClientCredentials, Provider
from crmd.connections.rotation import rotate_once
from crmd.connections.token import EARLY_SECONDS
from crmd.connections.vault import SealBroken, Vault, secret_place
from crmd.errors import FailJob, GateClosed, RetryJob
from crmd.http import GuardedClient, HttpPolicy, Limiter, Rate
from crmd.secret import Secret
from crmd.store import connections as store
from crmd.store import gates, limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from crmd.connections.client import ConnectionClient

    Pool = asyncpg.Pool[asyncpg.Record]

WORKSPACE, OTHER_WORKSPACE = UUID(int=11), UUID(int=12)
OLD_KEY, NEW_KEY = MasterKey(b"o" * 32), MasterKey(b"n" * 32)
VAULT = Vault([OLD_KEY])
CLIENT = ClientCredentials("client-1", Secret("canary-client-secret"))


@dataclass
class Bank:
    """A provider whose refresh tokens are good for one use; using one twice revokes the whole grant.

    Args:
        root: Its address.
        lifetime_seconds: Of its access tokens.
    """

    root: str = ""
    lifetime_seconds: float = 3600
    refresh_token: str = "canary-rt-0"
    access_tokens: set[str] = field(default_factory=set)
    is_revoked: bool = False
    refreshes: int = 0
    faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    api_faults: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    api_seen: list[web.Request] = field(default_factory=list)
    doors: list[anyio.Event] = field(default_factory=list)
    asked: anyio.Event = field(default_factory=anyio.Event)
    on_api: Callable[[], Awaitable[None]] | None = None

    async def token(self, request: web.Request) -> web.Response:
        """The token endpoint; it waits behind a door when there is one."""
        form = await request.post()
        assert form["grant_type"] == "refresh_token"
        self.asked.set()
        if self.doors:
            await self.doors[0].wait()
        if self.faults:
            status, body = self.faults.pop(0)
            return web.json_response(body, status=status)
        if (form["client_id"], form["client_secret"]) != ("client-1", "canary-client-secret"):
            return web.json_response({"error": "invalid_client"}, status=401)
        if form["refresh_token"] != self.refresh_token:
            self.is_revoked = True
        if self.is_revoked:
            self.access_tokens.clear()
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.refreshes += 1
        self.refresh_token = f"canary-rt-{self.refreshes}"
        self.access_tokens = {f"canary-at-{self.refreshes}"}
        answer = {"access_token": f"canary-at-{self.refreshes}", "refresh_token": self.refresh_token}
        return web.json_response({**answer, "expires_in": self.lifetime_seconds})

    async def api(self, request: web.Request) -> web.Response:
        """Any path of the API."""
        self.api_seen.append(request)
        await request.read()
        if self.on_api is not None:
            await self.on_api()
        if self.api_faults:
            status, headers = self.api_faults.pop(0)
            return web.Response(status=status, headers=headers)
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.access_tokens:
            return web.Response(status=401)
        return web.json_response({"path": request.path_qs})

    @property
    def provider(self) -> Provider:
        """As a plugin would declare it."""
        return Provider(
            name="bank", token_url=f"{self.root}/token", api_url=f"{self.root}/api", batch_url=f"{self.root}/batch"
        )


@asynccontextmanager
async def open_bank() -> AsyncIterator[Bank]:
    """A bank on a free loopback port."""
    bank = Bank()
    app = web.Application()
    app.router.add_post("/token", bank.token)
    app.router.add_route("*", "/{tail:.*}", bank.api)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        bank.root = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield bank
    finally:
        await runner.cleanup()


@pytest.fixture
async def bank() -> AsyncIterator[Bank]:
    """The provider of these tests."""
    async with open_bank() as bank:
        yield bank


async def no_sleep(_: float) -> None:
    """A pause that takes no time."""


@asynccontextmanager
async def daemon(
    pool: Pool, bank: Bank, *, vault: Vault = VAULT, rate: Rate | None = None
) -> AsyncIterator[Connections]:
    """What one daemon knows of connections: its own client, its own turns."""
    async with GuardedClient("none", policy=HttpPolicy(wait_seconds_max=2), sleep=no_sleep) as http:
        yield Connections(
            pool,
            http=http,
            vault=vault,
            limiter=Limiter(pool, wait_seconds_max=2, sleep=no_sleep),
            providers={"bank": bank.provider},
            credentials={"bank": CLIENT},
            rates={} if rate is None else {"bank": rate},
        )


async def consented(pool: Pool, *, vault: Vault = VAULT, **changes: Any) -> UUID:  # noqa: ANN401 - any field of a consent
    """A connection as `crmd connections add` makes it."""
    fields: dict[str, Any] = {
        "workspace_id": WORKSPACE,
        "provider": "bank",
        "account": "ann@bank.example",
        "refresh_token": Secret("canary-rt-0"),
    }
    return await keep(pool, vault, Consent(**fields | changes))


async def state_of(pool: Pool, connection_id: UUID) -> str:
    """The state that holds now."""
    account = await accounts.find(pool, WORKSPACE, connection_id)
    assert account is not None
    return account.state


async def stored(pool: Pool, connection_id: UUID, name: str, vault: Vault = VAULT) -> str:
    """A stored secret, opened."""
    sealed = (await store.secrets(pool, WORKSPACE, connection_id))[name].ciphertext
    return vault.unseal(secret_place(WORKSPACE, connection_id, name), sealed).reveal()


@asynccontextmanager
async def transaction(pool: Pool, *, role: str | None = None) -> AsyncIterator[Any]:
    """A transaction of a job of the workspace, as the engine runs it."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('crmd.workspace_id', $1, true)", str(WORKSPACE))
        if role is not None:
            await connection.execute(f"SET LOCAL ROLE {role}")
        yield connection


async def events(pool: Pool) -> list[tuple[str, dict[str, Any]]]:
    """The events that were emitted, oldest first."""
    rows = await pool.fetch("SELECT type, data FROM crmd.event ORDER BY emitted_at, id")
    return [(row["type"], json.loads(row["data"])) for row in rows]


async def get(client: ConnectionClient, path: str = "x") -> int:
    """The status of a read."""
    return (await client.request("GET", path)).status


async def test_a_refresh_token_is_enough(database: Pool, bank: Bank) -> None:
    """Client credentials and a refresh token make a connection that works, at any server that speaks the protocol."""
    endpoints = {"api_url": f"{bank.root}/elsewhere", "token_url": f"{bank.root}/token"}
    own_client: dict[str, Any] = {"client_id": "client-1", "client_secret": Secret("canary-client-secret")}
    connection_id = await consented(database, endpoints=endpoints, scopes=("mail",), **own_client)
    bank.root = "http://127.0.0.1:1"
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        response = await client.request("GET", "/messages", params={"q": "a b"})
        assert response.json() == {"path": "/elsewhere/messages?q=a+b"}
        assert (client.account, client.provider, client.scopes) == ("ann@bank.example", "bank", ("mail",))
        assert (client.state, client.workspace_id, client.user_id) == ("active", WORKSPACE, None)


async def test_one_refresh_over_all_daemons(database: Pool, bank: Bank) -> None:
    """Thirty requests in three daemons that need a token at once make one refresh, and revoke nothing."""
    connection_id = await consented(database)
    statuses = []

    async def ask(connections: Connections) -> None:
        statuses.append(await get(await connections.open(WORKSPACE, connection_id)))

    async with (
        daemon(database, bank) as one,
        daemon(database, bank) as two,
        daemon(database, bank) as three,
        anyio.create_task_group() as tasks,
    ):
        for connections in (one, two, three) * 10:
            tasks.start_soon(ask, connections)
    assert statuses == [200] * 30
    assert bank.refreshes == 1
    assert not bank.is_revoked


async def test_one_refresh_when_all_are_rejected_at_once(database: Pool, bank: Bank) -> None:
    """When the API drops a token early, two daemons that notice together make one refresh and both go on."""
    connection_id = await consented(database)
    async with daemon(database, bank) as one, daemon(database, bank) as two:
        clients = [await connections.open(WORKSPACE, connection_id) for connections in (one, two) * 4]
        assert {await get(client) for client in clients} == {200}
        bank.access_tokens.clear()
        statuses = []

        async def ask(client: ConnectionClient) -> None:
            statuses.append((await client.request("POST", "x", json={})).status)

        async with anyio.create_task_group() as tasks:
            for client in clients:
                tasks.start_soon(ask, client)
    assert statuses == [200] * 8
    assert bank.refreshes == 2
    assert not bank.is_revoked


@pytest.mark.parametrize(("left_seconds", "refreshes"), [(EARLY_SECONDS - 5, 1), (EARLY_SECONDS + 60, 0), (-5, 1)])
async def test_tokens_are_refreshed_early(database: Pool, bank: Bank, left_seconds: float, refreshes: int) -> None:
    """A token that ends within five minutes is replaced before it is used; one that lasts longer is used."""
    grant = Grant(Secret("canary-at-first"), lifetime_seconds=left_seconds)
    connection_id = await consented(database, grant=grant)
    bank.access_tokens.add("canary-at-first")
    async with daemon(database, bank) as connections:
        assert await get(await connections.open(WORKSPACE, connection_id)) == 200
    assert bank.refreshes == refreshes


async def test_short_lived_tokens_are_used_more_than_once(database: Pool, bank: Bank) -> None:
    """A provider whose tokens live for a minute is not asked for one with every request."""
    bank.lifetime_seconds = 60
    connection_id = await consented(database)
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        assert [await get(client) for _ in range(5)] == [200] * 5
    assert bank.refreshes == 1


async def test_a_rotated_token_is_stored_before_use(database: Pool, bank: Bank) -> None:
    """When the first request with a new access token goes out, the new refresh token is committed."""
    connection_id = await consented(database)
    found = []

    async def look() -> None:
        found.append(await stored(database, connection_id, "refresh_token"))

    bank.on_api = look
    async with daemon(database, bank) as connections:
        await get(await connections.open(WORKSPACE, connection_id))
    assert found == ["canary-rt-1"]


async def test_a_cancelled_job_does_not_lose_a_rotated_token(database: Pool, bank: Bank) -> None:
    """A job that is cancelled while the provider rotates its token leaves the new one stored."""
    connection_id = await consented(database)
    bank.doors.append(anyio.Event())
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(get, client)
            await bank.asked.wait()
            tasks.cancel_scope.cancel()
            bank.doors.pop().set()
        assert await stored(database, connection_id, "refresh_token") == bank.refresh_token
        assert await get(await connections.open(WORKSPACE, connection_id)) == 200
    assert bank.refreshes == 1


async def test_a_rotated_token_survives_a_lost_database_session(database: Pool, bank: Bank) -> None:
    """When the session dies between the provider's answer and the commit, the new token is stored all the same."""
    connection_id = await consented(database)
    bank.doors.append(anyio.Event())
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        statuses = []

        async def ask() -> None:
            statuses.append(await get(client))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await bank.asked.wait()
            await database.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE state = 'idle in transaction' AND datname = current_database()"
            )
            bank.doors.pop().set()
    assert statuses == [200]
    assert bank.refreshes == 1
    assert await stored(database, connection_id, "refresh_token") == bank.refresh_token


async def test_a_rescue_never_overwrites_a_newer_consent(database: Pool, bank: Bank) -> None:
    """A token whose commit was lost is dropped when a new consent was stored meanwhile."""
    connection_id = await consented(database)
    bank.doors.append(anyio.Event())
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)

        async def ask() -> None:
            with pytest.raises(RetryJob, match="could not be stored"):
                await get(client)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await bank.asked.wait()
            await database.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                " WHERE state = 'idle in transaction' AND datname = current_database()"
            )
            await consented(database, refresh_token=Secret("canary-rt-consent"))
            bank.doors.pop().set()
    assert await stored(database, connection_id, "refresh_token") == "canary-rt-consent"


async def test_a_lost_grant_parks_the_accounts_jobs(database: Pool, bank: Bank) -> None:
    """invalid_grant marks the connection and closes its gate for ever in one commit; the job keeps its attempt."""
    connection_id = await consented(database)
    bank.is_revoked = True
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        with pytest.raises(GateClosed) as caught:
            await get(client)
        assert (caught.value.key, caught.value.after_seconds) == (f"connection/{connection_id}", None)
        assert await state_of(database, connection_id) == "needs_reauth"
        closed = await gates.closed(database, f"connection/{connection_id}")
        assert closed is not None
        assert closed.wait_seconds is None
        for again in (lambda: get(client), lambda: connections.open(WORKSPACE, connection_id)):
            with pytest.raises(GateClosed, match="invalid_grant"):
                await again()
        assert await connections.active("bank") == []
    assert bank.api_seen == []


async def test_a_new_consent_brings_the_account_back(database: Pool, bank: Bank) -> None:
    """After a new consent the same connection works, its gate is open, and its old access token is forgotten."""
    connection_id = await consented(database, grant=Grant(Secret("canary-at-old"), lifetime_seconds=10_000))
    bank.is_revoked = True
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        with pytest.raises(GateClosed):
            await get(client)
        bank.is_revoked, bank.refresh_token = False, "canary-rt-new"
        assert await consented(database, refresh_token=Secret("canary-rt-new")) == connection_id
        assert await gates.closed(database, f"connection/{connection_id}") is None
        assert await state_of(database, connection_id) == "active"
        assert await get(await connections.open(WORKSPACE, connection_id)) == 200
        assert [account.id for account in await connections.active("bank")] == [connection_id]


async def test_a_consent_during_a_refresh_wins(database: Pool, bank: Bank) -> None:
    """A consent that arrives while a refresh is in flight is stored after it, never overwritten by it."""
    connection_id = await consented(database)
    bank.doors.append(anyio.Event())
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(get, client)
            await bank.asked.wait()
            tasks.start_soon(lambda: consented(database, refresh_token=Secret("canary-rt-consent")))
            await waiting_on_a_lock(database)
            bank.doors.pop().set()
    assert bank.refreshes == 1
    assert await stored(database, connection_id, "refresh_token") == "canary-rt-consent"
    assert "access_token" not in await store.secrets(database, WORKSPACE, connection_id)


async def test_a_consent_during_a_lost_refresh_wins(database: Pool, bank: Bank) -> None:
    """A consent that arrives while the old grant turns out to be lost ends with a connection that works."""
    connection_id = await consented(database)
    bank.is_revoked = True
    bank.doors.append(anyio.Event())
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)

        async def lose() -> None:
            with pytest.raises(GateClosed):
                await get(client)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lose)
            await bank.asked.wait()
            tasks.start_soon(lambda: consented(database, refresh_token=Secret("canary-rt-consent")))
            await waiting_on_a_lock(database)
            bank.doors.pop().set()
    assert await state_of(database, connection_id) == "active"
    assert await gates.closed(database, f"connection/{connection_id}") is None


async def waiting_on_a_lock(pool: Pool) -> None:
    """Return once some session waits for a lock."""
    with anyio.fail_after(10):
        while not await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await anyio.lowlevel.checkpoint()


async def test_a_fresh_token_that_is_rejected_needs_a_consent(database: Pool, bank: Bank) -> None:
    """One refresh and one more try follow a 401; a second 401 parks the connection."""
    connection_id = await consented(database)
    bank.api_faults = [(401, {}), (401, {})]
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        with pytest.raises(GateClosed, match="rejects"):
            await get(client)
    assert (bank.refreshes, len(bank.api_seen)) == (2, 2)
    assert await state_of(database, connection_id) == "needs_reauth"


async def test_a_wrong_client_is_the_operators(database: Pool, bank: Bank) -> None:
    """invalid_client fails the job with a sentence for the operator and leaves the connection as it is."""
    connection_id = await consented(database, client_id="wrong", client_secret=Secret("canary-wrong"))
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        with pytest.raises(FailJob, match="invalid_client"):
            await get(client)
    assert await state_of(database, connection_id) == "active"
    assert await gates.closed_gates(database) == []


@pytest.mark.parametrize("fault", [(500, {}), (503, {"error": "invalid_grant"}), (400, {"error": "server_error"})])
async def test_a_passing_fault_changes_nothing(database: Pool, bank: Bank, fault: tuple[int, dict[str, str]]) -> None:
    """A token endpoint that fails in passing delays the job; the grant stays and the next try works."""
    connection_id = await consented(database)
    bank.faults = [fault]
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        with pytest.raises(RetryJob):
            await get(client)
        assert await state_of(database, connection_id) == "active"
        assert await get(client) == 200


async def test_a_pause_holds_on_all_daemons(database: Pool, bank: Bank) -> None:
    """After one daemon's 429, another sends nothing; the account shows as throttled until the pause is over."""
    connection_id = await consented(database)
    bank.api_faults = [(429, {"Retry-After": "600"})]
    async with daemon(database, bank) as one, daemon(database, bank) as two:
        other = await two.open(WORKSPACE, connection_id)
        with pytest.raises(GateClosed) as caught:
            await get(await one.open(WORKSPACE, connection_id))
        assert caught.value.after_seconds == pytest.approx(600, abs=1)
        with pytest.raises(GateClosed):
            await get(other)
        assert len(bank.api_seen) == 1
        assert await state_of(database, connection_id) == "throttled"
        assert [account.state for account in await two.active("bank")] == ["throttled"]
        await database.execute("UPDATE crmd.connection SET throttled_until = now() - interval '1 second'")
        await gates.reopen(database, f"connection/{connection_id}")
        assert await state_of(database, connection_id) == "active"
        assert await get(other) == 200


async def test_a_pause_does_not_reopen_a_lost_grant(database: Pool, bank: Bank) -> None:
    """A 429 that arrives late leaves a gate closed that waits for a person."""
    connection_id = await consented(database)
    await store.mark_needs_reauth(database, WORKSPACE, connection_id, "gone")
    await store.throttle(database, WORKSPACE, connection_id, seconds=5, reason="429")
    closed = await gates.closed(database, f"connection/{connection_id}")
    assert closed is not None
    assert (closed.wait_seconds, closed.reason) == (None, "gone")
    assert await state_of(database, connection_id) == "needs_reauth"
    assert bank.api_seen == []


async def test_requests_cost_units(database: Pool, bank: Bank) -> None:
    """Each request draws its cost from the account's shared bucket; a dry one gives the slot back."""
    connection_id = await consented(database)
    rate = Rate(60, per_seconds=60, burst=50)
    async with daemon(database, bank, rate=rate) as one, daemon(database, bank, rate=rate) as two:
        await (await one.open(WORKSPACE, connection_id)).request("GET", "x", cost=30)
        client = await two.open(WORKSPACE, connection_id)
        with pytest.raises(GateClosed) as caught:
            await client.request("GET", "x", cost=30)
    assert caught.value.key == "limit/bank/default/ann@bank.example"
    assert caught.value.after_seconds == pytest.approx(10, abs=2)
    assert len(bank.api_seen) == 1


async def test_a_token_stays_with_its_provider(database: Pool, bank: Bank) -> None:
    """A whole URL is followed at the provider's own host only, however it is written."""
    connection_id = await consented(database)
    async with open_bank() as thief, daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        assert await get(client, f"{bank.root}/api/next?page=2") == 200
        host = bank.root.removeprefix("http://")
        for url in (f"{thief.root}/api/x", f"http://{host}@{thief.root.removeprefix('http://')}/", f"https://{host}/"):
            with pytest.raises(FailJob):
                await get(client, url)
        for path in ("//evil.example/x", "@evil.example/x", ":1/x", "x?next=http://evil.example/"):
            await get(client, path)
        assert thief.api_seen == []
        assert len(bank.api_seen) == 5


async def test_the_batch_endpoint_is_an_address_of_its_own(database: Pool, bank: Bank) -> None:
    """A batch goes to the batch address, with an empty path as it is."""
    connection_id = await consented(database)
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        response = await client.request("POST", "", endpoint="batch", data=b"--b", headers={"Content-Type": "x/y"})
    assert response.json() == {"path": "/batch"}
    assert bank.api_seen[0].headers["Content-Type"] == "x/y"


async def test_another_workspaces_connection_is_not_there(database: Pool, bank: Bank) -> None:
    """Opening by an id of another tenant fails like an id that nobody has."""
    connection_id = await consented(database)
    async with daemon(database, bank) as connections:
        for workspace_id, wanted in ((OTHER_WORKSPACE, connection_id), (WORKSPACE, uuid4())):
            with pytest.raises(FailJob, match="has no connection"):
                await connections.open(workspace_id, wanted)


async def test_plugins_see_their_workspace_and_no_secret(database: Pool) -> None:
    """Statements of plugins see connections and cursors of their workspace only, and secrets never."""
    mine = await consented(database)
    await consented(database, workspace_id=OTHER_WORKSPACE)
    async with transaction(database, role="crmd_app") as connection:
        assert [account.id for account in await accounts.listed(connection)] == [mine]
        assert await store.set_cursor(connection, mine, "history", 7, expected=None)
        await store.mark_synced(connection, mine, items=3)
        await connection.execute("SELECT set_config('crmd.workspace_id', '', true)")
        assert await accounts.listed(connection) == []
        assert await connection.fetch("SELECT * FROM crmd.cursor") == []
        for statement in (
            "SELECT * FROM crmd.connection_secret",
            "UPDATE crmd.connection SET state = 'active'",
            "UPDATE crmd.connection SET endpoints = '{}'",
            "DELETE FROM crmd.connection",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute(statement)


async def test_a_job_moves_nothing_of_another_workspace(database: Pool) -> None:
    """Cursor and freshness of another tenant's connection stay, even where the engine's own role writes them."""
    theirs = await consented(database, workspace_id=OTHER_WORKSPACE)
    async with transaction(database) as connection:
        assert not await store.set_cursor(connection, theirs, "history", 7, expected=None)
        await store.mark_synced(connection, theirs, items=3)
    (account,) = await accounts.listed(database)
    assert (account.synced_items, account.last_synced_at) == (0, None)
    assert await store.cursor(database, OTHER_WORKSPACE, theirs, "history") is None


async def test_a_cursor_moves_from_what_was_seen(database: Pool, bank: Bank) -> None:
    """Of two syncs that started at the same cursor one moves it; the other is told and writes nothing."""
    connection_id = await consented(database)
    steps = [
        ({"id": 1}, {"id": 0}, False),
        ({"id": 1}, None, True),
        ({"id": 2}, None, False),
        ({"id": 2}, {"id": 1}, True),
        ({"id": 3}, {"id": 1}, False),
        (None, {"id": 1}, False),
        (None, {"id": 2}, True),
        (None, None, True),
    ]
    cursor = None
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        for value, expected, is_moved in steps:
            async with transaction(database) as tx:
                moved = await store.set_cursor(
                    tx, connection_id, "history", value, expected=expected, job_id=uuid4(), fence=4
                )
            assert moved is is_moved
            cursor = value if is_moved else cursor
            assert await client.cursor("history") == cursor


async def test_freshness_and_counts(database: Pool) -> None:
    """A committed sync shows when it was and adds to the count; a failed one shows why, and the next clears it."""
    connection_id = await consented(database)
    await store.mark_outcomes(database, {(WORKSPACE, connection_id): "provider down"})
    (account,) = await accounts.listed(database, provider="bank")
    assert (account.last_error, account.last_synced_at) == ("provider down", None)
    async with transaction(database) as tx:
        await store.mark_synced(tx, connection_id, items=40)
        await store.mark_synced(tx, connection_id, items=2)
    (account,) = await accounts.listed(database, workspace_id=WORKSPACE)
    assert (account.last_error, account.synced_items) == (None, 42)
    assert account.last_synced_at is not None
    assert await accounts.listed(database, provider="other") == []


async def test_who_listens_is_told_once(database: Pool) -> None:
    """A consent and a lost grant are events of the workspace; a grant that stays lost is told once."""
    connection_id = await consented(database, user_id=UUID(int=9))
    for _ in range(3):
        await store.mark_needs_reauth(database, WORKSPACE, connection_id, "gone")
    await consented(database)
    told = await events(database)
    assert [name for name, _ in told] == ["account.connected", "account.needs_reauth", "account.connected"]
    assert [data.get("isNew") for _, data in told] == [True, None, False]
    assert {data["connectionId"] for _, data in told} == {str(connection_id)}
    assert told[2][1]["userId"] == str(UUID(int=9))
    assert await database.fetchval("SELECT count(*) FROM crmd.event WHERE workspace_id = $1", WORKSPACE) == 3


async def test_an_operator_stops_and_releases_a_connection(database: Pool, bank: Bank) -> None:
    """A disabled connection keeps its jobs waiting until it is enabled; a lost grant cannot be enabled."""
    connection_id = await consented(database)
    async with daemon(database, bank) as connections:
        (account,) = await connections.active("bank")
        await disable(database, account)
        with pytest.raises(GateClosed, match="disabled"):
            await connections.open(WORKSPACE, connection_id)
        await store.mark_needs_reauth(database, WORKSPACE, connection_id, "late")
        assert await state_of(database, connection_id) == "disabled"
        assert await enable(database, account)
        assert await get(await connections.open(WORKSPACE, connection_id)) == 200
        await store.mark_needs_reauth(database, WORKSPACE, connection_id, "gone")
        assert not await enable(database, account)
        assert await state_of(database, connection_id) == "needs_reauth"


async def test_forgetting_leaves_nothing(database: Pool) -> None:
    """A forgotten connection takes its secrets, cursors and gate along, and no other one's."""
    connection_id, other = await consented(database), await consented(database, account="bob@bank.example")
    for each in (connection_id, other):
        async with transaction(database) as tx:
            await store.set_cursor(tx, each, "history", 1, expected=None)
        await store.mark_needs_reauth(database, WORKSPACE, each, "gone")
    account = await accounts.find(database, WORKSPACE, connection_id)
    assert account is not None
    await forget(database, account)
    for table in ("connection_secret", "cursor", "connection", "gate"):
        assert await database.fetchval(f"SELECT count(*) FROM crmd.{table}") == 1
    assert await database.fetchval("SELECT key FROM crmd.gate") == f"connection/{other}"


@pytest.mark.parametrize("name", ["refresh_token", "client_secret", "access_token"])
async def test_secrets_that_were_swapped_do_not_open(database: Pool, bank: Bank, name: str) -> None:
    """A secret that somebody copied from another row of the table is noticed, and no request goes out."""
    rest: dict[str, Any] = {"client_id": "client-1", "client_secret": Secret("canary-client-secret")}
    grant = Grant(Secret("canary-at"), lifetime_seconds=10_000 if name == "access_token" else 1)
    mine = await consented(database, grant=grant, **rest)
    theirs = await consented(database, workspace_id=OTHER_WORKSPACE, grant=grant, **rest)
    await database.execute(
        "UPDATE crmd.connection_secret AS s SET ciphertext = o.ciphertext FROM crmd.connection_secret AS o"
        " WHERE s.connection_id = $1 AND o.connection_id = $2 AND s.name = $3 AND o.name = $3",
        mine,
        theirs,
        name,
    )
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, mine)
        with pytest.raises(SealBroken):
            await get(client)
    assert (bank.refreshes, bank.api_seen) == (0, [])


async def test_master_keys_rotate_in_service(database: Pool, bank: Bank) -> None:
    """Rotation moves every secret to the new key in batches, beside a refresh; then the old key is not needed."""
    ids = [await consented(database, account=f"a{number}@bank.example") for number in range(5)]
    both = Vault([NEW_KEY, OLD_KEY])
    async with daemon(database, bank, vault=both) as connections:
        assert await rotate_once(database, both, batch_max=2) == 2
        assert await get(await connections.open(WORKSPACE, ids[4])) == 200
        while await connections.upkeep_once(batch_max=2):
            pass
    new = Vault([NEW_KEY])
    assert [await stored(database, each, "refresh_token", new) for each in ids[:4]] == ["canary-rt-0"] * 4
    assert await stored(database, ids[4], "refresh_token", new) == "canary-rt-1"


async def test_rotation_never_undoes_a_newer_secret(database: Pool) -> None:
    """A secret that is replaced between a rotation's read and its write stays replaced."""
    connection_id = await consented(database)
    both = Vault([NEW_KEY, OLD_KEY])

    class Racing:
        """The pool of a rotation that is overtaken right after it has read."""

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the pool has
            return getattr(database, name)

        async def fetch(self, query: str, *args: object) -> list[Any]:
            """Read, and be overtaken."""
            rows = await database.fetch(query, *args)
            await consented(database, vault=both, refresh_token=Secret("canary-rt-newer"))
            return rows

    assert await rotate_once(Racing(), both) == 1
    assert await stored(database, connection_id, "refresh_token", both) == "canary-rt-newer"


async def test_no_secret_leaves_the_vault(database: Pool, bank: Bank, caplog: pytest.LogCaptureFixture) -> None:
    """After everything that can go wrong, no log, error, repr or row of the database holds a token or secret."""
    caplog.set_level(logging.DEBUG)
    connection_id = await consented(database, grant=Grant(Secret("canary-at"), lifetime_seconds=1))
    shown: list[str] = []
    async with daemon(database, bank) as connections:
        client = await connections.open(WORKSPACE, connection_id)
        shown.append(f"{client!r} {vars(client)}")
        assert await get(client) == 200
        shown.append(f"{vars(client)}")
        bank.api_faults = [(401, {}), (429, {"Retry-After": "900"})]
        bank.faults = [(500, {"error": "canary"})]
        for _ in range(4):
            try:
                await get(client)
            except (RetryJob, GateClosed, FailJob) as error:
                shown.append("".join(traceback.format_exception(error)))
            await gates.reopen(database, f"connection/{connection_id}")
        bank.is_revoked = True
        bank.access_tokens.clear()
        with pytest.raises(GateClosed) as caught:
            await get(client)
        shown.append("".join(traceback.format_exception(caught.value)))
    tables = ("connection", "connection_secret", "gate", "cursor", "bucket")
    shown += [str(await database.fetch(f"SELECT t::text FROM crmd.{table} AS t")) for table in tables]
    assert await state_of(database, connection_id) == "needs_reauth"
    assert "v1." in "".join(shown)
    assert "canary" not in "".join(shown) + caplog.text


async def test_a_failing_account_is_tried_by_one_daemon(database: Pool, bank: Bank) -> None:
    """Calls of two daemons that fail in a row close the account's gate; a refusal slows its bucket for both."""
    connection_id = await consented(database)
    rate = Rate(600, per_seconds=60, burst=100)
    async with daemon(database, bank, rate=rate) as one, daemon(database, bank, rate=rate) as two:
        clients = [await connections.open(WORKSPACE, connection_id) for connections in (one, two)]
        assert [await get(client) for client in clients] == [200, 200]
        bank.api_faults += [(503, {})] * 100
        for turn in range(5):
            with pytest.raises((RetryJob, GateClosed)):
                await get(clients[turn % 2])
        asked = len(bank.api_seen)
        for client in clients:
            with pytest.raises(GateClosed) as caught:
                await get(client)
            assert caught.value.key == f"connection/{connection_id}"
        assert len(bank.api_seen) == asked
        assert await gates.reopen(database, f"connection/{connection_id}")
        bank.api_faults[:] = [(429, {"Retry-After": "120"})]
        with pytest.raises(GateClosed):
            await get(clients[0])
    [bucket] = await limits.list_rates(database)
    assert (bucket["name"], bucket["pace"]) == ("bank/default/ann@bank.example", pytest.approx(0.5, abs=0.01))
    assert await state_of(database, connection_id) == "throttled"
