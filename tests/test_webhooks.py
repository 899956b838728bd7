from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import anyio
import msgspec
import pytest
import sample_jobs
from aiohttp import web
from api_server import api_over
from stream_reader import watching
from webhook_receiver import happens, hook_at, receiving

import crmd
from crmd.config.settings import Webhooks
from crmd.connections.master_key import MasterKey
from crmd.connections.rotation import rotate_webhooks_once
from crmd.connections.vault import Vault
from crmd.engine.placing import Places
from crmd.http.address import public_socket
from crmd.store import webhooks
from crmd.webhook_job import NAME
from crmd.webhooks.message import BODY_BYTES_MAX
from crmd.webhooks.sender import with_sender

if TYPE_CHECKING:
    from webhook_receiver import Answer

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)

HOUR = 3600


def throttles(status: int, seconds: int) -> Answer:
    """Asks for a pause."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Retry-After": str(seconds)})

    return answer


async def test_an_event_arrives_signed(workbench: Workbench) -> None:
    """A receiver gets each event that it asked for, once, signed, with an id of its own, and no other."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url, "contact.*", "deal.won")
        await happens(workbench, contactId="a")
        await happens(workbench, "deal.won", dealId="b")
        await happens(workbench, "deal.lost", dealId="c")
        await workbench.drain()
        told = {got.body["type"]: got for got in receiver.got}
        assert (set(told), len(receiver.got)) == ({"contact.created", "deal.won"}, 2)
        assert len({got.message_id for got in receiver.got}) == 2
        first = told["contact.created"]
        assert first.is_signed_with(hook.secret)
        assert (first.body["data"], first.body["workspaceId"]) == ({"contactId": "a"}, str(workbench.workspace_id))
        [won, created] = await hook.deliveries()
        assert (created["status"], created["messageId"], won["eventType"]) == (
            "delivered",
            first.message_id,
            "deal.won",
        )
        assert [(one["attempt"], one["status"]) for one in created["attempts"]] == [(1, 200)]
        assert (await hook.shown())["acceptedAt"] is not None


async def test_a_receiver_that_fails_for_an_hour_gets_each_message_once(workbench: Workbench) -> None:
    """500 for an hour, then 200: each message is accepted once, under one id, with a new timestamp at each try."""

    async def recovers(_: web.Request) -> web.StreamResponse:
        is_up = await workbench._pool.fetchval("SELECT crmd.clock() >= $1", began + workbench_hour)
        return web.Response(status=200 if is_up else 500)

    began = await workbench._pool.fetchval("SELECT crmd.clock()")
    workbench_hour = await workbench._pool.fetchval("SELECT interval '1 hour'")
    async with api_over(workbench) as api, receiving(workbench, recovers) as receiver:
        hook = await hook_at(api, receiver.url)
        for number in range(3):
            await happens(workbench, number=number)
        await workbench.drain(is_time_moved=True)
        deliveries = await hook.deliveries()
        assert [one["status"] for one in deliveries] == ["delivered"] * 3
        for one in deliveries:
            tries = [got for got in receiver.got if got.message_id == one["messageId"]]
            assert len(tries) == one["attemptCount"] > 2
            assert len({got.timestamp for got in tries}) == len(tries)
            assert len({got.raw for got in tries}) == 1
            assert [entry["status"] for entry in one["attempts"]] == [500] * (len(tries) - 1) + [200]
        assert (await hook.shown())["isEnabled"]


async def test_what_nobody_accepts_is_given_up_after_days(workbench: Workbench) -> None:
    """Ten tries over three days; then the webhook is disabled, its workspace is told, and nothing more is sent."""
    async with api_over(workbench) as api, receiving(workbench, 500) as receiver, receiving(workbench) as other:
        sender = workbench.everything.services.webhooks
        sender.settings = Webhooks(private_hosts=(receiver.url.split("/")[2], other.url.split("/")[2]))
        hook = await hook_at(api, receiver.url)
        await hook_at(api, other.url, "webhook.*")
        await happens(workbench)
        await workbench.drain(is_time_moved=True)
        stamps = [got.timestamp for got in receiver.got]
        assert len(stamps) == 10
        assert 75 * HOUR < stamps[-1] - stamps[0] < 90 * HOUR
        shown = await hook.shown()
        assert (shown["isEnabled"], "500" in shown["disabledReason"]) == (False, True)
        assert [got.body["type"] for got in other.got] == ["webhook.disabled"]
        assert other.got[0].body["data"]["webhookId"] == shown["id"]
        await happens(workbench)
        await workbench.drain()
        assert len(receiver.got) == 10
        # It is mended: enabled again, it gets what it missed, under the id that it knows.
        receiver.script = [200]
        assert (await api.ask("POST", f"{hook.path}/enable")).body["isEnabled"]
        assert (await api.ask("POST", f"{hook.path}/replay", {})).body["count"] == 1
        await workbench.drain()
        assert receiver.got[-1].message_id == receiver.got[0].message_id
        assert [one["status"] for one in await hook.deliveries()] == ["delivered"]


async def test_one_message_that_is_never_accepted_stops_no_others(workbench: Workbench) -> None:
    """A webhook that accepts other messages meanwhile stays enabled, whatever becomes of one of them."""

    async def chokes(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500 if b"poison" in await request.read() else 200)

    async with api_over(workbench) as api, receiving(workbench, chokes) as receiver:
        hook = await hook_at(api, receiver.url)
        await happens(workbench, what="poison")
        await workbench.drain()
        await workbench.clock.advance(2 * HOUR)
        await happens(workbench, what="food")
        await workbench.drain(is_time_moved=True)
        assert [one["status"] for one in await hook.deliveries()] == ["delivered", "failed"]
        assert [one["attemptCount"] for one in await hook.deliveries("?status=failed")] == [10]
        assert (await hook.shown())["isEnabled"]


async def test_gone_disables_at_once(workbench: Workbench) -> None:
    """After a 410 nothing is tried again, and what waited is not sent."""
    async with api_over(workbench) as api, receiving(workbench, 410) as receiver:
        hook = await hook_at(api, receiver.url)
        await happens(workbench)
        await happens(workbench)
        await workbench.drain(is_time_moved=True)
        assert len(receiver.got) == 1
        assert (await hook.shown())["disabledReason"] == "the receiver answered 410"
        assert [one["status"] for one in await hook.deliveries()] == ["failed", "failed"]


@pytest.mark.parametrize("status", [429, 502, 504])
async def test_a_throttled_receiver_is_left_alone(workbench: Workbench, status: int) -> None:
    """Too Many Requests and its kin hold back all messages to the webhook for as long as they say."""
    async with api_over(workbench) as api, receiving(workbench, throttles(status, 900), 200) as receiver:
        hook = await hook_at(api, receiver.url)
        for number in range(3):
            await happens(workbench, number=number)
        await workbench.drain()
        assert len(receiver.got) == 1
        await workbench.drain(is_time_moved=True)
        stamps = [got.timestamp for got in receiver.got]
        assert (len(stamps), stamps[1] - stamps[0] >= 900) == (4, True)
        assert sorted(one["attemptCount"] for one in await hook.deliveries()) == [1, 1, 2]


async def test_a_redirect_is_a_failure(workbench: Workbench) -> None:
    """No redirect is followed, wherever it leads; the message is tried again at its own address."""

    async def elsewhere(_: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": "http://169.254.169.254/latest/meta-data/"})

    async with api_over(workbench) as api, receiving(workbench, elsewhere, 204) as receiver:
        hook = await hook_at(api, receiver.url)
        await happens(workbench)
        await workbench.drain(is_time_moved=True)
        [one] = await hook.deliveries()
        assert [(entry["status"], entry["error"]) for entry in one["attempts"]] == [
            (307, "it answered 307"),
            (204, None),
        ]


async def test_a_slow_receiver_is_given_up_on(workbench: Workbench) -> None:
    """Who takes longer than the timeout has not accepted the message, and gets it again."""
    is_over = anyio.Event()

    async def hangs(_: web.Request) -> web.StreamResponse:
        await is_over.wait()
        return web.Response()

    async with api_over(workbench) as api, receiving(workbench, hangs, 200) as receiver:
        sender = workbench.everything.services.webhooks
        sender.settings = msgspec.structs.replace(sender.settings, timeout_seconds=0.3)
        hook = await hook_at(api, receiver.url)
        await happens(workbench)
        await workbench.drain(is_time_moved=True)
        is_over.set()
        [one] = await hook.deliveries()
        assert [entry["status"] for entry in one["attempts"]] == [None, 200]
        assert "did not answer within" in one["attempts"][0]["error"]


async def test_the_end_of_a_job_is_told_with_its_result(workbench: Workbench) -> None:
    """A webhook of job.* hears how a job ended and what came of it, and never of its own deliveries."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        await hook_at(api, receiver.url, "job.*", "contact.*")
        job = await workbench.enqueue("add-one", {"number": 1})
        await happens(workbench)
        await workbench.drain(is_time_moved=True)
        told = {got.body["type"]: got.body for got in receiver.got}
        assert set(told) == {"job.completed", "contact.created"}
        assert len(receiver.got) == 2
        data = told["job.completed"]["data"]
        assert (data["jobId"], data["type"], data["result"]) == (str(job.id), "add-one", {"number": 2})


async def test_what_is_too_large_is_left_out_with_a_link(workbench: Workbench) -> None:
    """No body has 20,000 bytes; what is left out is named with its address."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        await hook_at(api, receiver.url)
        await happens(workbench, text="ä" * BODY_BYTES_MAX)
        await workbench.drain()
        [got] = receiver.got
        assert len(got.raw) < BODY_BYTES_MAX
        link = f"/api/workspaces/{workbench.workspace_id}/events/{got.body['id']}"
        assert (got.body["data"], got.body["leftOut"]) == ({}, {"data": link})


async def test_a_secret_is_replaced_without_a_gap(workbench: Workbench) -> None:
    """For a while messages are signed with the old secret and the new one; the old one then ends."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url)
        told = await api.ask("POST", f"{hook.path}/rotate", {"keepSeconds": 3600})
        new = told.body["secret"]
        assert (told.status, new == hook.secret) == (200, False)
        await happens(workbench)
        await workbench.drain()
        assert receiver.got[0].is_signed_with(new, hook.secret)
        await workbench.clock.advance(3700)
        await happens(workbench)
        await workbench.drain()
        assert receiver.got[1].is_signed_with(new)


async def test_secrets_are_sealed_and_shown_once(workbench: Workbench) -> None:
    """No secret stands in the database or in any later answer, and a new master key seals them again."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url)
        kept = await workbench._pool.fetch("SELECT ciphertext FROM crmd.webhook_secret")
        bare = hook.secret.removeprefix("whsec_")
        assert [bare in row["ciphertext"] or base64.b64decode(bare).hex() in row["ciphertext"] for row in kept] == [
            False
        ]
        listed = await api.ask("GET", hook.path.rpartition("/")[0])
        assert "secret" not in msgspec.json.encode(listed.body).decode()
        old = MasterKey(b"\0" * 32)
        both = Vault([MasterKey(b"\1" * 32), old])
        assert await rotate_webhooks_once(workbench._pool, both) == 1
        assert await rotate_webhooks_once(workbench._pool, both) == 0
        sender = workbench.everything.services.webhooks
        sender._vault = both
        await happens(workbench)
        await workbench.drain()
        assert receiver.got[0].is_signed_with(hook.secret)


async def test_a_daemon_without_the_key_spends_no_try(workbench: Workbench) -> None:
    """A message waits, uncounted, while the daemon cannot open the secret; it is delivered once that is mended."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url)
        sender = workbench.everything.services.webhooks
        right, sender._vault = sender._vault, Vault([MasterKey(b"\2" * 32)])
        await happens(workbench)
        await workbench.drain()
        assert (receiver.got, [one["attemptCount"] for one in await hook.deliveries()]) == ([], [0])
        sender._vault = right
        await workbench.drain(is_time_moved=True)
        assert [one["attempts"][0]["attempt"] for one in await hook.deliveries()] == [1]


async def test_trying_it_out_and_sending_again(workbench: Workbench) -> None:
    """A test message arrives, also while the webhook is disabled; any message can be sent again, with its old id."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url)
        assert not (await api.ask("POST", f"{hook.path}/disable", {"reason": "moving"})).body["isEnabled"]
        told = await api.ask("POST", f"{hook.path}/test")
        assert (told.status, told.body["status"], told.body["eventType"]) == (201, "pending", "webhook.test")
        again = f"{hook.path}/deliveries/{told.body['id']}/replay"
        assert (await api.ask("POST", again)).status == 409
        await workbench.drain()
        assert (await api.ask("POST", again)).body["status"] == "pending"
        await workbench.drain()
        assert [got.message_id for got in receiver.got] == [told.body["messageId"]] * 2
        assert [one["attemptCount"] for one in await hook.deliveries()] == [2]


async def test_what_is_repeated_makes_no_second_job(workbench: Workbench) -> None:
    """A plugin that takes what crmd sends finds it genuine; repeated, it makes no second job."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url)
        await happens(workbench)
        await workbench.drain()
    [got] = receiver.got
    headers = {
        "Webhook-Id": got.message_id,
        "Webhook-Timestamp": str(got.timestamp),
        "Webhook-Signature": got.signature,
    }
    ids = set()
    for minutes in (0, 4):
        now = datetime.fromtimestamp(got.timestamp, UTC) + timedelta(minutes=minutes)
        webhook = crmd.verify_webhook(headers, got.raw, [hook.secret], now=now)
        made = await crmd.enqueue(
            workbench._pool, "add-one", {"number": 1}, unique_key=webhook.id, unique_scope="for", unique_seconds=259_200
        )
        ids.add(made.id)
        await workbench.drain()
    assert len(ids) == 1
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.jobs WHERE type = 'add-one'") == 1


async def test_what_an_operator_cancelled_is_failed_and_can_be_sent_again(workbench: Workbench) -> None:
    """A message whose job was cancelled does not stand as pending for ever."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url)
        await happens(workbench)
        [one] = await hook.deliveries()
        await workbench._pool.fetchval("SELECT crmd.cancel($1)", one["jobId"])
        assert [other["status"] for other in await hook.deliveries()] == ["failed"]
        assert [other["id"] for other in await hook.deliveries("?status=failed")] == [one["id"]]
        assert (await api.ask("POST", f"{hook.path}/replay", {})).body["deliveryIds"] == [one["id"]]
        assert (await api.ask("POST", f"{hook.path}/replay", {})).body["count"] == 0
        await workbench.drain()
        assert [got.message_id for got in receiver.got] == [one["messageId"]]


async def test_webhooks_are_held_to_their_workspace(workbench: Workbench) -> None:
    """Another workspace sees none of it, gets none of its events, and changes nothing; a reader sees no address."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url)
        await hook_at(api, receiver.url, "*", workspace_id=uuid4())
        await happens(workbench)
        await workbench.drain()
        assert len(receiver.got) == 1
        foreign = await api.new_key("admin", workspace_id=uuid4())
        inner = hook.path.replace(str(workbench.workspace_id), str(uuid4()))
        asked: list[tuple[str, str, object]] = [
            ("GET", hook.path, None), ("GET", inner, None), ("PATCH", inner, {}), ("DELETE", inner, None),
            ("POST", f"{inner}/rotate", {}), ("POST", f"{inner}/enable", None), ("POST", f"{inner}/disable", {}),
            ("POST", f"{inner}/test", None), ("GET", f"{inner}/deliveries", None), ("POST", f"{inner}/replay", {}),
        ]  # fmt: skip
        key = {True: foreign, False: api.key}
        told = [await api.ask(method, path, body, key=key[path.startswith(hook.path)]) for method, path, body in asked]
        assert {one.status for one in told} == {404}
        reader = await api.new_key("read", "enqueue", workspace_id=workbench.workspace_id)
        assert (await api.ask("GET", hook.path, key=reader)).status == 403
        assert len(await hook.deliveries()) == 1


async def test_no_job_sends_what_is_another_workspaces(workbench: Workbench) -> None:
    """Whoever starts a delivery by its id sends nothing of another workspace."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url)
        await happens(workbench)
        [one] = await hook.deliveries()
        await workbench._pool.fetchval("SELECT crmd.cancel($1)", one["jobId"])
        payload = {"deliveryId": one["id"], "webhookId": hook.path.rpartition("/")[2]}
        foreign = await workbench.run_job("deliver-webhook", payload, workspace_id=uuid4())
        assert (foreign.status, receiver.got) == ("cancelled", [])
        own = await workbench.run_job("deliver-webhook", payload)
        assert (own.status, len(receiver.got)) == ("completed", 1)


async def test_messages_are_sent_from_the_loop(workbench: Workbench) -> None:
    """Wherever a configuration lets the job type run, and also behind a crash, it runs where the sender is."""
    services = workbench.everything.services
    elsewhere = {NAME: replace(services.job_types[NAME], runs_in="process")}
    services.job_types = with_sender(elsewhere, services.webhooks)
    never: Any = None  # no place beside the loop is asked for
    Places(never, never, never, never).place(services)
    for job_types in (services.job_types, services.suspect_types):
        assert job_types[NAME].handler == services.webhooks.deliver


async def test_messages_are_kept_as_long_as_events(workbench: Workbench) -> None:
    """Retention forgets messages with their events, and secrets that have been replaced."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url)
        await api.ask("POST", f"{hook.path}/rotate", {"keepSeconds": 60})
        await happens(workbench)
        await workbench.drain()
        assert await webhooks.sweep(workbench._pool, 90, 100) == 0
        await workbench.clock.advance(91 * 24 * HOUR)
        assert await webhooks.sweep(workbench._pool, 90, 100) == 1
        assert await hook.deliveries() == []
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.webhook_secret") == 1


async def test_changing_and_removing(workbench: Workbench) -> None:
    """Changed event types count at once; with the last webhook nothing listens, and what waits is cancelled."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        hook = await hook_at(api, receiver.url, "job.*")
        changed = (await api.ask("PATCH", hook.path, {"eventTypes": ["deal.won"], "description": "ours"})).body
        assert (changed["eventTypes"], changed["description"], changed["url"]) == (["deal.won"], "ours", receiver.url)
        functions = "SELECT event_type FROM crmd.event_function"
        assert [row["event_type"] for row in await workbench._pool.fetch(functions)] == ["deal.won"]
        await happens(workbench, "deal.won")
        assert (await api.ask("DELETE", hook.path)).status == 200
        assert (await api.ask("GET", hook.path)).status == 404
        assert await workbench._pool.fetch(functions) == []
        [job] = await workbench.drain()
        assert (job.status, receiver.got) == ("cancelled", [])
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.webhook_delivery") == 0


HOSTILE = [
    "http://example.com/", "ftp://example.com/", "https://", "https://user:pass@example.com/", "https://example.com:22/",
    "https://127.0.0.1/", "https://2130706433/", "https://0x7f000001/", "https://0177.0.0.1/", "https://127.1/",
    "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[2002:7f00:1::]/",
    "https://10.0.0.1/", "https://169.254.169.254/latest/meta-data/", "https://224.0.0.1/", "https://0.0.0.0/",
    "https://localhost/", "https://exa\tmple.com/", "https://ex\u00e4mple.com/", "https://example.com/ x",
    "javascript:alert(1)", "https://" + "a" * 3000 + ".com/", "https://[::1", "https://example.com:99999/",
]  # fmt: skip


async def test_no_message_goes_to_a_private_address(workbench: Workbench) -> None:
    """Addresses in every disguise are refused when a webhook is made, with the place of the fault."""
    async with api_over(workbench) as api:
        root = f"/api/workspaces/{workbench.workspace_id}/webhooks"
        for url in HOSTILE:
            told = await api.ask("POST", root, {"url": url, "eventTypes": ["contact.*"]})
            assert (told.status, told.body["errors"][0]["path"]) == (422, "$.url"), url
        for word in ("Contact", "contact", "contact.created\n", "contact." + "a." * 200_000, ""):
            told = await api.ask("POST", root, {"url": "https://example.com/", "eventTypes": [word]})
            assert (told.status, told.body["errors"][0]["path"]) == (422, "$.eventTypes[0]"), word[:40]


async def test_a_name_that_leads_inside_is_refused_when_it_is_sent(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public name that resolves to this machine is refused at the socket, at each try, and nothing is connected."""
    asked: list[str] = []

    def watched(info: tuple[object, ...]) -> object:
        asked.append(str(info[4]))
        return public_socket(info)

    client = workbench.everything.services.http
    assert client._session is not None
    connector = client._session.connector
    monkeypatch.setattr(connector, "_socket_factory", watched)

    async def resolves(_host: str, port: int, **_: object) -> list[dict[str, object]]:
        return [{"hostname": "x", "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr(connector, "_resolve_host", resolves)
    async with api_over(workbench) as api:
        hook = await hook_at(api, "https://rebound.example.com/")
        await happens(workbench)
        await workbench.drain()
        [one] = await hook.deliveries()
        assert ("refused" in one["attempts"][0]["error"], one["attempts"][0]["status"]) == (True, None)
        assert asked == ["('127.0.0.1', 443)"]


async def test_deliveries_are_not_among_a_workspaces_jobs(workbench: Workbench) -> None:
    """A tenant's lists, counts, streams and bulk actions leave deliveries alone, unless their type is asked for."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        await hook_at(api, receiver.url)
        jobs = f"/api/workspaces/{workbench.workspace_id}/jobs"
        await happens(workbench)
        own = (await api.ask("POST", jobs, {"type": "add-one", "payload": {"number": 1}})).body["jobId"]
        async with watching(api, f"{jobs}/stream") as stream:
            snapshot = await stream.next()
            assert snapshot is not None
            assert [job["id"] for job in snapshot.data["jobs"]] == [own]
        dry = {"status": ["pending"], "dryRun": True}
        assert (await api.ask("POST", f"{jobs}/cancel", dry)).body["matched"] == 1
        assert (await api.ask("POST", f"{jobs}/cancel", {**dry, "type": NAME})).body["matched"] == 1
        for status in ("pending", "completed"):
            shown = (await api.ask("GET", jobs)).body
            assert ([job["id"] for job in shown["jobs"]], shown["total"], shown["jobs"][0]["status"]) == (
                [own],
                1,
                status,
            )
            [asked] = (await api.ask("GET", f"{jobs}?type={NAME}")).body["jobs"]
            assert (asked["type"], asked["status"]) == (NAME, status)
            assert len((await api.ask("GET", "/api/jobs")).body["jobs"]) == 2
            seen = await workbench._pool.fetch("SELECT id FROM crmd.background_jobs")
            assert [str(row["id"]) for row in seen] == [own]
            await workbench.drain()
        async with watching(api, f"{jobs}/stream") as stream:
            snapshot = await stream.next()
            assert snapshot is not None
            assert [job["id"] for job in snapshot.data["jobs"]] == [own]


async def test_what_a_disabled_webhook_missed_can_be_sent(workbench: Workbench) -> None:
    """Replay sends what happened meanwhile, once, of the asked types, and nothing from before the webhook was made."""
    async with api_over(workbench) as api, receiving(workbench) as receiver:
        await happens(workbench, number=0)
        await workbench.clock.advance(HOUR)
        hook = await hook_at(api, receiver.url)
        await happens(workbench, number=1)
        await workbench.drain()
        await api.ask("POST", f"{hook.path}/disable", {"reason": "moving"})
        await happens(workbench, number=2)
        await happens(workbench, "deal.won", number=3)
        await workbench.drain()
        await api.ask("POST", f"{hook.path}/enable")
        wanted = {"since": "2000-01-01T00:00:00Z", "includesMissed": True}
        assert (await api.ask("POST", f"{hook.path}/replay", {"includesMissed": True})).status == 422
        assert (await api.ask("POST", f"{hook.path}/replay", {"since": wanted["since"]})).body["count"] == 0
        assert (await api.ask("POST", f"{hook.path}/replay", wanted)).body["count"] == 1
        await workbench.drain()
        assert [got.body["data"]["number"] for got in receiver.got] == [1, 2]
        assert receiver.got[1].is_signed_with(hook.secret)
        assert (await api.ask("POST", f"{hook.path}/replay", wanted)).body["count"] == 0
