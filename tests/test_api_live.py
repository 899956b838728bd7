"""Live streams: first all as it stands, then every change, over whichever daemon."""

from __future__ import annotations

import re
import socket
import time
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import aiohttp
import anyio
import pytest
import sample_jobs
from api_server import api_over
from stream_reader import watching

from crmd.api import authenticating
from crmd.api.identity import NOBODY
from crmd.api.live import hub, serving
from crmd.api.live.event import Event
from crmd.api.live.place import Place, place_of
from crmd.api.live.stream import WAITING_MAX, Stream, Wish
from crmd.api.live.told import PAUSE_SECONDS
from crmd.composition import engine_options
from crmd.config.api_settings import Api
from crmd.engine.engine import Engine
from crmd.engine.heralding import herald_once, look_around_once
from crmd.engine.watchers import Watchers
from crmd.store import api_keys, live
from crmd.store.live import Look
from crmd.store.queries import load_queries
from crmd.testing.workbench import open_workbench

if TYPE_CHECKING:
    from collections.abc import Iterable

    from api_server import ApiServer

    from crmd.api.live.hub import Hub
    from crmd.config.loading import Config
    from crmd.testing import Workbench
    from crmd.testing.arena import Arena

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
ADD = {"type": "add-one", "payload": {"number": 1}}
ENQUEUE_LARGE = "SELECT crmd.enqueue('add-one', jsonb_build_object('x', repeat('x', 9000)), $1)"
ENQUEUE = "SELECT crmd.enqueue('add-one', '{}', $1)"

OTHERS = "CASE WHEN n % 100 = 0 THEN $1::uuid ELSE crmd.uuid7() END"
FILL_JOB = f"""
INSERT INTO crmd.job (id, run_at, rank_at, created_at, max_attempts, type, queue, priority, payload, workspace_id)
SELECT crmd.uuid7(), c, c, c, 3, 'x', 'fast', 'normal', '{{}}', {OTHERS} FROM generate_series(1, 5000) n, crmd.clock() c
"""
FILL_ARCHIVE = f"""
INSERT INTO crmd.archive (id, finished_at, run_at, created_at, fence, attempt, max_attempts, crash_count, snooze_count,
    status, type, queue, priority, payload, workspace_id)
SELECT crmd.uuid7(), c - n * interval '0.1 second', c, c, 1, 1, 3, 0, 0, 'completed', 'x', 'fast', 'normal', '{{}}',
    {OTHERS}
FROM generate_series(1, 5000) n, crmd.clock() c
"""


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks and rounds come often, so that no test waits for them."""
    monkeypatch.setattr(hub, "LOOK_SECONDS", 0.1)
    monkeypatch.setattr(serving, "ROUND_SECONDS", 0.05)


async def test_a_stream_tells_of_a_job_from_its_beginning_to_its_end(workbench: Workbench) -> None:
    """A stream begins with what there is, then tells that a job was made and how it ended, and of no other tenant's."""
    async with api_over(workbench) as api:
        mine, other = f"/api/workspaces/{uuid4()}/jobs", f"/api/workspaces/{uuid4()}/jobs"
        first = (await api.ask("POST", mine, ADD)).body["jobId"]
        async with watching(api, f"{mine}/stream") as stream:
            snapshot = await stream.next()
            assert snapshot is not None
            assert (snapshot.name, stream.retry) == ("snapshot", "2000")
            assert ([job["id"] for job in snapshot.data["jobs"]], snapshot.data["isComplete"]) == ([first], True)
            await api.ask("POST", other, ADD)
            second = (await api.ask("POST", mine, ADD)).body["jobId"]
            await stream.until_status(second, "pending")
            await workbench.drain()
            done = await stream.until_status(second, "completed")
            assert done.data == (await api.ask("GET", f"{mine}/{second}")).body
            if not any(event.data.get("id") == first for event in stream.heard):
                await stream.until_status(first, "completed")
            assert {event.data["id"] for event in stream.heard[1:]} == {first, second}


async def test_a_stream_goes_on_at_another_daemon(workbench: Workbench, crmd_config: Config, crmd_arena: Arena) -> None:
    """What changed between two streams is told at another daemon, by the id of the last event, without a snapshot."""
    jobs = f"/api/workspaces/{uuid4()}/jobs"
    async with api_over(workbench) as here, open_workbench(crmd_config, crmd_arena.entries) as second:
        await here.ask("POST", jobs, ADD)
        known = (await here.ask("POST", jobs, {**ADD, "runAt": "2100-01-01T00:00:00Z"})).body["jobId"]
        async with watching(here, f"{jobs}/stream") as stream:
            await stream.next()
            place = stream.place
        made = (await here.ask("POST", jobs, ADD)).body["jobId"]
        await workbench.drain()
        async with api_over(second) as there, watching(there, f"{jobs}/stream", after=place) as stream:
            await stream.until_status(made, "completed")
            later = (await there.ask("POST", jobs, ADD)).body["jobId"]
            await stream.until_status(later, "pending")
            assert {event.name for event in stream.heard} == {"job"}
            assert known not in {event.data["id"] for event in stream.heard}
            ids = [[int(part, 16) for part in event.id.split("-")] for event in stream.heard]
            assert ids == sorted(ids)


@pytest.mark.parametrize(
    "place", ["x", "1-1-1", "fffffffffffff-1-1", "{now}-fffffffffff-1", "{now}-1-2", "9" * 99, "5f-\u0661", "1-2-3\n"]
)
async def test_an_unknown_place_leads_to_a_snapshot(place: str) -> None:
    """An id that is too old, of another database's future or no id at all is none to go on from."""
    now = Look(1000, datetime(2026, 1, 2, tzinfo=UTC))
    stamp = f"{int(now.clock.timestamp() * 1e6):x}"
    found = place_of(place.replace("{now}", stamp))
    assert found is None or not found.is_known(now, 1)
    fresh = place_of(f"{stamp}-3e8-1")
    assert fresh is not None
    assert fresh.is_known(now, 1)
    assert fresh.id().decode() == f"{stamp}-3e8-1"


async def test_what_commits_late_or_comes_from_elsewhere_is_told(workbench: Workbench) -> None:
    """Jobs that plain SQL makes, ends and erases are found by looking, also if they commit long after."""
    workspace_id = uuid4()
    async with (
        api_over(workbench) as api,
        workbench.everything.pools.plugins.acquire() as outside,
        watching(api, f"/api/workspaces/{workspace_id}/jobs/stream") as stream,
    ):
        await stream.next()
        late = outside.transaction()
        await late.start()
        [first, second] = [str(await outside.fetchval(ENQUEUE, workspace_id)) for _ in range(2)]
        await workbench._pool.execute(ENQUEUE, workspace_id)
        await stream.until(lambda event: event.name == "job")
        await workbench.clock.advance(60)
        await late.commit()
        await stream.until_status(first, "pending")
        if not any(event.data.get("id") == second for event in stream.heard):
            await stream.until_status(second, "pending")
        async with outside.transaction():
            await outside.execute("SELECT crmd.cancel($1)", first)
        await stream.until_status(first, "cancelled")
        await outside.execute("DELETE FROM crmd.job WHERE id = $1", second)
        hub_of(api)._search_at = 0.0
        gone = await stream.until(lambda event: event.name == "gone")
        assert gone.data == {"id": second}


async def test_a_stream_of_one_job_shows_nothing_else(workbench: Workbench) -> None:
    """A job's own stream tells of that job alone, leaves out what is large, and another tenant's job is not there."""
    mine, other = uuid4(), uuid4()
    async with api_over(workbench) as api:
        job_id = str(await workbench._pool.fetchval(ENQUEUE_LARGE, mine))
        path = f"/api/workspaces/{mine}/jobs/{job_id}/stream"
        for wrong in (path.replace(str(mine), str(other)), f"/api/workspaces/{mine}/jobs/{uuid4()}/stream"):
            assert (await api.ask("GET", wrong)).status == 404
        key = await api.new_key("read", workspace_id=mine)
        assert (await api.ask("GET", f"/api/workspaces/{other}/jobs/stream", key=key)).status == 404
        assert (await api.ask("GET", "/api/stream", key=key)).status == 404
        async with watching(api, path, key=key) as stream, watching(api, "/api/stream") as all_jobs:
            snapshot = await stream.next()
            assert snapshot is not None
            [shown] = snapshot.data["jobs"]
            assert (shown["id"], shown["payload"], shown["isTruncated"]) == (job_id, None, True)
            await all_jobs.next()
            await workbench.enqueue("add-one", workspace_id=other)
            await workbench.drain()
            await stream.until_status(job_id, "failed")
            assert {event.data["id"] for event in stream.heard[1:]} == {job_id}
            await all_jobs.until_status(job_id, "failed")
            if not any(event.data.get("workspaceId") == str(other) for event in all_jobs.heard):
                await all_jobs.until(lambda event: bool(event.data["workspaceId"] == str(other)))


async def test_seats_are_counted(workbench: Workbench) -> None:
    """Beyond the streams of one key, and of the daemon, a request is told when to come again; a closed one is free."""
    async with api_over(workbench, Api(streams_per_key_max=1, streams_max=2)) as api:
        path = f"/api/workspaces/{uuid4()}/jobs/stream"
        async with watching(api, path) as first, watching(api, path, key=await api.new_key("read")) as second:
            await first.next()
            await second.next()
            told = await api.ask("GET", path)
            assert (told.status, told.headers["Retry-After"]) == (429, "15")
            assert (await api.ask("GET", path, key=await api.new_key("read"))).status == 429
        await watchers_left(api, 0)
        async with watching(api, path) as again:
            assert (await again.next()) is not None


async def test_a_stream_ends_with_its_key(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is revoked ends its streams with a word; those of others go on, and end with the daemon's."""
    monkeypatch.setattr(serving, "CHECK_SECONDS", 0.0)
    monkeypatch.setattr(authenticating, "REMEMBERED_SECONDS", 0.0)
    async with aiohttp.ClientSession() as session, AsyncExitStack() as streams:
        async with api_over(workbench) as api:
            api.session, own = session, api.session
            path, key = f"/api/workspaces/{uuid4()}/jobs/stream", await api.new_key("read")
            ending = await streams.enter_async_context(watching(api, path, key=key))
            staying = await streams.enter_async_context(watching(api, path))
            await ending.next()
            await staying.next()
            await api_keys.revoke(workbench._pool, key.split("_")[1])
            assert (await ending.until(lambda event: event.name == "bye")).data == {"reason": "key ended"}
            assert await ending.next() is None
            api.session = own
        assert (await staying.until(lambda event: event.name == "bye")).data == {"reason": "drain"}
        assert await staying.next() is None


async def test_a_slow_reader_is_closed(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who takes nothing for a while is cut off, and holds nobody else up."""
    monkeypatch.setattr(serving, "SLOW_SECONDS", 0.3)
    workspace_id = uuid4()
    await workbench._pool.execute(
        "SELECT crmd.enqueue_many('add-one', array_fill(jsonb_build_object('x', repeat('x', 8000)), ARRAY[900]), $1)",
        workspace_id,
    )
    async with api_over(workbench) as api:
        path = f"/api/workspaces/{workspace_id}/jobs/stream"
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            host, _, port = api.address.removeprefix("http://").partition(":")
            slow.connect((host, int(port)))
            slow.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.key}\r\n\r\n".encode())
            async with watching(api, path) as stream:
                snapshot = await stream.next()
                assert snapshot is not None
                assert len(snapshot.data["jobs"]) == 900
                await watchers_left(api, 1)
                made = (await api.ask("POST", path.removesuffix("/stream"), ADD)).body["jobId"]
                await stream.until_status(made, "pending")


def test_only_the_newest_state_of_a_job_waits() -> None:
    """While a reader is busy, older states of a job make room for newer ones; beyond a bound everything begins anew."""
    start = Place(7, datetime(2026, 1, 1, tzinfo=UTC), 1)
    stream = Stream(Wish(identity=NOBODY, workspace_id=uuid4(), job_id=None, is_allowed=_yes, is_lost=bool), start, b"")
    jobs = [uuid4() for _ in range(3)]
    for number in range(9):
        clock = start.clock + timedelta(seconds=number)
        stream.offer(Event(jobs[number % 3], None, clock, b"data: %d\n\n" % number), point=8)
    lines = stream.take().split()
    assert lines[3::4] == [b"6", b"7", b"8"]
    assert [place_of(line.decode()).point for line in lines[1::4] if place_of(line.decode())] == [7, 7, 8]  # type: ignore[union-attr]  # filtered
    assert stream.take() == b""
    for _ in range(WAITING_MAX + 1):
        stream.offer(Event(uuid4(), None, start.clock, b""), point=9)
    assert (stream.is_stale, stream.take()) == (True, b"")


async def _yes() -> bool:
    return True


async def test_a_failover_begins_everything_anew(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the server writes another timeline, every stream gets a snapshot, since numbers seen before mean nothing."""
    async with api_over(workbench) as api:
        jobs = f"/api/workspaces/{uuid4()}/jobs"
        async with watching(api, f"{jobs}/stream") as stream:
            await stream.next()
            monkeypatch.setattr(hub.Hub, "_history", 7)
            made = (await api.ask("POST", jobs, ADD)).body["jobId"]
            snapshot = await stream.until(lambda event: event.name == "snapshot")
            assert [job["id"] for job in snapshot.data["jobs"]] == [made]
            assert snapshot.id.endswith("-7")
            await workbench.drain()
            await stream.until_status(made, "completed")


async def test_many_changes_are_told_as_few(workbench: Workbench) -> None:
    """A job that changes all the time is told of ten times a second at most, and its last state is never left out."""
    async with api_over(workbench) as api:
        workspace_id = uuid4()
        job = await workbench.enqueue("add-one", workspace_id=workspace_id)
        async with watching(api, f"/api/workspaces/{workspace_id}/jobs/stream") as stream:
            await stream.next()
            assert api.state is not None
            began = time.monotonic()
            for number in range(100):
                await workbench._pool.execute("UPDATE crmd.job SET attempt = $2 WHERE id = $1", job.id, number + 2)
                api.state.changed(workspace_id, job.id)
            last = await stream.until(lambda event: bool(event.data["retryCount"] == 100))
            assert last.name == "job"
            assert len(stream.heard) <= 3 + (time.monotonic() - began) / PAUSE_SECONDS


async def test_words_pass_between_daemons(workbench: Workbench) -> None:
    """What changes in a workspace that is watched elsewhere goes out as one word of bounded size, and is heard."""
    here, there, hearer = Watchers(), Watchers(), Hearing()
    mine, other = uuid4(), uuid4()
    here.changed(mine, uuid4())
    assert not here.is_on
    here.elsewhere([[mine]])
    there.begin(hearer)
    ids = [uuid4() for _ in range(200)]
    for job_id in ids:
        here.changed(mine, job_id)
    here.changed(other, uuid4())
    assert here.arrived.is_set()
    word = here.take()
    assert len(word) < 8000
    assert there.heard(word)
    assert hearer.heard == set(ids)
    here.elsewhere([None])
    for _ in range(1000):
        here.changed(None, uuid4())
    there.heard(here.take())
    assert hearer.looks == 1
    assert not there.heard("fast")
    assert there.heard("!live " + "x" * 100_000)


async def test_a_daemon_knows_what_is_watched_elsewhere(workbench: Workbench) -> None:
    """Another daemon tells of a workspace while somebody watches it here, and of no other; then it is silent again."""
    engine, mine = Watchers(), uuid4()
    async with api_over(workbench) as api:
        async with watching(api, f"/api/workspaces/{mine}/jobs/stream") as stream:
            await stream.next()
            made = await api.ask("POST", f"/api/workspaces/{mine}/jobs", ADD)
            await stream.until_status(made.body["jobId"], "pending")
            await look_around_once(workbench._pool, engine)
            engine.changed(uuid4(), uuid4())
            assert (engine.is_on, engine.arrived.is_set()) == (True, False)
            engine.changed(mine, uuid4())
            await herald_once(workbench._pool, engine)
        await watchers_left(api, 0)
        while await workbench._pool.fetchval("SELECT count(*) FROM crmd.watching"):  # noqa: ASYNC110 - a row tells nobody
            await anyio.sleep(0.02)
        await look_around_once(workbench._pool, engine)
        assert not engine.is_on


class Hearing:
    """Hears everything."""

    def __init__(self) -> None:
        self.heard: set[UUID] = set()
        self.looks = 0

    def watches(self, workspace_id: UUID | None) -> bool:
        """All that belong to any."""
        return workspace_id is not None

    def words(self, job_ids: Iterable[UUID]) -> None:
        """Note them."""
        self.heard |= set(job_ids)

    def look_soon(self) -> None:
        """Count it."""
        self.looks += 1


async def watchers_left(api: ApiServer, count: int) -> None:
    """Wait until the server knows that only so many readers are there."""
    while len(hub_of(api).audience) > count:  # noqa: ASYNC110 - the server tells nobody that a reader has gone
        await anyio.sleep(0.02)


def hub_of(api: ApiServer) -> Hub:
    """Who tells its streams."""
    assert api.state is not None
    assert api.state.hub is not None
    return api.state.hub


async def test_the_documented_role_sees_its_own_workspace(workbench: Workbench) -> None:
    """The role and the policies of docs/live.md show a subscriber the jobs of one workspace, and can be published."""
    mine = uuid4()
    for workspace_id in (mine, uuid4()):
        await workbench.enqueue("add-one", workspace_id=workspace_id)
        await workbench._pool.execute(ENQUEUE, workspace_id)
        await workbench.drain(jobs_max=1)
    page = Path(__file__).parents[1] / "docs" / "live.md"
    [script] = re.findall(r"```sql\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    async with workbench._pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await connection.execute(script.replace("app_user", f"app_{mine.hex}"))
        await connection.execute(f"SET LOCAL ROLE app_{mine.hex}")
        claims = f'{{"workspace_id": "{mine}"}}'
        await connection.fetch("SELECT set_config('request.jwt.claims', $1, true)", claims)
        rows = await connection.fetch("SELECT workspace_id, status FROM crmd.background_jobs")
        await undone.rollback()
    assert {row["workspace_id"] for row in rows} == {mine}
    assert len(rows) == 2


async def test_a_stream_ends_with_its_token() -> None:
    """A token that runs out ends its stream at that instant, whatever the next look-up would say."""
    ended = replace(NOBODY, expires_at=time.time() - 1)
    lasting = replace(NOBODY, expires_at=time.time() + 30)
    streams = []
    for identity in (ended, lasting, NOBODY):
        wish = Wish(identity=identity, workspace_id=None, job_id=None, is_allowed=_yes, is_lost=bool)
        streams.append(Stream(wish, Place(1, datetime(2026, 1, 1, tzinfo=UTC), 1), b""))
        await serving.check(streams[-1], 0.0)
    assert [stream.is_over for stream in streams] == [True, False, False]
    assert 0 < streams[1].check_at <= 30
    assert streams[2].check_at == serving.CHECK_SECONDS


async def test_words_alone_tell_of_what_this_daemon_does(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is posted here, runs here, and is told by other daemons is known at once, without a look."""
    everything = workbench.everything
    engine = Engine(everything.services, engine_options(everything.config, everything.loaded))
    stop = anyio.Event()
    async with api_over(workbench) as api, anyio.create_task_group() as tasks:
        path = f"/api/workspaces/{workbench.workspace_id}/jobs"
        async with watching(api, f"{path}/stream") as stream:
            await stream.next()
            await looked(api)
            monkeypatch.setattr(hub, "LOOK_SECONDS", 3600.0)
            await looked(api)
            silent = await workbench.enqueue("add-one", run_at=datetime(2100, 1, 1, tzinfo=UTC))
            posted = (await api.ask("POST", path, ADD)).body["jobId"]
            await stream.until_status(posted, "pending")
            tasks.start_soon(engine.run, stop)
            done = await stream.until_status(posted, "completed")
            assert done.data["result"] == {"number": 2}
            assert str(silent.id) not in {event.data.get("id") for event in stream.heard}
            engine.wake(f"!live {silent.id.hex}")
            await stream.until_status(str(silent.id), "scheduled")
        stop.set()


async def looked(api: ApiServer) -> None:
    """Wait until a look has begun and ended."""
    before = hub_of(api)._looked_at
    while hub_of(api)._looked_at == before:  # noqa: ASYNC110 - a look tells nobody
        await anyio.sleep(0.01)


async def test_looks_read_only_what_is_new(workbench: Workbench) -> None:
    """However much waits and has ended, a look goes by the workspaces and the time, and reads no table whole."""
    mine, pool = uuid4(), workbench._pool
    await pool.execute(FILL_JOB, mine)
    await pool.execute(FILL_ARCHIVE, mine)
    await pool.execute("ANALYZE crmd.job, crmd.archive")
    async with pool.acquire() as connection:
        now = await live.now(connection)
        given = f"'{{{mine}}}', '{now.point}', '{now.clock}', '{now.clock - timedelta(seconds=10)}', 1000"
        await connection.execute("PREPARE look AS " + load_queries("crmd.store").live_changes)
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN EXECUTE look({given})"))
        await connection.execute("DEALLOCATE look")
    assert "job_workspace" in plan, plan
    assert "workspace_id_finished_at_idx" in plan, plan
    assert "Seq Scan on job" not in plan, plan
