from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import aiohttp
import anyio
import pytest

from crmd.connections.consent import consent_in_browser
from crmd.connections.device import DeviceCode, consent_by_code
from crmd.connections.keeping import Consent, keep
from crmd.connections.master_key import MasterKey
from crmd.connections.oauth import Grant, revoke
from crmd.connections.opening import Connections
from crmd.connections.provider import ClientCredentials, Provider
from crmd.connections.vault import Vault
from crmd.errors import CrmdError, GateClosed
from crmd.http import GuardedClient, Limiter
from crmd.secret import Secret
from crmd.testing.sandbox import GmailSandbox, OAuthRules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

ADDRESS = "jana@nordwerk.example"
SCOPE = "https://www.googleapis.com/auth/gmail.modify"
RULES = OAuthRules(rotates=True)
CLIENT = ClientCredentials(RULES.client_id, Secret(RULES.client_secret))
WORKSPACE = UUID(int=7)


def provider_of(sandbox: GmailSandbox) -> Provider:
    """The sandbox as a plugin would declare it."""
    return Provider(
        name="google",
        authorize_url=sandbox.authorize_url,
        token_url=sandbox.token_url,
        device_url=sandbox.device_url,
        revoke_url=sandbox.revoke_url,
        api_url=sandbox.api_url,
        batch_url=sandbox.batch_url,
        scopes=(SCOPE,),
        extra_authorize_params={"access_type": "offline", "prompt": "consent"},
        probe_path="/gmail/v1/users/me/profile",
    )


@asynccontextmanager
async def sandbox_and_client() -> AsyncIterator[tuple[GmailSandbox, GuardedClient]]:
    """A provider with one mailbox, and the client for the operator's addresses."""
    async with GmailSandbox.running(rules=RULES) as sandbox, GuardedClient("none") as http:
        sandbox.add_account(ADDRESS)
        yield sandbox, http


async def visit(url: str, **params: str) -> None:
    """What a browser and an agreeing user do; it follows redirects."""
    async with aiohttp.ClientSession() as session, session.get(url, params=params or None) as page:
        assert page.status == 200


async def in_browser(http: GuardedClient, provider: Provider) -> Grant:
    """A consent by authorization code and PKCE."""
    async with anyio.create_task_group() as tasks:

        def show(url: str) -> None:
            tasks.start_soon(visit, url)

        grant = await consent_in_browser(http, provider, CLIENT, show=show, login_hint=ADDRESS)
    return grant  # noqa: RET504 - mypy knows that a task group may swallow an exception, and with it the return


async def by_code(http: GuardedClient, provider: Provider) -> Grant:
    """A consent by device code."""
    shown: list[DeviceCode] = []

    async def agree(_: float) -> None:
        await visit(shown[0].verification_uri, user_code=shown[0].user_code)

    return await consent_by_code(http, provider, CLIENT, show=shown.append, sleep=agree)


@pytest.mark.parametrize("flow", [in_browser, by_code])
async def test_a_consent_leads_to_a_working_connection(
    database: Pool, flow: Callable[[GuardedClient, Provider], Awaitable[Grant]]
) -> None:
    """Each way of consent ends with a connection that reads the mailbox, at a server made by somebody else."""
    vault = Vault([MasterKey(b"k" * 32)])
    async with sandbox_and_client() as (sandbox, http):
        provider = provider_of(sandbox)
        grant = await flow(http, provider)
        assert grant.refresh_token is not None
        consent = Consent(
            workspace_id=WORKSPACE,
            provider="google",
            account=ADDRESS,
            refresh_token=grant.refresh_token,
            scopes=grant.scopes,
            grant=Grant(grant.access_token, lifetime_seconds=1),  # so that the first request has to refresh
        )
        connection_id = await keep(database, vault, consent)
        connections = Connections(
            database,
            http=http,
            vault=vault,
            limiter=Limiter(database),
            providers={"google": provider},
            credentials={"google": CLIENT},
        )
        profile = await (await connections.open(WORKSPACE, connection_id)).probe()
        assert profile is not None
        assert profile.json()["emailAddress"] == ADDRESS
        # With rotation the first refresh token is spent: the connection lives on the stored second one.
        client = await connections.open(WORKSPACE, connection_id)
        assert (await client.request("GET", "/gmail/v1/users/me/labels")).is_ok
        assert sandbox.log.violations == []


async def test_a_revoked_grant_parks_the_connection(database: Pool) -> None:
    """After the grant was given back at the provider, the next refresh parks the connection."""
    vault = Vault([MasterKey(b"k" * 32)])
    async with sandbox_and_client() as (sandbox, http):
        provider = provider_of(sandbox)
        token = (await in_browser(http, provider)).refresh_token
        assert token is not None
        consent = Consent(workspace_id=WORKSPACE, provider="google", account=ADDRESS, refresh_token=token)
        connection_id = await keep(database, vault, consent)
        assert await revoke(http, provider, CLIENT, token)
        connections = Connections(
            database,
            http=http,
            vault=vault,
            limiter=Limiter(database),
            providers={"google": provider},
            credentials={"google": CLIENT},
        )
        with pytest.raises(GateClosed, match="invalid_grant"):
            await (await connections.open(WORKSPACE, connection_id)).probe()


async def test_a_user_who_declines_gives_no_connection() -> None:
    """A declined consent ends both ways with a sentence."""
    async with sandbox_and_client() as (sandbox, http):
        sandbox.oauth.is_consent_denied = True
        for flow in (in_browser, by_code):
            with pytest.raises((CrmdError, ExceptionGroup)):
                await flow(http, provider_of(sandbox))
