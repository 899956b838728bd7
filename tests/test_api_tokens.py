from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec
import pytest
import sample_jobs
from aiohttp import web
from api_server import ApiServer, api_over
from tokens import (
    SECRET,
    STRANGE_KEY,
    b64,
    claims_of,
    es256,
    hs256,
    key_set,
    public_pem,
    rs256,
    unsigned,
)

from crmd.api import authenticating
from crmd.config.api_settings import Api
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
WORKSPACE, USER = UUID(int=11), UUID(int=12)
JOBS = f"/api/workspaces/{WORKSPACE}/jobs"
RIGHT = {"iss": "https://login.example.com/", "aud": "authenticated"}


@asynccontextmanager
async def login(asked: list[str]) -> AsyncIterator[str]:
    """Publishes the key set; answers where. `asked` gets a word for each look."""

    async def keys(_: web.Request) -> web.Response:
        asked.append("keys")
        return web.json_response(key_set())

    app = web.Application()
    app.router.add_get("/.well-known/jwks.json", keys)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/.well-known/jwks.json"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def trusting(workbench: Workbench, asked: list[str] | None = None, **more: Any) -> AsyncIterator[ApiServer]:  # noqa: ANN401 - settings
    """The API with a shared secret and a key set, for tokens of one issuer and audience."""
    async with login([] if asked is None else asked) as address:
        settings = Api(
            requests_per_minute=100_000, jwks_url=address, jwt_issuer=RIGHT["iss"], jwt_audience=RIGHT["aud"]
        )
        async with api_over(workbench, msgspec.structs.replace(settings, jwt_secret=Secret(SECRET), **more)) as api:
            yield api


def own(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - any claim
    """Claims that are believed, but for what is given."""
    return claims_of(WORKSPACE, USER, **(RIGHT | more))


async def test_a_token_acts_for_its_user_in_its_workspace(workbench: Workbench) -> None:
    """HS256, RS256 and ES256 are taken; jobs are the user's; another workspace is not there, and manage is refused."""
    async with trusting(workbench) as api:
        for token in (hs256(own()), rs256(own()), es256(own(aud=["other", "authenticated"]))):
            made = await api.ask("POST", JOBS, {"type": "add-one", "payload": {"number": 1}}, key=token)
            assert made.status == 201
            job = (await api.ask("GET", made.headers["Location"], key=token)).body
            assert (job["userId"], job["workspaceId"]) == (str(USER), str(WORKSPACE))
            await workbench.drain()
        assert (await api.ask("GET", f"/api/workspaces/{uuid4()}/jobs", key=token)).status == 404
        assert (await api.ask("POST", f"{JOBS}/cancel", {"type": "add-one"}, key=token)).status == 403
        assert (await api.ask("GET", "/api/job-types", key=token)).status == 200


async def test_an_hour_of_a_user_holds_ten_jobs(workbench: Workbench) -> None:
    """The eleventh job of a user within an hour waits; another user's does not, and neither does the next hour's."""
    async with trusting(workbench, jobs_running_max=100) as api:
        body = {"type": "add-one", "payload": {"number": 1}}
        statuses = [(await api.ask("POST", JOBS, body, key=hs256(own()))).status for _ in range(11)]
        assert statuses == [201] * 10 + [429]
        told = await api.ask("POST", JOBS, body, key=hs256(own()))
        assert 3500 < int(told.headers["Retry-After"]) <= 3600
        assert (await api.ask("POST", JOBS, body, key=hs256(own(sub=str(uuid4()))))).status == 201
        await workbench.clock.advance(3601)
        assert (await api.ask("POST", JOBS, body, key=hs256(own()))).status == 201


def wrong() -> dict[str, str]:
    """Tokens that must not be believed, by what is wrong with them."""
    now = time.time()
    right = hs256(own())
    head, body, signature = right.split(".")
    return {
        "alg none": unsigned(own()),
        "alg None": unsigned(own(), "None"),
        "alg none, kid of a key": hs256(own(), b"", "none", "r1"),
        "no alg": f"{b64(b'{}')}.{body}.",
        "public key as shared secret": hs256(own(), public_pem(), "HS256", "r1"),
        "RS256 with the shared secret": hs256(own(), SECRET, "RS256", "r1"),
        "ES256 header, RSA key": hs256(own(), SECRET, "ES256", "r1"),
        "another secret": hs256(own(), "another secret of at least 32 characters"),
        "another key": es256(own(), key=STRANGE_KEY),
        "unknown key": es256(own(), kid="e2"),
        "wrong issuer": hs256(own(iss="https://login.example.com")),
        "wrong audience": hs256(own(aud="anon")),
        "no audience": hs256({name: value for name, value in own().items() if name != "aud"}),
        "expired": hs256(own(exp=now - 31)),
        "not yet": hs256(own(nbf=now + 31)),
        "no end": hs256(own(exp=None)),
        "end as text": hs256(own(exp="9999999999")),
        "no workspace": hs256(own(workspace_id=None)),
        "workspace that is no id": hs256(own(workspace_id="*")),
        "no user": hs256(own(sub=None)),
        "cut": right[:-1],
        "other claims": f"{head}.{b64(msgspec.json.encode(own(workspace_id=str(uuid4()))))}.{signature}",
        "four parts": f"{right}.x",
        "padded": f"{right}=",
        "not base64": f"{head}.{body}.§",
        "deep": f"{b64(b'[' * 6000)}.{body}.{signature}",
        "long": right + "A" * 9000,
    }


async def test_no_other_token_is_believed(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """No algorithm, another's key, a public key as secret, a wrong issuer, audience, time or shape: each is a 401."""
    monkeypatch.setattr(authenticating, "WRONG_MAX", 1000)
    async with trusting(workbench) as api:
        assert (await api.ask("GET", JOBS, key=rs256(own()))).status == 200
        told = {name: (await api.ask("GET", JOBS, key=token)).status for name, token in wrong().items()}
        assert {name: status for name, status in told.items() if status != 401} == {}


async def test_the_key_set_is_not_asked_for_at_will(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred tokens with made-up key ids make one look at the key set, not a hundred."""
    monkeypatch.setattr(authenticating, "WRONG_MAX", 1000)
    asked: list[str] = []
    async with trusting(workbench, asked) as api:
        for n in range(100):
            assert (await api.ask("GET", JOBS, key=es256(own(), kid=f"made-up-{n}"))).status == 401
        assert asked == ["keys"]


async def test_half_a_key_says_nothing(workbench: Workbench) -> None:
    """A key is found by its id and proven by its hash: with a wrong secret or revoked it is one and the same 401."""
    async with api_over(workbench) as api:
        key = await api.new_key("read")
        _, key_id, secret = key.split("_", 2)
        head = f"crmd_{key_id}"
        flipped = ("A" if secret[0] != "A" else "B") + secret[1:]
        answers = []
        for wrong_key in (f"{head}_{flipped}", f"{head}_", head, f"crmd_{'a' * 12}_{secret}", key.upper(), f"{key} x"):
            told = await api.ask("GET", "/api/job-types", key=wrong_key)
            answers.append((told.status, told.body["detail"]))
        assert set(answers) == {(401, "Nobody known is asking.")}
        await workbench._pool.execute("UPDATE crmd.api_key SET revoked_at = crmd.clock() WHERE id = $1", key_id)
        assert (await api.ask("GET", "/api/job-types", key=key)).status == 401
        stored = await workbench._pool.fetch("SELECT row_to_json(k)::text AS row FROM crmd.api_key k")
        assert [row for row in stored if secret in row["row"]] == []
