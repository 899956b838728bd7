"""Consent in a browser: the authorization code with PKCE (RFC 7636), received on a loopback port (RFC 8252)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Self
from urllib.parse import urlencode, urlsplit

import anyio
from aiohttp import web

from crmd.connections.oauth import Grant, Refusal, Trouble, ask, operator_fault, read_answer
from crmd.errors import CrmdError, RetryJob, UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from crmd.connections.provider import ClientCredentials, Provider
    from crmd.http.client import GuardedClient

CONSENT_SECONDS = 300.0
CALLBACK_PATH = "/callback"
TOKEN_BYTES = 32
PAGE_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the callback's address holds the code
    "Content-Security-Policy": "default-src 'none'",
}
"""Of the page that the provider sends the user's browser back to."""


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def authorize_url(
    provider: Provider, client_id: str, *, redirect_uri: str, state: str, verifier: str, login_hint: str = ""
) -> str:
    """The address of the page where the user consents."""
    params = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(provider.scopes),
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        **provider.extra_authorize_params,
    }
    if login_hint:
        params["login_hint"] = login_hint
    separator = "&" if urlsplit(provider.authorize_url).query else "?"
    return f"{provider.authorize_url}{separator}{urlencode(params)}"


class Loopback:
    """A web server on 127.0.0.1 and a free port that waits for one redirect with the right state.

    Args:
        state: What the redirect must repeat; others are refused and the wait goes on.
    """

    def __init__(self, state: str) -> None:
        self._state = state
        self._answered = anyio.Event()
        self._code = ""
        self._error = ""
        self.redirect_uri = ""

    @classmethod
    @asynccontextmanager
    async def listening(cls, state: str) -> AsyncIterator[Self]:
        """Listen for as long as the block runs."""
        loopback = cls(state)
        app = web.Application()
        app.router.add_get(CALLBACK_PATH, loopback._callback)
        runner = web.AppRunner(app, access_log=None)  # its lines would hold the code
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            loopback.redirect_uri = f"http://127.0.0.1:{runner.addresses[0][1]}{CALLBACK_PATH}"
            yield loopback
        finally:
            await runner.cleanup()

    async def code(self) -> str:
        """The code, once the redirect has come.

        Raises:
            CrmdError: The user or the provider refused.
        """
        await self._answered.wait()
        if self._error:
            raise CrmdError("The consent was refused.", hint="Start again and choose to allow the access.")
        return self._code

    async def _callback(self, request: web.Request) -> web.Response:
        state = request.query.get("state", "")
        if not hmac.compare_digest(state.encode(), self._state.encode()) or self._answered.is_set():
            return web.Response(status=400, text="This is not the answer that crmd waits for.", headers=PAGE_HEADERS)
        self._code = request.query.get("code", "")
        self._error = request.query.get("error", "" if self._code else "no code")
        self._answered.set()
        text = "The consent was refused." if self._error else "Done. You can close this page."
        return web.Response(text=text, headers=PAGE_HEADERS)


async def consent_in_browser(
    http: GuardedClient,
    provider: Provider,
    credentials: ClientCredentials,
    *,
    show: Callable[[str], None],
    login_hint: str = "",
    timeout_seconds: float = CONSENT_SECONDS,
) -> Grant:
    """Show the user an address, wait for the consent and exchange its code.

    Args:
        http: Client for the operator's addresses.
        provider: Where.
        credentials: The OAuth client.
        show: Gets the address; it may open a browser.
        login_hint: The account to offer first.
        timeout_seconds: How long the user may take.

    Raises:
        CrmdError: It was refused, took too long, or is not offered.
    """
    if not provider.authorize_url:
        raise UsageError(f"{provider.name} offers no consent in a browser.", hint="Use its device code.")
    state, verifier = secrets.token_urlsafe(TOKEN_BYTES), secrets.token_urlsafe(TOKEN_BYTES)
    async with Loopback.listening(state) as loopback:
        show(
            authorize_url(
                provider,
                credentials.client_id,
                redirect_uri=loopback.redirect_uri,
                state=state,
                verifier=verifier,
                login_hint=login_hint,
            )
        )
        with anyio.move_on_after(timeout_seconds):
            code = await loopback.code()
            return await exchange(http, provider, credentials, code, verifier, loopback.redirect_uri)
    raise CrmdError(f"Nobody consented within {timeout_seconds:g} seconds.", hint="Start again.")


async def exchange(
    http: GuardedClient,
    provider: Provider,
    credentials: ClientCredentials,
    code: str,
    verifier: str,
    redirect_uri: str,
) -> Grant:
    """The grant that a code of the redirect stands for.

    Raises:
        CrmdError: It was refused, or the provider does not answer.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "code_verifier": verifier,
        "redirect_uri": redirect_uri,
    }
    try:
        answer = read_answer(await ask(http, provider.token_url, credentials, form))
    except RetryJob as error:
        raise UnreachableError(f"{error}.", hint="Check token_url, and start again.") from None
    return kept(provider, answer)


def kept(provider: Provider, answer: Grant | Refusal) -> Grant:
    """A grant that outlives its access token.

    Raises:
        CrmdError: It was refused, or holds no refresh token.
    """
    if isinstance(answer, Refusal):
        raise operator_fault(provider, answer)
    if answer.refresh_token is None:
        raise operator_fault(provider, Refusal(Trouble.MISCONFIGURED, "no_refresh_token"))
    return answer
