from __future__ import annotations

import contextlib
import gzip
import itertools
import logging
import traceback
import tracemalloc
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import anyio
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from crmd.backoff import Backoff
from crmd.errors import FailJob, GateClosed, NotAccepted, RetryJob
from crmd.http import (
    AddressRefused,
    AuthExpired,
    Final,
    Gate,
    GuardedClient,
    HttpPolicy,
    OutcomeUnknown,
    RateLimited,
    Response,
    Retryable,
    classify,
    refusal,
    served_at,
)
from crmd.http import client as client_module
from crmd.http.address import check_public_url
from crmd.store.gates import Closed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]

QUICK = HttpPolicy(
    deadline_seconds=20, body_bytes_max=1_000_000, backoff=Backoff(first_seconds=0.001, factor=1, cap_seconds=0.001)
)
CANARY = "canary-ya29.AccessToken"
MEBIBYTE = 1024 * 1024
ANYWHERE = "0.0.0.0"  # noqa: S104 - refused, never bound to


class FakeServer:
    """Answers from a script, one entry per request; the last one again and again."""

    def __init__(self, url: str, script: list[Answer]) -> None:
        self.url = url
        self.script = script
        self.seen: list[web.Request] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The next entry of the script."""
        self.seen.append(request)
        await request.read()
        answer = self.script[min(len(self.seen), len(self.script)) - 1]
        return await answer(request)


def says(status: int = 200, headers: Mapping[str, str] | None = None, body: bytes = b"{}") -> Answer:
    """A plain answer."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, body=body)

    return answer


async def cuts(request: web.Request) -> web.StreamResponse:
    """Announces a body and hangs up in its middle."""
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    await response.write(b"half")
    assert request.transport is not None
    request.transport.close()
    return response


async def trickles(request: web.Request) -> web.StreamResponse:
    """Sends its first byte and then nothing, for ever."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"x")
    await anyio.sleep_forever()
    return response


async def floods(request: web.Request) -> web.StreamResponse:
    """Sends chunks without end."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65_536)


async def hangs(_: web.Request) -> web.StreamResponse:
    """Never answers."""
    await anyio.sleep_forever()
    return web.Response()


@asynccontextmanager
async def serving(*script: Answer) -> AsyncIterator[FakeServer]:
    """A server on a free loopback port."""
    server = FakeServer("", list(script) or [says()])
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield server
    finally:
        await runner.cleanup()


class Door:
    """A gate that books what it is told, and how long the client slept."""

    def __init__(self) -> None:
        self.key = "connection/1"
        self.closed: list[tuple[float, str]] = []
        self.told: list[str] = []
        self.slept: list[float] = []
        self.stands_in_the_way: Closed | None = None
        self.gate: Gate = self

    async def close(self, seconds: float, reason: str) -> None:
        """Called instead of the database."""
        self.closed.append((seconds, reason))

    async def failed(self, reason: str, chance: float) -> None:
        """A call was given up."""
        assert reason
        assert 0 <= chance < 1
        self.told.append("failed")

    async def answered(self) -> None:
        """A call was answered."""
        self.told.append("answered")

    def tried(self) -> None:
        """A first try."""
        self.told.append("tried")

    async def repeatable(self) -> Closed | None:
        """Whether it may be sent again."""
        self.told.append("asked")
        return self.stands_in_the_way

    async def sleep(self, seconds: float) -> None:
        """Called instead of sleeping."""
        self.slept.append(seconds)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", ANYWHERE, "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254"),
        *("100.64.0.1", "192.0.0.8", "192.0.0.170", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.9"),
        *("192.88.99.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"),
        *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1"),
        *("2001::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "fe80::1", "fe80::1%eth0", "fc00::1"),
        *("fd00:ec2::254", "fec0::1", "ff02::1", "ff0e::1", "100::1", "5f00::1"),
        *("", "localhost", "2130706433", "0x7f.0.0.1", "0177.0.0.1", "127.1", "1.2.3.4.5"),
    ],
)
def test_addresses_off_the_public_internet_are_refused(address: str) -> None:
    """Loopback, private, link-local, metadata, multicast, reserved, tunnels to them and junk are refused."""
    assert refusal(address) is not None


@pytest.mark.parametrize(
    "address",
    ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"],
)
def test_public_addresses_pass(address: str) -> None:
    """The public internet can be reached, through the embedded forms of IPv4 too."""
    assert refusal(address) is None


@given(st.ip_addresses())
def test_the_guard_never_passes_what_python_calls_private(address: object) -> None:
    """Whatever else holds, an address that is private or loopback by the standard library is refused."""
    if getattr(address, "is_private", False) or getattr(address, "is_multicast", False):
        inner = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
        assert inner is not None or refusal(str(address)) is not None


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "ftp://example.com/", "file:///etc/passwd", "//example.com", "example.com", ""),
        *("https://user@example.com/", "https://u:p@example.com/", "https://example.com@10.0.0.1/"),
        *("https://example.com:22/", "https://example.com:80/", "https://example.com:99999/", "https://example.com:x/"),
        *("https:///path", "https://[::1", "https://" + "a" * 5000, "gopher://example.com:443/"),
    ],
)
def test_urls_that_are_not_for_the_web_are_refused(url: str) -> None:
    """Other schemes, ports and forms are refused before anything is looked up, without quoting the URL."""
    with pytest.raises(AddressRefused) as caught:
        check_public_url(url)
    assert "u:p" not in str(caught.value)


def test_public_urls_pass() -> None:
    """Plain https is what users give."""
    check_public_url("https://example.com/hook?x=1")
    check_public_url("https://bücher.example:8443/")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", ANYWHERE, "[::ffff:127.0.0.1]"],
)
async def test_the_second_wall_stands_alone(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even past the check of the URL, no name or spelling connects to this machine."""
    monkeypatch.setattr(client_module, "check_public_url", lambda _: None)
    async with serving() as server, GuardedClient("public", policy=QUICK) as client:
        with pytest.raises((AddressRefused, FailJob, RetryJob)):
            await client.request("GET", server.url.replace("127.0.0.1", host))
        assert server.seen == []


async def test_the_second_wall_says_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to a private address is a refusal, not a passing fault: the job fails at once."""
    monkeypatch.setattr(client_module, "check_public_url", lambda _: None)
    async with serving() as server, GuardedClient("public", policy=QUICK) as client:
        for host in ("127.0.0.1", "localhost"):
            with pytest.raises(AddressRefused):
                await client.request("GET", server.url.replace("127.0.0.1", host))


async def test_a_redirect_is_an_answer() -> None:
    """Redirects are returned, never followed."""
    async with serving() as inner, serving(says(302, {"Location": inner.url})) as server:
        async with GuardedClient("none", policy=QUICK) as client:
            assert (await client.request("GET", server.url)).status == 302
        assert inner.seen == []


async def test_the_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not used: it would see every token."""
    async with serving() as proxy, serving() as server, GuardedClient("none", policy=QUICK) as client:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert (await client.request("GET", server.url)).status == 200
        assert proxy.seen == []


async def test_cookies_are_not_kept() -> None:
    """One account's cookies are never sent with another account's requests."""
    async with serving(says(headers={"Set-Cookie": "session=1"})) as server:
        async with GuardedClient("none", policy=QUICK) as client:
            await client.request("GET", server.url)
            await client.request("GET", server.url)
        assert "Cookie" not in server.seen[1].headers


async def test_a_bomb_is_not_unpacked() -> None:
    """A small compressed body that unpacks to 50 MiB is refused, and memory stays small."""
    answer = says(headers={"Content-Encoding": "gzip"}, body=gzip.compress(b"\0" * (50 * MEBIBYTE)))
    async with serving(answer) as server, GuardedClient("none", policy=QUICK) as client:
        tracemalloc.start()  # the peak of the process may have been anywhere before
        try:
            with pytest.raises(FailJob, match="more than"):
                await client.request("GET", server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 20 * MEBIBYTE


@pytest.mark.parametrize("script", [floods, says(body=b"x" * 1_000_001)])
async def test_a_large_body_is_refused(script: Answer) -> None:
    """Neither an endless body nor an announced large one is read beyond the cap."""
    async with serving(script) as server, GuardedClient("none", policy=QUICK) as client:
        with pytest.raises(FailJob, match="more than 1000000 bytes"):
            await client.request("GET", server.url)


async def test_a_body_of_exactly_the_cap_passes() -> None:
    """The cap is inclusive."""
    async with serving(says(body=b"x" * 1_000_000)) as server, GuardedClient("none", policy=QUICK) as client:
        assert len((await client.request("GET", server.url)).body) == 1_000_000


@pytest.mark.parametrize("script", [hangs, trickles])
async def test_a_slow_server_meets_the_deadline(script: Answer) -> None:
    """A server that never ends its answer holds a slot no longer than the deadline."""
    async with serving(script) as server, GuardedClient("none", policy=QUICK) as client:
        with pytest.raises(RetryJob, match="did not answer within"):
            await client.request("GET", server.url, deadline_seconds=0.2)


@pytest.mark.parametrize("fault", [says(500), says(502), says(503), says(504), says(408), cuts])
async def test_passing_faults_of_a_read_are_tried_again(fault: Answer) -> None:
    """A read that fails in passing is sent again and its answer delivered."""
    async with serving(fault, fault, says(body=b'{"a":1}')) as server, GuardedClient("none", policy=QUICK) as client:
        assert (await client.request("GET", server.url)).json() == {"a": 1}
        assert len(server.seen) == 3


async def test_attempts_end() -> None:
    """A fault that does not pass is left to the job's own retry."""
    async with serving(says(503)) as server, GuardedClient("none", policy=QUICK) as client:
        with pytest.raises(RetryJob, match="keeps answering 503"):
            await client.request("GET", server.url)
        assert len(server.seen) == QUICK.attempts_max


async def test_a_write_is_never_sent_twice() -> None:
    """A POST whose answer was lost is reported as unknown, one that got a 500 is delivered; neither is repeated."""
    async with serving(cuts, says(500), hangs) as server, GuardedClient("none", policy=QUICK) as client:
        with pytest.raises(OutcomeUnknown):
            await client.request("POST", server.url, json={})
        assert (await client.request("POST", server.url, json={})).status == 500
        with pytest.raises(OutcomeUnknown):
            await client.request("POST", server.url, json={}, deadline_seconds=0.2)
        assert len(server.seen) == 3


async def test_a_write_that_may_be_repeated_is() -> None:
    """A caller who knows that a POST is idempotent gets its retries."""
    async with serving(says(503), says()) as server, GuardedClient("none", policy=QUICK) as client:
        assert (await client.request("POST", server.url, is_idempotent=True)).is_ok


async def test_a_write_that_never_left_is_no_unknown() -> None:
    """When nobody could be connected to, nothing was sent, and the job may simply come back."""
    async with serving() as server:
        url = server.url
    async with GuardedClient("none", policy=QUICK) as client:
        with pytest.raises(RetryJob, match="cannot be reached") as caught:
            await client.request("POST", url, json={})
    assert isinstance(caught.value, NotAccepted)


async def test_a_refused_write_is_no_unknown() -> None:
    """A POST that was refused with a 429 was not accepted, and says so; a read is just to be tried again."""
    async with serving(says(429, {"Retry-After": "60"})) as server, GuardedClient("none", policy=QUICK) as client:
        for method, kind in (("POST", NotAccepted), ("GET", RetryJob)):
            with pytest.raises(RetryJob) as caught:
                await client.request(method, server.url)
            assert type(caught.value) is kind


NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
RETRY_AFTER = [
    ("120", 120),
    (" 7 ", 7),
    ("7200", 7200),
    ("99999999", 6 * 3600),
    (format_datetime(NOW + timedelta(minutes=10), usegmt=True), 600),
]


@pytest.mark.parametrize(("header", "seconds"), RETRY_AFTER)
async def test_a_long_pause_closes_the_gate(header: str, seconds: float) -> None:
    """Retry-After in either form, read by the server's own clock, closes the gate and frees the slot at once."""
    door = Door()
    answer = says(429, {"Retry-After": header, "Date": format_datetime(NOW, usegmt=True)})
    async with serving(answer) as server, GuardedClient("none", policy=QUICK, sleep=door.sleep) as client:
        with pytest.raises(GateClosed) as caught:
            await client.request("GET", server.url, gate=door.gate)
        assert len(server.seen) == 1
    assert caught.value.key == "connection/1"
    assert caught.value.after_seconds == pytest.approx(seconds, abs=1)
    assert [closed for closed, _ in door.closed] == pytest.approx([seconds], abs=1)
    assert not door.slept


@pytest.mark.parametrize("header", ["-5", "soon", "", "0", "1e400", "9" * 5000, "Thu, 01 Jan 1970 00:00:00 GMT"])
async def test_an_odd_retry_after_is_survived(header: str) -> None:
    """A Retry-After that is negative, past or junk counts as a short pause, which is waited out inside the job."""
    door = Door()
    script = [says(429, {"Retry-After": header}), says()]
    async with serving(*script) as server, GuardedClient("none", policy=QUICK, sleep=door.sleep) as client:
        assert (await client.request("POST", server.url, gate=door.gate)).is_ok
    assert len(door.closed) == len(door.slept) == 1
    assert 0 < door.slept[0] < 2


async def test_a_provider_that_keeps_refusing_gets_a_longer_pause() -> None:
    """When no answer says for how long, the last of several refusals stops everybody for half a minute."""
    door = Door()
    async with serving(says(429)) as server, GuardedClient("none", policy=QUICK, sleep=door.sleep) as client:
        with pytest.raises(GateClosed) as caught:
            await client.request("GET", server.url, gate=door.gate)
    assert caught.value.after_seconds == 30
    assert [seconds < 1 for seconds, _ in door.closed] == [True, True, False]


TOLD: list[tuple[str, list[Answer], list[str]]] = [
    ("GET", [says()], ["tried", "answered"]),
    ("GET", [says(404)], ["tried", "answered"]),
    ("GET", [says(503), says()], ["tried", "asked", "answered"]),
    ("GET", [says(503)], ["tried", "asked", "asked", "failed"]),
    ("POST", [says(503)], ["tried", "failed"]),
    ("POST", [cuts], ["tried", "failed"]),
    ("GET", [says(429, {"Retry-After": "60"})], ["tried"]),
]


@pytest.mark.parametrize(("method", "script", "told"), TOLD)
async def test_the_gate_is_told_how_a_call_went(method: str, script: list[Answer], told: list[str]) -> None:
    """One first try, a question before each repeat, and one end: answered, failed, or a pause and nothing else."""
    door = Door()
    async with serving(*script) as server, GuardedClient("none", policy=QUICK, sleep=door.sleep) as client:
        with contextlib.suppress(RetryJob, GateClosed):
            await client.request(method, server.url, gate=door.gate)
    assert door.told == told


async def test_a_hanging_provider_counts_as_down() -> None:
    """A call that meets its deadline has failed as one that is refused has."""
    door = Door()
    async with serving(hangs) as server, GuardedClient("none", policy=QUICK) as client:
        with pytest.raises(OutcomeUnknown):
            await client.request("POST", server.url, gate=door.gate, deadline_seconds=0.05)
    assert door.told == ["tried", "failed"]


async def test_a_used_up_budget_parks_the_job() -> None:
    """When the fleet has repeated enough, nothing is sent again: the job waits at the gate of the budget."""
    door = Door()
    door.stands_in_the_way = Closed("repeats/bank", 8.0, "too many")
    async with (
        serving(says(503)) as server,
        GuardedClient("none", policy=QUICK, chance=lambda: 0.5, sleep=door.sleep) as client,
    ):
        with pytest.raises(GateClosed) as caught:
            await client.request("GET", server.url, gate=door.gate)
        assert len(server.seen) == 1
    assert (caught.value.key, caught.value.after_seconds) == ("repeats/bank", 9.0)
    assert door.told == ["tried", "asked", "failed"]


async def test_an_answer_is_worth_more_than_telling_of_it(caplog: pytest.LogCaptureFixture) -> None:
    """A database that is away costs nobody an answer that came, nor the order to wait."""
    door = Door()

    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    for name in ("answered", "failed", "close"):
        setattr(door, name, away)
    script = [says(), says(500), says(429, {"Retry-After": "60"})]
    async with serving(*script) as server, GuardedClient("none", policy=QUICK, sleep=door.sleep) as client:
        assert (await client.request("GET", server.url, gate=door.gate)).is_ok
        assert (await client.request("POST", server.url, gate=door.gate)).status == 500
        with pytest.raises(GateClosed):
            await client.request("GET", server.url, gate=door.gate)
    assert caplog.text.count("a gate was not told") == 3


async def test_short_pauses_do_not_go_on_for_ever() -> None:
    """A provider that keeps saying "in a second" gets the slot back in the end."""
    door = Door()
    answer = says(429, {"Retry-After": "1"})
    async with serving(answer) as server, GuardedClient("none", policy=QUICK, sleep=door.sleep) as client:
        with pytest.raises(GateClosed):
            await client.request("GET", server.url, gate=door.gate)
        assert len(server.seen) == QUICK.attempts_max


async def test_a_pause_beyond_the_deadline_is_not_slept() -> None:
    """A wait that would outlast the deadline frees the slot at once."""
    door = Door()
    answer = says(429, {"Retry-After": "4"})
    async with serving(answer) as server, GuardedClient("none", policy=QUICK, sleep=door.sleep) as client:
        with pytest.raises(RetryJob) as caught:
            await client.request("GET", server.url, gate=door.gate, deadline_seconds=3)
    assert caught.value.after_seconds == pytest.approx(4, abs=0.1)
    assert not door.slept


async def test_without_a_gate_a_pause_is_the_jobs_own() -> None:
    """A 429 from a user's address delays the job and nobody else."""
    answer = says(429, {"Retry-After": "60"})
    async with serving(answer) as server, GuardedClient("none", policy=QUICK) as client:
        with pytest.raises(RetryJob) as caught:
            await client.request("GET", server.url)
    assert caught.value.after_seconds == pytest.approx(60, abs=0.1)


async def test_a_provider_reads_its_own_answers() -> None:
    """A provider's reading decides: here a 403 with a reason is a rate limit."""

    def reads(status: int, _: Mapping[str, str], body: bytes) -> RateLimited | Final:
        return RateLimited(90, "user rate") if status == 403 and b"rateLimitExceeded" in body else Final()

    door = Door()
    async with serving(says(403, body=b"rateLimitExceeded")) as server, GuardedClient("none", policy=QUICK) as client:
        with pytest.raises(GateClosed, match="user rate"):
            await client.request("GET", server.url, gate=door.gate, classify=reads)


@pytest.mark.parametrize(
    ("status", "headers", "verdict"),
    [
        (200, {}, Final()),
        (404, {}, Final()),
        (403, {"Retry-After": "5"}, Final()),
        (401, {}, AuthExpired()),
        (500, {}, Retryable()),
        (501, {}, Final()),
        (429, {}, RateLimited()),
        (503, {"Retry-After": "9"}, RateLimited(9, "the provider is unavailable")),
    ],
)
def test_the_common_reading(status: int, headers: dict[str, str], verdict: object) -> None:
    """What a status means when a provider brings no reading of its own."""
    assert classify(status, headers, b"") == verdict


async def test_requests_of_one_connection_take_turns() -> None:
    """Never more than the cap are in flight for one connection, while another connection is not held up."""
    running, peak = [0], [0]

    async def slow(_: web.Request) -> web.StreamResponse:
        running[0] += 1
        peak[0] = max(peak[0], running[0])
        for _turn in range(50):
            await anyio.lowlevel.checkpoint()
        running[0] -= 1
        return web.Response()

    policy = HttpPolicy(in_flight_max=3)
    async with serving(slow) as server, GuardedClient("none", policy=policy) as client:
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(lambda: client.request("GET", server.url, gate=Door().gate))
        assert len(server.seen) == 20
    assert peak[0] == 3


@pytest.mark.parametrize(
    ("script", "changes"),
    [
        (says(500), {}),
        (says(429, {"Retry-After": "60"}), {}),
        (says(body=b"x" * 2_000_000), {}),
        (says(body=b"\xff not json " + CANARY.encode()), {}),
        (cuts, {}),
        (hangs, {"deadline_seconds": 0.2}),
        (says(), {"headers": {"Authorization": f"Bearer {CANARY}\r\nX: y"}}),
        (None, {}),
    ],
)
async def test_no_fault_shows_a_secret(
    script: Answer | None, changes: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever goes wrong, neither the error, its causes nor any log line holds a token, a query or a body."""
    caplog.set_level(logging.DEBUG)
    parts: dict[str, object] = {
        "params": {"key": CANARY},
        "data": {"refresh_token": CANARY},
        "headers": {"Authorization": f"Bearer {CANARY}"},
        "is_idempotent": True,
        **changes,
    }
    shown = ""
    async with serving(script or says()) as server:
        url = f"{server.url}/path?token={CANARY}" if script else f"http://127.0.0.1:1/{CANARY}?{CANARY}"
        async with GuardedClient("none", policy=QUICK) as client:
            try:
                (await client.request("POST", url, **parts)).json()  # type: ignore[arg-type]  # a table of parts
            except (RetryJob, FailJob) as error:
                shown = "".join(traceback.format_exception(error))
    assert shown
    assert CANARY not in shown
    assert CANARY not in caplog.text


@pytest.mark.parametrize("url", ["", "nonsense", "http://", "http://[::1", "ftp://127.0.0.1/", f"http://{CANARY} x/"])
async def test_a_broken_url_fails_at_once(url: str) -> None:
    """A URL that can never work is not retried, and not quoted in full."""
    async with GuardedClient("none", policy=QUICK) as client:
        with pytest.raises((FailJob, RetryJob)) as caught:
            await client.request("GET", url + "?" + CANARY)
    assert f"?{CANARY}" not in str(caught.value)


async def test_a_client_is_used_inside_its_block() -> None:
    """Using a closed client is a mistake in the daemon, and says so."""
    client = GuardedClient("none")
    with pytest.raises(RuntimeError, match="async with"):
        await client.request("GET", "http://127.0.0.1:1/")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":', b"[" * 100_000, b"\xff"])
def test_json_that_is_none_is_a_passing_fault(body: bytes) -> None:
    """A cut or foreign body is worth another try, and is not quoted."""
    with pytest.raises(RetryJob, match="unusable JSON"):
        Response(200, {}, body, "host").json()


@given(st.text(max_size=200))
def test_any_date_header_is_survived(text: str) -> None:
    """Whatever a server sends as its date, there is an aware instant."""
    assert served_at({"Date": text}).tzinfo is not None


def test_a_hostile_date_header_is_cut() -> None:
    """A date header of a megabyte is not parsed."""
    text = "Mon, " + "".join(itertools.islice(itertools.cycle("1 ("), 1_000_000))
    assert served_at({"Date": text}).tzinfo is not None
