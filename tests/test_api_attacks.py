from __future__ import annotations

import asyncio
import contextlib
import gzip
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import documented_jobs
import msgspec
import pytest
from api_server import api_over

from crmd.api import app, authenticating, server
from crmd.api.problem import Problem

if TYPE_CHECKING:
    from api_server import ApiServer

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(documented_jobs)
# What only the daemon decides about a job, a schedule or a key.
OWN_WORDS = ("workspaceId", "workspace_id", "state", "fence", "claim", "claimId", "daemonId", "attempt", "isAdmin")
JOBS = f"/api/workspaces/{uuid4()}/jobs"
PATIENCE_SECONDS = 20.0


async def test_no_body_sets_what_is_not_the_callers(workbench: Workbench) -> None:
    """Every operation with a body refuses a field that is not its own, by name and at once; nothing of it is done."""
    async with api_over(workbench) as api:
        missed = []
        for route in server.ROUTES:
            if route.body is None:
                continue
            fields = {field.encode_name for field in msgspec.structs.fields(route.body)}
            path = route.path.replace("{workspaceId}", str(uuid4())).replace("{", "").replace("}", "")
            for word in sorted({*OWN_WORDS} - fields):
                told = await api.ask(route.method, path, {word: "x"})
                if told.status != 422 or word not in told.body["detail"]:
                    missed.append(f"{route.method} {path} with {word}: {told.status} {told.body}")
        assert not missed, "\n".join(missed)
        nested = {"jobs": [{"type": "import-contacts", "workspaceId": str(uuid4())}]}
        assert (await api.ask("POST", f"{JOBS}/bulk", nested)).status == 422
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.job") == 0


async def test_no_query_is_ignored(workbench: Workbench) -> None:
    """A parameter that is not known is refused with those that are, so that a misspelt filter shows nothing more."""
    async with api_over(workbench) as api:
        told = await api.ask("GET", f"{JOBS}?stauts=failed")
        assert (told.status, told.body["errors"][0]["path"]) == (422, "query.stauts")
        assert "status" in told.body["hint"]
        assert (await api.ask("GET", f"{JOBS}/{uuid4()}?x=1")).status == 422


TEXTS = ("\\u0000", "\u0001\u001f\u007f", "\U0001f600", "é", "\u202e", "\ufffe", "'; --", "\\ud800", " " * 9, "")


async def test_text_comes_back_as_it_was(workbench: Workbench) -> None:
    """Whatever PostgreSQL can keep goes through the API and a handler and is answered unchanged."""
    async with api_over(workbench) as api:
        made = await api.ask("POST", JOBS, {"type": "import-contacts", "payload": {"contactIds": TEXTS}})
        assert [done.result for done in await workbench.drain()] == [len(TEXTS)]
        assert (await api.ask("GET", made.headers["Location"])).body["payload"] == {"contactIds": [*TEXTS]}


BAD_JSON: dict[str, tuple[bytes, set[int]]] = {
    "NUL": (b'{"type": "import-contacts", "payload": {"contactIds": ["a\\u0000b"]}}', {422}),
    "NUL in a name": (b'{"type": "import-contacts", "payload": {"a\\u0000b": 1}}', {422}),
    "half a pair": (b'{"type": "import-contacts", "payload": {"contactIds": ["\\ud800"]}}', {400, 422}),
    "deep": (b'{"type": "import-contacts", "payload": ' + b'{"x":' * 50_000 + b"1" + b"}" * 50_000 + b"}", {422}),
    "200,000 lists": (b"[" * 200_000, {400, 422}),
    "1e200000": (b'{"type": "import-contacts", "payload": {"n": 1e200000}}', {400, 422}),
    "10^40": (b'{"type": "import-contacts", "payload": {"n": 1' + b"0" * 40 + b"}}", {422}),
    "NaN": (b'{"type": "import-contacts", "payload": {"n": NaN}}', {400}),
    "a payload of 300 KiB": (
        msgspec.json.encode({"type": "import-contacts", "payload": {"contactIds": ["x" * 300_000]}}),
        {413, 422},
    ),
    "1,001 ids": (
        msgspec.json.encode({"type": "import-contacts", "payload": {"contactIds": ["x"] * 1001}}),
        {422},
    ),
    "no UTF-8": (b'{"type": "\xff"}', {400, 422}),
    "twice": (b"{}{}", {400}),
    "nothing": (b"", {400, 422}),
}


async def test_what_cannot_be_kept_is_refused(workbench: Workbench) -> None:
    """NUL, half pairs, depth, large numbers and bodies, broken JSON: each gets its sentence, and no job is made."""
    async with api_over(workbench) as api:
        for name, (body, statuses) in BAD_JSON.items():
            told = await api.ask("POST", JOBS, body)
            assert told.status in statuses, (name, told)
            assert told.body["detail"], name
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.job") == 0


RAW: tuple[bytes, ...] = (
    b"\x00\x01\x02\r\n\r\n",
    b"GET\r\n\r\n",
    b"GET /api/job-types HTTP/9.9\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET /%zz%00%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /api/workspaces/%00/jobs/%ff?limit=%ff HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \x00\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000 + b"\r\n\r\n",
    b"GET /" + b"y" * 40_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /api/job-types HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    b"POST /api/job-types HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    b"POST /api/job-types HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer crmd_secret\x00\r\n\r\n",
    b"\r\n" * 1000,
)


async def test_bad_bytes_break_nothing(workbench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    """What is no HTTP is answered with 4xx or cut, counted, not logged, and who comes after it is served."""
    async with api_over(workbench) as api:
        for raw in RAW:
            answer = await sent(api, raw)
            assert answer == b"" or 400 <= int(answer.split()[1]) < 500, (raw[:60], answer[:200])
        assert (await api.ask("GET", "/api/job-types")).status == 200
        assert [record for record in caplog.records if record.name.startswith(("crmd.api", "aiohttp"))] == []
        counted = workbench.everything.services.tally.requests
        assert sum(count for (method, _, _), count in counted.items() if method == "unknown") >= 8
        assert counted["GET", "/api/job-types", 200] == 1


async def test_a_bomb_is_not_unpacked_by_the_api(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compressed body is refused by its header, and nothing of it is unpacked."""

    def unpack(*_: object, **__: object) -> None:
        raise AssertionError("a body was unpacked")

    monkeypatch.setattr("aiohttp.http_parser.DeflateBuffer", unpack)
    bomb = gzip.compress(b"0" * 20_000_000)
    async with api_over(workbench) as api:
        for kind in ("gzip", "deflate", "br", "zstd", "GZIP"):
            told = await api.ask("POST", JOBS, bomb, Content_Encoding=kind)
            assert (told.status, told.body["type"]) == (415, "urn:crmd:problem:unsupported-type")


async def test_slow_clients_are_cut(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a header, half a body and a body without end hold a connection for a bounded time, and nobody else up."""
    monkeypatch.setattr(app, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(server, "KEEPALIVE_SECONDS", 0.2)
    monkeypatch.setattr(server, "LINGER_SECONDS", 0.2)
    async with api_over(workbench) as api:
        head = (
            f"POST {JOBS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\nContent-Type: application/json\r\n"
        )
        slow = [asyncio.create_task(sent(api, b"GET / HTTP/1.1\r\nHost: x\r\nX", is_open=True)) for _ in range(20)]
        body = asyncio.create_task(sent(api, f"{head}Content-Length: 100\r\n\r\n{{".encode(), is_open=True))
        assert (await api.ask("GET", "/api/job-types")).status == 200
        assert (await body).startswith(b"HTTP/1.1 408")
        assert set(await asyncio.gather(*slow)) <= {b""}
        endless = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + (b"10000\r\n" + b" " * 0x10000 + b"\r\n") * 17
        assert (await sent(api, endless, is_open=True)).startswith(b"HTTP/1.1 413")


async def sent(api: ApiServer, raw: bytes, *, is_open: bool = False) -> bytes:
    """What a connection answers to these bytes until the server closes it.

    With `is_open` this end stays open as a slow client's; otherwise it says that nothing follows.
    """
    address = urlsplit(api.address)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    answer = b""
    try:
        with contextlib.suppress(ConnectionError):
            writer.write(raw)
            await writer.drain()
            if not is_open:
                writer.write_eof()
            async with asyncio.timeout(PATIENCE_SECONDS):
                answer = await reader.read()
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    return answer


async def test_wrong_keys_cost_nothing_more(workbench: Workbench) -> None:
    """An address that has tried twenty wrong keys is turned away without a look at the database, right keys, too."""
    async with api_over(workbench) as api:
        wrong: dict[str, Any] = {"key": f"crmd_abcdefghijkl_{'x' * 43}"}
        for _ in range(20):
            assert (await api.ask("GET", "/api/job-types", **wrong)).status == 401
        assert api.state is not None
        pool, api.state.pool = api.state.pool, None  # type: ignore[assignment]  # whoever looks now breaks
        locked = [await api.ask("GET", "/api/job-types", **one) for one in (wrong, {})]
        api.state.pool = pool
        assert [one.status for one in locked] == [429, 429]
        assert all(1 <= int(one.headers["Retry-After"]) <= 60 for one in locked)


async def test_wrong_keys_from_everywhere_fill_nothing(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of however many addresses wrong keys come, a bounded number is remembered."""
    monkeypatch.setattr(authenticating, "REMEMBERED_MAX", 10)
    async with api_over(workbench) as api:
        assert api.state is not None
        authenticator = authenticating.Authenticator(api.state)
        for place in range(50):
            with pytest.raises(Problem):
                await authenticator.identify(f"Bearer crmd_abcdefghijkl_{'x' * 43}", f"10.0.0.{place}")
        assert len(authenticator._wrong) == 10
