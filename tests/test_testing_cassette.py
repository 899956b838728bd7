from __future__ import annotations

import json
from typing import TYPE_CHECKING

import kit_jobs
import pytest

from crmd.errors import CrmdError
from crmd.http.response import Response
from crmd.testing.cassette import VERSION, Cassette, read_cassette, recording, replaying, write_cassette
from crmd.testing.redacting import ADDRESS, SECRET, TEXT, TEXT_BASE64, Redactor

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.http.client import GuardedClient
    from crmd.http.request import Request
    from crmd.http.retry import Unanswered
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(kit_jobs)
SECRETS = (
    "Bearer-s3cr3t-value", "s3ss10n-cookie", "ya29.a0AfB_by_google", "refresh-me-t0ken", "hunter2hunter2",
    "jana@nordwerk.example", "ada@engine.example", "What we agreed on", "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
)  # fmt: skip


def answering(client: GuardedClient, *answers: Response | Unanswered) -> None:
    """Let the network answer so, in this order."""
    left = list(answers)

    async def send(request: Request) -> Response | Unanswered:
        return left.pop(0)

    client.send_once = send  # type: ignore[method-assign]  # the network of this test


async def test_what_was_recorded_is_played_back(workbench: Workbench, tmp_path: Path) -> None:
    """A job that ran against a provider gets the same answers from the cassette, in order, retries included."""
    client = workbench.everything.services.http
    body = b'{"next": "page-2", "email": "ada@engine.example"}'
    answering(client, Response(200, {"Content-Type": "application/json"}, body, "api.example.com"))
    with recording(workbench.everything) as exchanges:
        assert (await workbench.run_job("kit-ask")).result == "200 page-2"
    path = tmp_path / "ask.json"
    write_cassette(path, Cassette(VERSION, exchanges))
    answering(client)
    with replaying(workbench.everything, read_cassette(path)):
        assert (await workbench.run_job("kit-ask")).result == "200 page-2"
        again = await workbench.run_job("kit-ask")
    assert (again.status, "used up" in again.message) == ("failed", True)
    assert "ada@engine.example" not in path.read_text("utf-8")


async def test_an_unknown_request_is_told(workbench: Workbench) -> None:
    """A request that the cassette does not have fails the job, with what was asked."""
    with replaying(workbench.everything, Cassette(VERSION, [])):
        done = await workbench.run_job("kit-ask")
    assert (done.status, done.message) == (
        "failed",
        "The cassette has no answer to POST https://api.example.com/people; it begins with: nothing.",
    )


def test_no_secret_survives() -> None:
    """Credentials, addresses and texts are gone, wherever they stand, in headers, URLs, JSON, forms and multipart."""
    redactor = Redactor()
    headers = {
        "Authorization": "Bearer Bearer-s3cr3t-value",
        "Cookie": "sid=s3ss10n-cookie",
        "Content-Type": "text/html",
    }
    body = {
        "access_token": "ya29.a0AfB_by_google",
        "refreshToken": "refresh-me-t0ken",
        "nested": [{"password": "hunter2hunter2", "to": "Jana <jana@nordwerk.example>"}],
        "echo": "you sent Bearer-s3cr3t-value and sid s3ss10n-cookie",
        "subject": "What we agreed on",
        "raw": "V2hhdCB3ZSBhZ3JlZWQgb24sIGFuZCBtb3Jl",
        "jwt": "eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmF0dXJl",
        "historyId": "4711",
        "nextPageToken": "page-2",
    }
    multipart = f"--x\r\nAuthorization: Bearer Bearer-s3cr3t-value\r\n\r\n{json.dumps(body)}\r\n--x--"
    url = "https://jana:hunter2hunter2@api.example.com/users/jana@nordwerk.example?key=hunter2hunter2&q=from%3Aada@engine.example"
    kept = [
        redactor.headers(headers),
        redactor.body(json.dumps(body).encode()),
        redactor.body(multipart.encode()),
        redactor.url(url),
        redactor.form({"client_secret": "hunter2hunter2", "grant_type": "refresh_token"}),
    ]
    text = json.dumps(kept)
    assert [secret for secret in SECRETS if secret in text] == []
    assert kept[0] == {"content-type": "text/html"}
    assert kept[1] == {
        "access_token": SECRET,
        "refreshToken": SECRET,
        "nested": [{"password": SECRET, "to": f"Jana <{ADDRESS}>"}],
        "echo": f"you sent {SECRET} and sid {SECRET}",
        "subject": TEXT,
        "raw": TEXT_BASE64,
        "jwt": SECRET,
        "historyId": "4711",
        "nextPageToken": "page-2",
    }


@pytest.mark.parametrize(
    "body", [b"\xff\xfe" * 10, b"a@" * 200_000, b'{"a":' * 20_000, b'"x":"' + b"\\" * 300_000, b"bearer " * 100_000]
)
def test_hostile_bodies_cost_no_more_than_their_length(body: bytes) -> None:
    """Whatever a provider answers is redacted, in time that grows with its length alone."""
    json.dumps(Redactor().body(body))


def test_a_file_that_is_no_cassette_is_told(tmp_path: Path) -> None:
    """A missing, broken or foreign file is one sentence with what to do."""
    with pytest.raises(CrmdError, match="cannot be read"):
        read_cassette(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("[", "utf-8")
    with pytest.raises(CrmdError, match="is no cassette"):
        read_cassette(tmp_path / "broken.json")
    (tmp_path / "old.json").write_text('{"version": 99, "exchanges": []}', "utf-8")
    with pytest.raises(CrmdError, match="version 99"):
        read_cassette(tmp_path / "old.json")


@pytest.mark.crmd_cassette("cassettes/ask.json")
async def test_a_marker_plays_a_cassette(workbench: Workbench) -> None:
    """A test's requests are answered from the file that its marker names, beside the test."""
    assert (await workbench.run_job("kit-ask")).result == "201 page-9"
