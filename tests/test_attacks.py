"""What attackers try at the API beside reading what is another's: each is tried at every route, found by itself."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import quote
from uuid import uuid4

import msgspec
import pytest
import sample_jobs
from api_server import api_over
from tenant import Tenant

from crmd.api import app, authenticating, server
from crmd.api.problem import Problem
from crmd.config.api_settings import Api
from crmd.log.formats import JsonFormatter
from crmd.store import api_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from api_server import ApiServer

    from crmd.api.route import Route
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
PLACE = re.compile(r"{([A-Za-z]+)}")
# Everything that stands in the database, but for what a daemon writes while nobody asks it for anything.
TABLES = """
SELECT relname FROM pg_class WHERE relnamespace = 'crmd'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
  AND relname NOT IN ('api_key', 'daemon', 'watching', 'figures')
"""
ROWS = "SELECT md5(coalesce(string_agg(t::text, ' ' ORDER BY t::text), '')) FROM crmd.{} t"
KEYS = "SELECT id, secret_hash, scopes, revoked_at, expires_at FROM crmd.api_key ORDER BY id"
FOREIGN = "https://elsewhere.example/take"
# Parameters by which other programs are told where to lead a browser.
LEADING = ("next", "url", "returnTo", "redirect", "redirect_uri", "to", "continue")
SECRET = "canary-4f1c9a-in-what-was-sent"


def filled(route: Route, tenant: Tenant) -> str:
    """The address of a route with the tenant's own things in it."""

    def named(found: re.Match[str]) -> str:
        if found[1] == "workspaceId":
            return str(tenant.workspace_id)
        return tenant.names.get(f"{route.tag}/{found[1]}") or tenant.names.get(found[1], str(uuid4()))

    return PLACE.sub(named, route.path)


async def looked(api: ApiServer, path: str, method: str = "GET", key: str | None = None) -> tuple[int, dict[str, str]]:
    """Status and headers of an answer; of a stream no more than that is read, and no redirect is followed."""
    headers = {"Authorization": f"Bearer {api.key if key is None else key}"}
    async with api.session.request(method, api.address + path, headers=headers, allow_redirects=False) as response:
        return response.status, dict(response.headers)


async def standing(workbench: Workbench) -> dict[str, Any]:
    """What the database holds, table by table."""
    names = [row["relname"] for row in await workbench._pool.fetch(TABLES)]
    found: dict[str, Any] = {name: await workbench._pool.fetchval(ROWS.format(name)) for name in names}
    return found | {"api_key": [tuple(row) for row in await workbench._pool.fetch(KEYS)]}


async def test_looking_changes_nothing(workbench: Workbench) -> None:
    """A scanner that follows every address by GET and HEAD, with all rights, changes no row of any table."""
    async with api_over(workbench, Api(requests_per_minute=100_000)) as api:
        tenant = Tenant()
        await tenant.settle(workbench, api)
        before = await standing(workbench)
        assert len(before) > 30
        seen = {}
        for route in server.ROUTES:
            path = filled(route, tenant)
            for method in ("GET", "HEAD", "OPTIONS"):
                seen[path, method] = (await looked(api, path, method))[0]
        after = await standing(workbench)
        assert [name for name in before if before[name] != after[name]] == []
        assert sum(status == 200 for status in seen.values()) > 20
        assert {status for status in seen.values() if status >= 500} == set()


async def test_no_address_leads_to_another_host(workbench: Workbench) -> None:
    """Whatever a link to the API is edited to, with a key and without, it never answers with a redirect."""
    async with api_over(workbench, Api(requests_per_minute=100_000)) as api:
        tenant = Tenant()
        await tenant.settle(workbench, api)
        query = "&".join(f"{name}={quote(FOREIGN, safe='')}" for name in LEADING)
        paths = [f"{filled(route, tenant)}?{query}" for route in server.ROUTES if route.method == "GET"]
        paths += [f"/?{query}", f"/{FOREIGN}", f"/static/{FOREIGN}", "//elsewhere.example/", "/\\elsewhere.example/"]
        paths += ["/%2F%2Felsewhere.example", "/static//elsewhere.example/", "/static/../../etc/passwd"]
        for path in paths:
            for key in (api.key, ""):
                status, headers = await looked(api, path, key=key)
                assert (status // 100 != 3, "Location" in headers, "Refresh" in headers) == (True, False, False), path


def structs_in(kind: Any) -> Iterator[type[msgspec.Struct]]:  # noqa: ANN401 - whatever a field may be
    """Every struct that a type holds, however deep."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for one in msgspec.structs.fields(kind):
            yield from structs_in(one.type)
    for inner in get_args(kind):
        yield from structs_in(inner)


def test_nothing_unknown_is_taken_at_any_depth() -> None:
    """Each struct that a body is made of, also inside another, refuses fields that it does not have."""
    bodies = [route.body for route in server.ROUTES if route.body is not None]
    found = {kind for body in bodies for kind in structs_in(body)}
    assert len(found) > len({*bodies}) > 20
    assert [kind.__name__ for kind in found if not kind.__struct_config__.forbid_unknown_fields] == []


async def test_a_wrong_key_costs_the_same_whatever_is_wrong(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An id that nobody has and a wrong secret of one that somebody has: one look, one comparison of hashes, both."""
    compared: list[tuple[int, int]] = []
    looked_up: list[str] = []
    pool = workbench._pool

    def comparing(kept: bytes, given: bytes) -> bool:
        compared.append((len(kept), len(given)))
        return hmac.compare_digest(kept, given)

    async def hash_of(query: str, key_id: str, nobody: bytes) -> Any:  # noqa: ANN401 - a hash
        looked_up.append(key_id)
        return await pool.fetchval(query, key_id, nobody)

    monkeypatch.setattr(api_keys, "hmac", type("Watched", (), {"compare_digest": staticmethod(comparing)}))
    async with api_over(workbench) as api:
        key = await api.new_key("read")
        database: Any = type("Watched", (), {"fetchval": staticmethod(hash_of)})  # no row is asked for
        known, unknown = key.split("_")[1], "a" * 12
        for key_id in (known, unknown):
            assert await api_keys.holder(database, f"crmd_{key_id}_{'x' * 43}") is None
        assert (looked_up, compared) == ([known, unknown], [(32, 32)] * 2)
        assert await api_keys.holder(pool, key) is not None


async def test_a_key_in_an_address_is_none(workbench: Workbench) -> None:
    """Keys count in the header alone: in an address, a cookie or a header of another kind they are nobody's."""
    async with api_over(workbench) as api:
        for query in ("key", "api_key", "apiKey", "token", "access_token", "authorization"):
            told = await api.session.get(f"{api.address}/api/job-types?{query}={api.key}")
            assert told.status == 401
        for headers in ({"Cookie": f"key={api.key}"}, {"X-Api-Key": api.key}, {"Authorization": f"Basic {api.key}"}):
            assert (await api.session.get(f"{api.address}/api/job-types", headers=headers)).status == 401


async def test_who_tries_keys_is_locked_out(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ten thousand wrong keys from one address twenty are looked at; after a minute the next twenty."""
    now = 1_000_000.0
    monkeypatch.setattr(authenticating, "time", SimpleNamespace(monotonic=lambda: now))
    tried: list[str] = []

    async def nobody(_database: object, text: str) -> None:
        tried.append(text)

    monkeypatch.setattr(api_keys, "holder", nobody)
    async with api_over(workbench) as api:
        assert api.state is not None
        door = authenticating.Authenticator(api.state)
        statuses = []
        for number in range(10_000):
            now += 0.01
            with pytest.raises(Problem) as refused:
                await door.identify(
                    f"Bearer crmd_abcdefghijkl_{hashlib.sha256(b'%d' % number).hexdigest()[:43]}", "10.0.0.1"
                )
            statuses.append(refused.value.status)
    assert (len(tried), statuses.count(401), statuses.count(429)) == (40, 40, 9_960)


async def test_what_is_sent_is_told_nowhere(
    workbench: Workbench, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands in keys, headers, addresses and bodies, also of requests that break: not in logs, metrics, audit."""
    caplog.set_level(logging.DEBUG)

    def breaks(*_: object) -> None:
        raise RuntimeError(SECRET)

    async with api_over(workbench) as api:
        jobs = f"/api/workspaces/{uuid4()}/jobs"
        body = {"type": "add-one", "payload": {"number": 1, "note": SECRET}}
        sent = {"User_Agent": SECRET, "X_Request_Id": SECRET, "Referer": f"https://x/{SECRET}", "Cookie": SECRET}
        statuses = [
            (await api.ask("GET", "/api/job-types", key=f"crmd_abcdefghijkl_{SECRET:x<43}", **sent)).status,
            (await api.ask("GET", "/api/job-types", key=f"eyJhbGciOiJIUzI1NiJ9.{SECRET}.x", **sent)).status,
            (await api.ask("POST", jobs, {"type": "add-one", "payload": {"number": SECRET}}, **sent)).status,
            (await api.ask("POST", jobs, {**body, SECRET: 1}, **sent)).status,
            (await api.ask("GET", f"{jobs}?{SECRET}={SECRET}", **sent)).status,
            (await api.ask("GET", f"{jobs}/{SECRET}", **sent)).status,
            (await api.ask("GET", f"/{SECRET}", **sent)).status,
            (await api.ask("POST", f"/api/plugins/{SECRET}/release", {"reason": "x"}, **sent)).status,
        ]
        monkeypatch.setattr(app, "checked_path", breaks)
        statuses.append((await api.ask("GET", jobs, **sent)).status)
        monkeypatch.undo()
        assert statuses == [401, 401, 422, 422, 422, 404, 404, 409, 500]
        metrics = (await api.ask("GET", "/metrics")).body.decode()
        assert "crmd_api_requests_total" in metrics
        assert SECRET not in metrics
        audit = await workbench._pool.fetch("SELECT to_jsonb(a)::text AS row FROM crmd.audit a")
        told = [row["row"] for row in audit if SECRET in row["row"]]
        assert all('"plugins.release"' in row for row in told)  # an operator's own word about what was asked for
    lines = [JsonFormatter().format(record) for record in caplog.records if record.name.startswith("crmd")]
    assert any("RuntimeError" in line for line in lines)
    assert [line for line in lines if SECRET in line] == []
