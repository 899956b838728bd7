from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import aiohttp
import msgspec
import pytest
import sample_jobs
from api_server import ApiServer, api_over

from crmd.connections.master_key import MasterKey
from crmd.connections.opening import Connections
from crmd.connections.provider import ClientCredentials, Provider
from crmd.connections.vault import Vault
from crmd.secret import Secret
from crmd.testing.sandbox import GmailSandbox, OAuthRules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
RULES = OAuthRules(rotates=True)
ADDRESS = "jana@nordwerk.example"


@asynccontextmanager
async def api_and_sandbox(workbench: Workbench) -> AsyncIterator[tuple[ApiServer, GmailSandbox]]:
    """The API of a daemon that has one provider, and that provider with one account."""
    async with GmailSandbox.running(rules=RULES) as sandbox:
        sandbox.add_account(ADDRESS)
        everything = workbench.everything
        everything.services.connections = Connections(
            everything.pools.control,
            http=everything.provider_http,
            vault=Vault([MasterKey(b"k" * 32)]),
            limiter=everything.services.limiter,
            providers={
                "google": Provider(
                    name="google",
                    authorize_url=sandbox.authorize_url,
                    token_url=sandbox.token_url,
                    api_url=sandbox.api_url,
                    scopes=("https://www.googleapis.com/auth/gmail.modify",),
                    extra_authorize_params={"access_type": "offline", "prompt": "consent"},
                    probe_path="/gmail/v1/users/me/profile",
                )
            },
            credentials={"google": ClientCredentials(RULES.client_id, Secret(RULES.client_secret))},
        )
        async with api_over(workbench) as api:
            yield api, sandbox


async def opened(url: str) -> tuple[int, str, str]:
    """What a browser and an agreeing user do: status, text and last address."""
    async with aiohttp.ClientSession() as session, session.get(url) as page:
        return page.status, await page.text(), str(page.url)


async def test_a_consent_over_rest_makes_a_connection(workbench: Workbench) -> None:
    """Begun with a key, agreed to in a browser, ended without a key: once; then it can be stopped and forgotten."""
    async with api_and_sandbox(workbench) as (api, _):
        workspace_id, user_id = uuid4(), uuid4()
        place = f"/api/workspaces/{workspace_id}/connections"
        key = await api.new_key("read", "enqueue", "manage", workspace_id=workspace_id)
        assert (await api.ask("GET", place, key=key)).body == {"connections": [], "providers": ["google"]}
        begun = await api.ask("POST", place, {"provider": "google", "userId": str(user_id)}, key=key)
        assert begun.status == 200
        status, text, address = await opened(begun.body["authorizeUrl"])
        assert (status, text) == (200, "Done. You can close this page.")
        assert (await opened(address))[0] == 404
        [made] = (await api.ask("GET", place, key=key)).body["connections"]
        assert (made["account"], made["state"], made["userId"]) == (ADDRESS, "active", str(user_id))
        own = f"{place}/{made['id']}"
        assert (await api.ask("POST", f"{own}/disable", {"reason": "leave"}, key=key)).body["state"] == "disabled"
        assert (await api.ask("POST", f"{own}/enable", {}, key=key)).body["state"] == "active"
        assert (await api.ask("POST", f"{own}/enable", {}, key=key)).status == 409
        other = await api.new_key("admin", workspace_id=uuid4())
        assert (await api.ask("DELETE", own, key=other)).status == 404
        assert (await api.ask("DELETE", own, key=key)).body == {"success": True}
        done = (await api.ask("GET", f"/api/workspaces/{workspace_id}/audit", key=key)).body["actions"]
        assert [one["action"] for one in done][-2:] == ["connections.disable", "connections.add"]
        assert done[-1]["actor"].startswith("api:key:")


async def test_a_consent_is_bound_to_who_began_it(workbench: Workbench) -> None:
    """A state that is made up, of another workspace or too old ends nothing, and neither does a refused consent."""
    async with api_and_sandbox(workbench) as (api, sandbox):
        workspace_id = uuid4()
        place = f"/api/workspaces/{workspace_id}/connections"
        begun = await api.ask("POST", place, {"provider": "google"})
        [state] = parse_qs(urlsplit(begun.body["authorizeUrl"]).query)["state"]
        callback = f"{api.address}/api/connections/callback"
        token = state.partition(".")[2]
        for wrong in ("", "x", f"{uuid4().hex}.{token}", f"{workspace_id.hex}.{'x' * 43}", f"{workspace_id.hex}.é"):
            assert (await opened(f"{callback}?code=c&state={wrong}"))[0] in {404, 422}
        await workbench._pool.execute("UPDATE crmd.api_answer SET created_at = created_at - interval '16 minutes'")
        assert (await opened(f"{callback}?code=c&state={state}"))[0] == 404
        sandbox.oauth.is_consent_denied = True
        again = await api.ask("POST", place, {"provider": "google"})
        status, text, _ = await opened(again.body["authorizeUrl"])
        assert (status, "refused" in text) == (409, True)
        nobody = await api.ask("POST", place, {"provider": "nobody"})
        assert (nobody.status, nobody.body["type"]) == (422, "urn:crmd:problem:invalid")
        assert (await api.ask("GET", place)).body["connections"] == []


async def test_the_way_back_is_as_it_is_set(workbench: Workbench) -> None:
    """Behind a proxy the provider sends browsers to the public address, and what is kept meanwhile is sealed."""
    async with api_and_sandbox(workbench) as (api, _):
        api.settings[0] = msgspec.structs.replace(api.settings[0], public_url="https://crm.example.com/")
        begun = await api.ask("POST", f"/api/workspaces/{UUID(int=7)}/connections", {"provider": "google"})
        [back] = parse_qs(urlsplit(begun.body["authorizeUrl"]).query)["redirect_uri"]
        assert back == "https://crm.example.com/api/connections/callback"
        row = await workbench._pool.fetchrow("SELECT key, body::text AS body FROM crmd.api_answer")
        assert row is not None
        assert not row["key"].isprintable()
        assert "verifier" not in row["body"]
