from __future__ import annotations

import base64
import hashlib
import json
import logging
import traceback
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import anyio
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from crmd.connections.consent import Loopback, authorize_url, challenge_of, consent_in_browser
from crmd.connections.device import DeviceCode, consent_by_code
from crmd.connections.oauth import Grant, Refusal, Trouble, operator_fault, read_answer, refresh, revoke
from crmd.connections.provider import ClientCredentials, Provider, with_endpoints
from crmd.errors import ConfigError, CrmdError, ExitCode, RetryJob, UnreachableError, UsageError
from crmd.http import GuardedClient, HttpPolicy, Response
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import TaskGroup

CLIENT = ClientCredentials("client-1", Secret("canary-client-secret"))
GRANT = {"access_token": "canary-at", "refresh_token": "canary-rt", "expires_in": 3599, "scope": "a b"}
ALL_SCOPES = ("mail.read", "mail.send")
Answers = list[tuple[int, object]]


class TokenEndpoint:
    """Answers forms from a script and keeps what it was sent."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.forms: list[dict[str, str]] = []
        self.provider = Provider(name="fake", token_url="", api_url="")

    async def answer(self, request: web.Request) -> web.Response:
        """The next answer of the script."""
        assert request.content_type == "application/x-www-form-urlencoded"
        assert request.method == "POST"
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        status, body = self.answers.pop(0)
        text = body if isinstance(body, str) else json.dumps(body)
        return web.Response(status=status, text=text, content_type="application/json")


async def no_sleep(_: float) -> None:
    """A pause that takes no time."""


@asynccontextmanager
async def endpoint(*answers: tuple[int, object]) -> AsyncIterator[tuple[TokenEndpoint, GuardedClient]]:
    """A fake provider and a client that may talk to it."""
    fake = TokenEndpoint(list(answers))
    app = web.Application()
    app.router.add_post("/{name}", fake.answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        root = f"http://127.0.0.1:{runner.addresses[0][1]}"
        fake.provider = Provider(
            name="fake",
            token_url=f"{root}/token",
            device_url=f"{root}/device",
            revoke_url=f"{root}/revoke",
            authorize_url=f"{root}/authorize",
            api_url=root,
            scopes=ALL_SCOPES,
            extra_authorize_params={"access_type": "offline"},
        )
        async with GuardedClient("none", policy=HttpPolicy(wait_seconds_max=0), sleep=no_sleep) as http:
            yield fake, http
    finally:
        await runner.cleanup()


def answer_of(status: int, body: object) -> Grant | Refusal:
    """What the token endpoint's answer means."""
    return read_answer(Response(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode(), "h"))


@pytest.mark.parametrize(
    ("status", "body", "trouble"),
    [
        (400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, "NEEDS_CONSENT"),
        (400, {"error": "invalid_grant", "error_codes": [70008], "suberror": "x"}, "NEEDS_CONSENT"),
        (400, {"error": "interaction_required"}, "NEEDS_CONSENT"),
        (400, {"error": "consent_required"}, "NEEDS_CONSENT"),
        (401, {"error": "invalid_client"}, "MISCONFIGURED"),
        (400, {"error": "unauthorized_client"}, "MISCONFIGURED"),
        (400, {"error": "invalid_scope"}, "MISCONFIGURED"),
        (404, b"<html>", "MISCONFIGURED"),
        (302, b"", "MISCONFIGURED"),
        (400, {"error": "temporarily_unavailable"}, "TRY_AGAIN"),
        (400, {"error": "authorization_pending"}, "PENDING"),
        (400, {"error": "slow_down"}, "SLOW_DOWN"),
        (500, {"error": "invalid_grant"}, "TRY_AGAIN"),
        (503, b"", "TRY_AGAIN"),
        (429, {}, "TRY_AGAIN"),
        (200, b"<html>", "TRY_AGAIN"),
        (200, {"access_token": ""}, "TRY_AGAIN"),
        (200, {"token_type": "Bearer"}, "TRY_AGAIN"),
        (200, b"[" * 100_000, "TRY_AGAIN"),
    ],
)
def test_answers_are_read_by_their_code(status: int, body: object, trouble: str) -> None:
    """Only a lost grant needs the user, only a wrong client the operator; everything passing is tried again."""
    answer = answer_of(status, body)
    assert isinstance(answer, Refusal)
    assert answer.trouble is Trouble[trouble]


def test_the_description_decides_nothing() -> None:
    """A description that mentions another error changes nothing, and is never shown."""
    answer = answer_of(400, {"error": "invalid_scope", "error_description": "invalid_grant canary-rt"})
    assert answer == Refusal(Trouble.MISCONFIGURED, "invalid_scope")


@given(st.text(max_size=60), st.integers(min_value=100, max_value=599))
def test_a_strange_code_is_not_repeated(code: str, status: int) -> None:
    """Whatever text an endpoint sends as its code, what we show is short, plain ASCII."""
    answer = answer_of(status, {"error": code, "access_token": 5})
    assert isinstance(answer, Refusal)
    assert answer.code.replace("_", "").isascii()
    assert len(answer.code) <= 40


@pytest.mark.parametrize(
    ("given_seconds", "seconds"),
    [(3599, 3599), ("3599", 3599), (None, None), (-1, None), (0, None), ("soon", None), ("inf", None), ("nan", None)],
)
def test_lifetimes_are_read_leniently(given_seconds: object, seconds: float | None) -> None:
    """A lifetime sent as text counts; one that is none counts as unknown."""
    answer = answer_of(200, {"access_token": "a", "expires_in": given_seconds})
    assert isinstance(answer, Grant)
    assert answer.lifetime_seconds == seconds


def test_a_refresh_answer_may_keep_the_refresh_token() -> None:
    """An answer without a refresh token means the one in use stays; with one, it is replaced."""
    answer = answer_of(200, {"access_token": "a", "scope": "x y"})
    assert answer == Grant(Secret("a"), None, None, ("x", "y"))
    rotated = answer_of(200, GRANT)
    assert isinstance(rotated, Grant)
    assert rotated.refresh_token == Secret("canary-rt")


async def test_a_refresh_sends_what_the_protocol_asks_for() -> None:
    """The form names grant type, token and client, and nothing else."""
    async with endpoint((200, GRANT)) as (fake, http):
        assert isinstance(await refresh(http, fake.provider, CLIENT, Secret("canary-rt")), Grant)
    assert fake.forms == [
        {
            "grant_type": "refresh_token",
            "refresh_token": "canary-rt",
            "client_id": "client-1",
            "client_secret": "canary-client-secret",
        }
    ]


async def test_a_client_without_a_secret_sends_none() -> None:
    """A public client is told by its id alone."""
    async with endpoint((200, GRANT)) as (fake, http):
        await refresh(http, fake.provider, ClientCredentials("public"), Secret("rt"))
    assert "client_secret" not in fake.forms[0]


async def test_a_refresh_is_sent_once() -> None:
    """A token endpoint that fails is not asked twice with one refresh token: rotation would revoke the grant."""
    async with endpoint((500, "oops"), (200, GRANT)) as (fake, http):
        answer = await refresh(http, fake.provider, CLIENT, Secret("rt"))
    assert answer == Refusal(Trouble.TRY_AGAIN, "status_500")
    assert len(fake.forms) == 1


async def test_revoking() -> None:
    """A grant is given back where the provider offers it, and a failure is no surprise."""
    async with endpoint((200, {}), (400, {})) as (fake, http):
        assert await revoke(http, fake.provider, CLIENT, Secret("rt"))
        assert not await revoke(http, fake.provider, CLIENT, Secret("rt"))
        gone = with_endpoints(fake.provider, {"revoke_url": "http://127.0.0.1:1/"})
        assert not await revoke(http, gone, CLIENT, Secret("rt"))
    assert fake.forms[0]["token"] == "rt"


def test_a_settings_address_replaces_the_built_in_one() -> None:
    """Every address of a provider is a setting; empty ones replace nothing, unknown ones are an error."""
    provider = Provider(name="p", token_url="https://a/t", api_url="https://a/")
    changed = with_endpoints(provider, {"token_url": "http://127.0.0.1:9/t", "api_url": None, "batch_url": ""})
    assert (changed.token_url, changed.api_url) == ("http://127.0.0.1:9/t", "https://a/")
    with pytest.raises(ConfigError, match="tokenurl"):
        with_endpoints(provider, {"tokenurl": "x"})


def test_the_challenge_is_the_rfcs() -> None:
    """The S256 challenge matches the example of RFC 7636, appendix B."""
    assert challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_consent_page_gets_all_it_needs() -> None:
    """The address holds scope, state, challenge and the provider's extras, after a query that is there already."""
    provider = Provider(
        name="p",
        token_url="t",
        api_url="a",
        authorize_url="https://a/o?x=1",
        scopes=ALL_SCOPES,
        extra_authorize_params={"prompt": "consent"},
    )
    redirect_uri = "http://127.0.0.1:5/callback"
    url = authorize_url(provider, "c", redirect_uri=redirect_uri, state="s", verifier="v", login_hint="u@x")
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert query == {
        "x": "1",
        "response_type": "code",
        "client_id": "c",
        "redirect_uri": redirect_uri,
        "scope": "mail.read mail.send",
        "state": "s",
        "code_challenge": challenge_of("v"),
        "code_challenge_method": "S256",
        "prompt": "consent",
        "login_hint": "u@x",
    }


@dataclass
class Browser:
    """A user with a browser: goes where it is shown, and to the redirect with each of the answers.

    Args:
        tasks: Where its visits run.
        answers: What the redirect brings, visit by visit, over code and state.
    """

    tasks: TaskGroup
    answers: tuple[dict[str, str], ...] = ({},)
    shown: list[str] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def show(self, url: str) -> None:
        """Called with the address of the consent page."""
        self.shown.append(url)
        self.tasks.start_soon(self.visit, url)

    async def visit(self, url: str) -> None:
        """Follow the redirects."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
        async with aiohttp.ClientSession() as session:
            for answer in self.answers:
                params = {"code": "code-1", "state": query["state"], **answer}
                async with session.get(query["redirect_uri"], params=params) as page:
                    assert page.headers["Referrer-Policy"] == "no-referrer"
                    assert "code-1" not in await page.text()
                    self.statuses.append(page.status)


async def test_consent_in_a_browser() -> None:
    """The code is exchanged with the verifier of the shown challenge and the same redirect address."""
    async with endpoint((200, GRANT)) as (fake, http), anyio.create_task_group() as tasks:
        browser = Browser(tasks)
        grant = await consent_in_browser(http, fake.provider, CLIENT, show=browser.show)
    query = parse_qs(urlsplit(browser.shown[0]).query)
    form = fake.forms[0]
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).decode().rstrip("=") == query["code_challenge"][0]
    assert (form["grant_type"], form["code"]) == ("authorization_code", "code-1")
    assert form["redirect_uri"] == query["redirect_uri"][0]
    assert urlsplit(form["redirect_uri"]).hostname == "127.0.0.1"
    assert grant.refresh_token == Secret("canary-rt")


async def test_a_wrong_state_is_refused_and_the_wait_goes_on() -> None:
    """Another page cannot slip us its code; the real answer still counts."""
    forged: tuple[dict[str, str], ...] = ({"state": "forged", "code": "evil"}, {"state": "é", "code": "evil"}, {})
    async with endpoint((200, GRANT)) as (fake, http), anyio.create_task_group() as tasks:
        browser = Browser(tasks, forged)
        await consent_in_browser(http, fake.provider, CLIENT, show=browser.show)
    assert browser.statuses[:2] == [400, 400]
    assert fake.forms[0]["code"] == "code-1"


async def test_a_refused_consent_says_so() -> None:
    """A user who declines ends the wait at once."""
    async with endpoint() as (fake, http), anyio.create_task_group() as tasks:
        browser = Browser(tasks, ({"error": "access_denied"},))
        with pytest.raises(CrmdError, match="refused"):
            await consent_in_browser(http, fake.provider, CLIENT, show=browser.show)
    assert fake.forms == []


async def test_an_answer_without_a_code_is_a_refusal() -> None:
    """A redirect that brings neither code nor error ends the wait, too."""
    async with Loopback.listening("s") as loopback:
        async with aiohttp.ClientSession() as session, session.get(loopback.redirect_uri, params={"state": "s"}):
            pass
        with pytest.raises(CrmdError, match="refused"):
            await loopback.code()


async def test_a_consent_has_an_end() -> None:
    """Nobody has to stop a command whose user went away, and its port is free again."""
    shown: list[str] = []
    async with endpoint() as (fake, http):
        with pytest.raises(CrmdError, match="Nobody consented"):
            await consent_in_browser(http, fake.provider, CLIENT, show=shown.append, timeout_seconds=0.05)
        redirect_uri = parse_qs(urlsplit(shown[0]).query)["redirect_uri"][0]
        with pytest.raises(RetryJob, match="cannot be reached"):
            await http.request("GET", redirect_uri)


async def test_a_grant_without_a_refresh_token_is_no_use() -> None:
    """A consent that ends with its access token is refused, with what to check."""
    async with endpoint((200, {"access_token": "a"})) as (fake, http), anyio.create_task_group() as tasks:
        with pytest.raises(ConfigError, match="no_refresh_token"):
            await consent_in_browser(http, fake.provider, CLIENT, show=Browser(tasks).show)


DEVICE = {"device_code": "canary-dc", "user_code": "ABCD", "verification_url": "https://g/device", "expires_in": 60}


async def by_code(*answers: tuple[int, object]) -> tuple[Any, list[float], list[DeviceCode], TokenEndpoint]:
    """A device consent against a script: what came of it, the pauses, what was shown, and the endpoint."""
    slept: list[float] = []
    shown: list[DeviceCode] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    async with endpoint(*answers) as (fake, http):
        outcome: Any
        try:
            outcome = await consent_by_code(http, fake.provider, CLIENT, show=shown.append, sleep=sleep)
        except CrmdError as error:
            outcome = error
    return outcome, slept, shown, fake


async def test_consent_by_device_code() -> None:
    """The daemon asks at the given pace, slower when told so, until the user is done."""
    pending, slower = (400, {"error": "authorization_pending"}), (400, {"error": "slow_down"})
    device = (200, {**DEVICE, "interval": 2})
    outcome, slept, shown, fake = await by_code(device, pending, slower, pending, (200, GRANT))
    assert outcome.refresh_token == Secret("canary-rt")
    assert slept == [2, 2, 7, 7]
    assert (shown[0].user_code, shown[0].verification_uri) == ("ABCD", "https://g/device")
    assert "canary" not in repr(shown)
    assert fake.forms[0]["scope"] == "mail.read mail.send"
    assert fake.forms[-1]["grant_type"] == "urn:ietf:params:oauth:grant-type:device_code"
    assert fake.forms[-1]["device_code"] == "canary-dc"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        ((400, {"error": "access_denied"}), "access_denied"),
        ((400, {"error": "expired_token"}), "expired_token"),
        ((401, {"error": "invalid_client"}), "OAuth client"),
    ],
)
async def test_a_device_consent_that_fails_ends(answer: tuple[int, object], word: str) -> None:
    """A refusal, a lapse or a wrong client ends the questions with a sentence."""
    outcome, slept, _, _ = await by_code((200, DEVICE), answer)
    assert word in str(outcome)
    assert slept == [5]


async def test_a_device_code_lapses() -> None:
    """After the code's life nobody is asked any more, even if the provider would go on saying "pending"."""
    outcome, slept, _, _ = await by_code((200, DEVICE), *[(400, {"error": "authorization_pending"})] * 20)
    assert "expired_token" in str(outcome)
    assert sum(slept) == 60


@pytest.mark.parametrize("answer", [(200, "[]"), (200, {**DEVICE, "interval": -1}), (500, ""), (400, {"error": "x"})])
async def test_an_odd_device_answer_is_one_sentence(answer: tuple[int, object]) -> None:
    """A device endpoint that answers nonsense ends in an operator's sentence."""
    outcome, _, _, _ = await by_code(answer)
    assert isinstance(outcome, CrmdError)


async def test_what_a_provider_does_not_offer_is_refused() -> None:
    """Asking for a way of consent without its address says which other way there is."""
    provider = Provider(name="p", token_url="t", api_url="a")
    async with GuardedClient("none") as http:
        with pytest.raises(UsageError, match="device code"):
            await consent_in_browser(http, provider, CLIENT, show=print)
        with pytest.raises(UsageError, match="browser"):
            await consent_by_code(http, provider, CLIENT, show=print)


def test_refusals_are_sentences_for_operators() -> None:
    """Each refusal has its exit code and a next step."""
    provider = Provider(name="p", token_url="t", api_url="a")
    wrong = operator_fault(provider, Refusal(Trouble.MISCONFIGURED, "invalid_client"))
    busy = operator_fault(provider, Refusal(Trouble.TRY_AGAIN, "status_503"))
    lost = operator_fault(provider, Refusal(Trouble.NEEDS_CONSENT, "invalid_grant"))
    assert (wrong.exit_code, busy.exit_code, lost.exit_code) == (ExitCode.CONFIG, ExitCode.TRY_AGAIN, ExitCode.FAILED)
    assert all(fault.hint for fault in (wrong, busy, lost))


async def test_no_secret_is_shown_when_the_endpoint_fails(caplog: pytest.LogCaptureFixture) -> None:
    """Errors and logs of a failing refresh hold neither tokens nor the client's secret."""
    caplog.set_level(logging.DEBUG)
    shown = []
    async with endpoint((500, "canary-answer"), (400, {"error": "canary-answer!"})) as (fake, http):
        token = Secret("canary-rt")
        for _ in range(2):
            answer = await refresh(http, fake.provider, CLIENT, token)
            assert isinstance(answer, Refusal)
            shown.append(str(operator_fault(fake.provider, answer)))
        gone = with_endpoints(fake.provider, {"token_url": "http://127.0.0.1:1/canary-path?canary-query"})
        try:
            await refresh(http, gone, CLIENT, token)
        except RetryJob as error:
            shown.append("".join(traceback.format_exception(error)))
        with pytest.raises(UnreachableError) as caught:
            await consent_by_code(http, with_endpoints(gone, {"device_url": gone.token_url}), CLIENT, show=print)
        shown.append("".join(traceback.format_exception(caught.value)))
    assert len(shown) == 4
    assert "canary" not in "".join(shown) + caplog.text
