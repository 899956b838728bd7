"""The OAuth endpoints of the sandbox."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import aiohttp
import pytest

from crmd.testing.sandbox import GmailSandbox, OAuthRules, StoppedClock

CLIENT = {"client_id": "sandbox-client", "client_secret": "sandbox-client-secret"}
VERIFIER = "a-verifier-of-more-than-forty-three-characters-0123456789"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
READONLY = "https://www.googleapis.com/auth/gmail.readonly"
Answer = tuple[int, dict[str, object]]


async def token(sandbox: GmailSandbox, **form: str) -> Answer:
    """Ask the token endpoint."""
    async with aiohttp.ClientSession() as http, http.post(sandbox.token_url, data={**CLIENT, **form}) as response:
        return response.status, await response.json()


async def agree(sandbox: GmailSandbox, **more: str) -> dict[str, str]:
    """Go through the authorize page and give the parameters of the redirect."""
    asked = {
        "client_id": CLIENT["client_id"],
        "response_type": "code",
        "redirect_uri": "http://127.0.0.1:9/back",
        "scope": READONLY,
        "access_type": "offline",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "state": "s1",
        **more,
    }
    async with (
        aiohttp.ClientSession() as http,
        http.get(sandbox.authorize_url, params=asked, allow_redirects=False) as response,
    ):
        return dict(parse_qsl(urlsplit(response.headers.get("Location", "")).query))


async def redeem(sandbox: GmailSandbox, code: str, verifier: str = VERIFIER) -> Answer:
    """Change a code into tokens."""
    return await token(
        sandbox,
        grant_type="authorization_code",
        code=code,
        redirect_uri="http://127.0.0.1:9/back",
        code_verifier=verifier,
    )


async def test_refresh_as_google_does() -> None:
    """A refresh gives an access token for 3599 seconds and no new refresh token."""
    async with GmailSandbox.running() as sandbox:
        account = sandbox.add_account("jana@nordwerk.example")
        status, answer = await token(sandbox, grant_type="refresh_token", refresh_token=account.refresh_token)
        assert (status, answer["expires_in"], answer["token_type"]) == (200, 3599, "Bearer")
        assert "refresh_token" not in answer
        assert sandbox.grants.family_of(str(answer["access_token"])) is not None


async def test_revoked_grant_is_invalid_grant() -> None:
    """After the user takes the consent back, a refresh is refused with 400 invalid_grant and access tokens are dead."""
    async with GmailSandbox.running() as sandbox:
        account = sandbox.add_account("jana@nordwerk.example")
        _, before = await token(sandbox, grant_type="refresh_token", refresh_token=account.refresh_token)
        sandbox.grants.revoke_subject(account.email)
        status, answer = await token(sandbox, grant_type="refresh_token", refresh_token=account.refresh_token)
        assert (status, answer["error"]) == (400, "invalid_grant")
        assert sandbox.grants.family_of(str(before["access_token"])) is None


async def test_revoke_endpoint_ends_the_consent() -> None:
    """A token given back at the revoke endpoint opens nothing any more; giving it back twice still answers."""
    async with GmailSandbox.running() as sandbox, aiohttp.ClientSession() as http:
        account = sandbox.add_account("jana@nordwerk.example")
        async with http.post(sandbox.revoke_url, data={"token": account.refresh_token}) as response:
            assert response.status == 200
        async with http.post(sandbox.revoke_url, data={"token": "unknown"}) as response:
            assert response.status == 400
        status, _ = await token(sandbox, grant_type="refresh_token", refresh_token=account.refresh_token)
        assert status == 400


@pytest.mark.parametrize("wrong", [{"client_id": "other"}, {"client_secret": "other"}])
async def test_wrong_client_is_401(wrong: dict[str, str]) -> None:
    """A wrong client id or secret is the operator's fault: 401 invalid_client."""
    async with GmailSandbox.running() as sandbox:
        account = sandbox.add_account("jana@nordwerk.example")
        form = {"grant_type": "refresh_token", "refresh_token": account.refresh_token, **wrong}
        status, answer = await token(sandbox, **form)
        assert (status, answer["error"]) == (401, "invalid_client")


async def test_code_flow_with_pkce() -> None:
    """A code is redeemed once, with its verifier, and gives a refresh token that works."""
    async with GmailSandbox.running() as sandbox:
        sandbox.add_account("jana@nordwerk.example")
        back = await agree(sandbox)
        assert back["state"] == "s1"
        status, answer = await redeem(sandbox, back["code"])
        assert (status, answer["scope"]) == (200, READONLY)
        status, _ = await token(sandbox, grant_type="refresh_token", refresh_token=str(answer["refresh_token"]))
        assert status == 200
        assert (await redeem(sandbox, back["code"]))[1]["error"] == "invalid_grant"


async def test_wrong_verifier_is_refused() -> None:
    """A code without the verifier of its challenge is worth nothing, and is used up by the attempt."""
    async with GmailSandbox.running() as sandbox:
        sandbox.add_account("jana@nordwerk.example")
        back = await agree(sandbox)
        assert (await redeem(sandbox, back["code"], "x" * 50))[0] == 400
        assert (await redeem(sandbox, back["code"]))[0] == 400


async def test_second_consent_needs_the_prompt() -> None:
    """Google gives a refresh token at the first consent, and again only with prompt=consent."""
    async with GmailSandbox.running() as sandbox:
        sandbox.add_account("jana@nordwerk.example")
        answers = []
        for more in ({}, {}, {"prompt": "consent"}):
            back = await agree(sandbox, **more)
            answers.append("refresh_token" in (await redeem(sandbox, back["code"]))[1])
        assert answers == [True, False, True]


async def test_denied_consent_comes_back_as_an_error() -> None:
    """A user who refuses is sent back with error=access_denied and the state."""
    async with GmailSandbox.running() as sandbox:
        sandbox.add_account("jana@nordwerk.example")
        sandbox.oauth.is_consent_denied = True
        assert await agree(sandbox) == {"error": "access_denied", "state": "s1"}


async def test_plain_pkce_is_a_violation() -> None:
    """A challenge that is not S256 is refused and noted."""
    async with GmailSandbox.running() as sandbox:
        sandbox.add_account("jana@nordwerk.example")
        assert await agree(sandbox, code_challenge_method="plain") == {}
        assert "S256" in sandbox.log.violations[0]


async def test_device_flow() -> None:
    """A device code is pending, slowed down when asked too soon, and gives tokens once the user agreed."""
    clock = StoppedClock(datetime(2026, 3, 1, tzinfo=UTC))
    device_grant = "urn:ietf:params:oauth:grant-type:device_code"
    async with GmailSandbox.running(now=clock) as sandbox, aiohttp.ClientSession() as http:
        account = sandbox.add_account("jana@nordwerk.example")
        asked = {"client_id": CLIENT["client_id"], "scope": READONLY}
        async with http.post(sandbox.device_url, data=asked) as response:
            device = await response.json()

        async def poll() -> Answer:
            return await token(sandbox, grant_type=device_grant, device_code=device["device_code"])

        assert (await poll())[1]["error"] == "authorization_pending"
        assert (await poll())[1]["error"] == "slow_down"
        sandbox.grants.decide_device(device["user_code"], account.email)
        clock.advance(6)
        status, answer = await poll()
        assert status == 200
        assert "refresh_token" in answer
        assert (await poll())[1]["error"] == "invalid_grant"


async def test_device_codes_expire_and_can_be_denied() -> None:
    """A refused device code says access_denied, an old one expired_token."""
    clock = StoppedClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with GmailSandbox.running(now=clock) as sandbox:
        code, device = sandbox.grants.start_device(frozenset({READONLY}))
        sandbox.grants.decide_device(device.user_code, None)
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        assert (await token(sandbox, grant_type=grant, device_code=code))[1]["error"] == "access_denied"
        clock.advance(1801)
        assert (await token(sandbox, grant_type=grant, device_code=code))[1]["error"] == "expired_token"


async def test_rotation_takes_reuse_as_theft() -> None:
    """With rotation each refresh gives a new token, and using an old one kills the whole family."""
    async with GmailSandbox.running(rules=OAuthRules(rotates=True)) as sandbox:
        first = sandbox.add_account("jana@nordwerk.example").refresh_token
        _, answer = await token(sandbox, grant_type="refresh_token", refresh_token=first)
        second = str(answer["refresh_token"])
        assert (await token(sandbox, grant_type="refresh_token", refresh_token=first))[0] == 400
        assert (await token(sandbox, grant_type="refresh_token", refresh_token=second))[0] == 400


async def test_json_to_the_token_endpoint_is_a_violation() -> None:
    """The token endpoint takes forms only, and notes anything else."""
    async with (
        GmailSandbox.running() as sandbox,
        aiohttp.ClientSession() as http,
        http.post(sandbox.token_url, json={"grant_type": "refresh_token"}) as response,
    ):
        assert response.status == 400
        assert "Content-Type" in sandbox.log.violations[0]


async def test_access_tokens_end_with_the_clock() -> None:
    """An access token is dead the moment its life is over."""
    clock = StoppedClock(datetime(2026, 3, 1, tzinfo=UTC))
    async with GmailSandbox.running(now=clock) as sandbox:
        account = sandbox.add_account("jana@nordwerk.example")
        _, answer = await token(sandbox, grant_type="refresh_token", refresh_token=account.refresh_token)
        clock.advance(3598)
        assert sandbox.grants.family_of(str(answer["access_token"])) is not None
        clock.advance(1)
        assert sandbox.grants.family_of(str(answer["access_token"])) is None


async def test_the_log_keeps_no_secrets() -> None:
    """Codes and tokens in a query are not kept in the request log."""
    async with GmailSandbox.running() as sandbox:
        sandbox.add_account("jana@nordwerk.example")
        await agree(sandbox, state="very-secret-state")
        assert "very-secret-state" not in repr(sandbox.log.requests)
        assert sandbox.log.paths() == ["GET /o/oauth2/v2/auth"]


async def test_the_device_page_agrees() -> None:
    """Opening the verification page with the user code agrees, so that a person or a script can end the flow."""
    async with GmailSandbox.running() as sandbox, aiohttp.ClientSession() as http:
        sandbox.add_account("jana@nordwerk.example")
        asked = {"client_id": CLIENT["client_id"], "scope": READONLY}
        async with http.post(sandbox.device_url, data=asked) as response:
            device = await response.json()
        statuses = []
        for code in ("WRONG", device["user_code"]):
            async with http.get(device["verification_url"], params={"user_code": code}) as response:
                statuses.append(response.status)
        assert statuses == [404, 200]
        grant = "urn:ietf:params:oauth:grant-type:device_code"
        assert (await token(sandbox, grant_type=grant, device_code=device["device_code"]))[0] == 200
