"""What operators see and do over REST, each route against a database with jobs of two workspaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import pytest
import sample_jobs
from api_server import api_over

from crmd.store import history

if TYPE_CHECKING:
    from api_server import ApiServer

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)


async def seen(api: ApiServer, path: str, **headers: str) -> Any:  # noqa: ANN401 - any JSON
    """What a look answers, which must go well."""
    told = await api.ask("GET", path, **headers)
    assert told.status == 200, told.body
    return told.body


async def done(api: ApiServer, path: str, body: object = None, status: int = 200) -> Any:  # noqa: ANN401 - any JSON
    """What a deed answers, with the status that is expected."""
    told = await api.ask("POST", path, {} if body is None else body)
    assert told.status == status, told.body
    return told.body


async def made(api: ApiServer, workspace_id: UUID, job_type: str, **payload: object) -> str:
    """The id of a new job."""
    body = {"type": job_type, "payload": payload}
    job_id: str = (await done(api, f"/api/workspaces/{workspace_id}/jobs", body, 201))["jobId"]
    return job_id


async def test_jobs_of_all_workspaces_are_found(workbench: Workbench) -> None:
    """An operator lists, searches and pages the jobs of all workspaces, and looks into each."""
    async with api_over(workbench) as api:
        first, second = uuid4(), uuid4()
        done_id = await made(api, first, "add-one", number=1)
        await workbench.drain()
        waiting = await made(api, second, "naps", number=2)
        everything = await seen(api, "/api/jobs")
        assert [job["id"] for job in everything["jobs"]] == [waiting, done_id]
        assert (everything["total"], everything["isTotalExact"], everything["hasMore"]) == (2, True, False)
        for query, ids in [
            (f"workspaceId={first}", [done_id]), ("status=completed", [done_id]), ("status=pending", [waiting]),
            ("type=naps&type=add-one", [waiting, done_id]), ("queue=slow", [waiting]), ("q=nap", [waiting]),
            (f"q={done_id}", [done_id]), ("q=no-such-word", []), (f"before={waiting}", [done_id]),
            (f"userId={uuid4()}", []), (f"parentId={uuid4()}", []), ("limit=1&offset=1", [done_id]),
        ]:  # fmt: skip
            assert [job["id"] for job in (await seen(api, f"/api/jobs?{query}"))["jobs"]] == ids, query
        assert (await seen(api, f"/api/jobs/{done_id}"))["result"] == {"number": 2}
        assert (await seen(api, f"/api/jobs/{done_id}/details"))["attempt"] == 1
        assert (await seen(api, f"/api/jobs/{waiting}/explain"))["gates"]
        assert (await seen(api, f"/api/jobs/{done_id}/log"))["lines"] == []
        assert (await api.ask("GET", f"/api/jobs/{uuid4()}")).status == 404
        assert (await done(api, f"/api/jobs/{waiting}/cancel"))["status"] == "cancelled"
        assert (await done(api, f"/api/jobs/{done_id}/retry", status=201))["jobId"] != done_id


async def test_a_filter_acts_on_many(workbench: Workbench) -> None:
    """A dry run counts what a filter selects, the deed touches exactly that, and an empty filter is refused."""
    async with api_over(workbench) as api:
        mine, other = uuid4(), uuid4()
        for workspace_id in (mine, mine, other):
            await made(api, workspace_id, "naps", number=1)
        body = {"action": "cancel", "filter": {"workspaceId": str(mine), "queue": "slow"}}
        assert (await done(api, "/api/jobs/bulk", {**body, "dryRun": True}))["jobs"] == 2
        assert (await done(api, "/api/jobs/bulk", body))["answers"] == {"cancelled": 2}
        assert (await seen(api, "/api/jobs?status=pending"))["total"] == 1
        again = {"action": "retry", "filter": {"status": ["cancelled"]}, "perSecond": 5}
        assert (await done(api, "/api/jobs/bulk", again))["answers"] == {"retried": 2}
        assert (await done(api, "/api/jobs/bulk", again))["answers"] == {"left_out": 2}
        for wrong in ({}, {"status": ["pending"]}):
            told = await api.ask("POST", "/api/jobs/bulk", {"action": "retry", "filter": wrong})
            assert told.status == 422
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.audit WHERE action = 'jobs.retry'") == 2


async def test_dead_letters_are_grouped_and_redriven(workbench: Workbench) -> None:
    """Letters of one cause stand together; a dry run counts, a bad patch touches none, a good one makes new jobs."""
    async with api_over(workbench) as api:
        ids = {await made(api, uuid4(), "gives-up") for _ in range(3)}
        await workbench.drain()
        [cause] = (await seen(api, "/api/dead"))["causes"]
        assert (cause["type"], cause["jobs"], cause["workspaces"]) == ("gives-up", 3, 3)
        page = await seen(api, f"/api/dead/{cause['cause']}?limit=2")
        rest = await seen(api, f"/api/dead/{cause['cause']}?after={page['letters'][-1]['id']}")
        assert ({one["id"] for one in page["letters"] + rest["letters"]}, page["hasMore"]) == (ids, True)
        body = {"cause": cause["cause"], "perSecond": 100}
        assert (await done(api, "/api/dead/redrive", {**body, "dryRun": True}))["redriven"] == 3
        bad = await api.ask("POST", "/api/dead/redrive", {**body, "patch": {"nothing": 1}})
        assert bad.status == 422
        assert (await api.ask("POST", "/api/dead/redrive", {})).status == 422
        assert (await done(api, "/api/dead/redrive", body))["redriven"] == 3
        assert (await seen(api, "/api/dead"))["causes"] == []
        assert (await seen(api, "/api/jobs?type=gives-up"))["total"] == 6


async def test_queues_rest_go_on_and_change_size(workbench: Workbench) -> None:
    """A paused queue starts nothing and says why; resumed it goes on; its room is set and taken back."""
    async with api_over(workbench) as api:
        paused = await done(api, "/api/queues/slow/pause", {"reason": "the provider is down"})
        assert (paused["isPaused"], paused["pauseReason"]) == (True, "the provider is down")
        assert (await done(api, "/api/queues/slow/resume"))["isPaused"] is False
        assert (await api.ask("POST", "/api/queues/slow/resume", {})).status == 409
        assert (await api.ask("POST", "/api/queues/nowhere/pause", {})).status == 404
        sized = await done(api, "/api/queues/slow/resize", {"slots": 3, "max": 7})
        assert (sized["slotsSet"], sized["slotsFleetSet"]) == (3, 7)
        sized = await done(api, "/api/queues/slow/resize", {"max": 9})
        assert (sized["slotsSet"], sized["slotsFleetSet"]) == (None, 9)
        assert (await done(api, "/api/queues/slow/resize", {}))["slotsFleetSet"] is None
        assert {"fast", "slow"} <= {one["name"] for one in (await seen(api, "/api/queues"))["queues"]}
        await workbench._pool.execute("SELECT crmd.pause('workspace/x', 'a try')")
        limits = await seen(api, "/api/limits")
        assert [one["key"] for one in limits["gates"]] == ["workspace/x"]
        assert "type:two-at-a-time" in {one["key"] for one in limits["keys"]}


async def test_schedules_of_plugins_are_shown_and_held(workbench: Workbench) -> None:
    """A plugin's schedule, whose id holds a slash, is listed with its next ticks, paused, resumed and backfilled."""
    async with api_over(workbench) as api:
        [schedule] = (await seen(api, "/api/schedules"))["schedules"]
        assert (schedule["type"], schedule["origin"], len(schedule["nextTicks"])) == ("every-minute", "plugin", 3)
        at = f"/api/schedules/{schedule['id'].replace('/', '%2F')}"
        assert (await done(api, f"{at}/pause"))["isPaused"] is True
        assert (await done(api, f"{at}/resume"))["isPaused"] is False
        now = await workbench._pool.fetchval("SELECT date_trunc('minute', crmd.clock())")
        window = {"from": (now.replace(second=0)).isoformat(), "to": now.isoformat(), "dryRun": True}
        assert (await api.ask("POST", f"{at}/backfill", window)).status == 422
        assert (await api.ask("POST", "/api/schedules/nobody/pause", {})).status == 404


async def test_the_fleet_is_shown(workbench: Workbench) -> None:
    """Daemons, connections, plugins and events are listed as they stand; a chain leads from a job to its event."""
    async with api_over(workbench) as api:
        job_id = await made(api, uuid4(), "tells")
        await workbench.drain()
        [daemon] = (await seen(api, "/api/daemons"))["daemons"]
        assert (daemon["isAlive"], daemon["running"], daemon["leases"]) == (True, 0, [])
        assert (await seen(api, "/api/connections"))["connections"] == []
        events = (await seen(api, "/api/events?type=sample.*"))["events"]
        assert {one["type"] for one in events} == {"sample.told"}
        assert (await seen(api, f"/api/events/{events[0]['id']}"))["type"] == "sample.told"
        nodes = (await seen(api, f"/api/events/{job_id}/trace"))["nodes"]
        assert {"tells", "sample.told"} <= {node["type"] for node in nodes}
        assert (await api.ask("GET", f"/api/events/{uuid4()}/trace")).status == 404
        plugins = {one["name"]: one for one in (await seen(api, "/api/plugins"))["plugins"]}
        assert plugins["sample_jobs"]["state"] == "loaded"
        assert "add-one" in {one["name"] for one in plugins["sample_jobs"]["jobTypes"]}
        await workbench._pool.execute(
            "INSERT INTO crmd.quarantine VALUES ('sample_jobs', '1', 'it crashed', crmd.clock(), crmd.clock())"
        )
        held = {one["name"]: one for one in (await seen(api, "/api/plugins"))["plugins"]}
        assert held["sample_jobs"]["quarantine"]["reason"] == "it crashed"
        assert (await done(api, "/api/plugins/sample_jobs/release"))["success"] is True
        assert (await api.ask("POST", "/api/plugins/sample_jobs/release", {})).status == 409


async def test_keys_are_made_used_and_ended(workbench: Workbench) -> None:
    """A key that is made over REST works within its scopes until it is revoked; its secret stands nowhere else."""
    async with api_over(workbench) as api:
        new = await done(api, "/api/keys", {"client": "board", "scopes": ["read"]}, 201)
        assert (await api.ask("GET", "/api/queues", key=new["key"])).status == 200
        for method, path in [("GET", "/api/keys"), ("POST", "/api/queues/slow/pause")]:
            body: object = None if method == "GET" else {}
            assert (await api.ask(method, path, body, key=new["key"])).status == 403
        listed = await seen(api, "/api/keys")
        assert "board" in {one["client"] for one in listed["keys"]}
        assert new["key"] not in str(listed) + str(await seen(api, "/api/audit"))
        assert (await api.ask("DELETE", f"/api/keys/{new['id']}")).body["client"] == "board"
        assert (await api.ask("DELETE", f"/api/keys/{new['id']}")).status == 404
        over = await api.ask("POST", "/api/keys", {"client": "late", "expiresAt": "2020-01-01T00:00:00Z"})
        assert over.status == 422
        actions = [one["action"] for one in (await seen(api, "/api/audit?action=keys."))["actions"]]
        assert actions[-2:] == ["keys.revoke", "keys.create"]


async def test_whoever_has_a_workspace_finds_none_of_it(workbench: Workbench) -> None:
    """To a key of one workspace, whatever its scopes, no route for operators is there."""
    async with api_over(workbench) as api:
        key = await api.new_key("admin", workspace_id=uuid4())
        paths = [
            path
            for path, methods in (await seen(api, "/api/openapi.json"))["paths"].items()
            if "{" not in path and "get" in methods and path.startswith("/api/") and path not in OPEN
        ]
        assert {"/api/overview", "/api/jobs", "/api/dead", "/api/daemons", "/api/keys", "/api/audit"} <= set(paths)
        assert [path for path in paths if (await api.ask("GET", path, key=key)).status != 404] == []


OPEN = {"/api/openapi.json", "/api/job-types", "/api/connections/callback"}


async def test_the_overview_tells_how_it_goes(workbench: Workbench) -> None:
    """What waits, what ended and what needs a person stand on one page, before and after the figures are counted."""
    async with api_over(workbench) as api:
        for job_type in ("add-one", "gives-up"):
            await made(api, uuid4(), job_type, **({"number": 1} if job_type == "add-one" else {}))
        await workbench.drain()
        await made(api, uuid4(), "naps", number=1)
        for turn in range(2):
            page = await seen(api, "/api/overview?hours=1")
            assert page["now"]["counts"] == {"pending": 1, "scheduled": 0, "processing": 0}, turn
            assert (page["now"]["completedDay"], page["now"]["failedDay"]) == (1, 1), turn
            assert (sum(one["completed"] for one in page["series"]), page["stepSeconds"]) == (1, 60), turn
            assert sum(one["failed"] for one in page["series"]) == 1, turn
            assert [one["waitP50Seconds"] for one in page["series"] if one["waitP50Seconds"]], turn
            # Nobody fires schedules here: they are late by the age of the template that the database is made from.
            assert [want["kind"] for want in page["attention"] if want["kind"] != "schedules"] == ["dead"], turn
            await workbench.clock.advance(180)
            assert not await history.count_once(workbench._pool)
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.ended_minute WHERE measure = 'jobs'") == 2
        await workbench.clock.advance(2 * 3600)
        while await history.count_once(workbench._pool):
            pass
        assert await workbench._pool.fetchval("SELECT sum(jobs) FROM crmd.ended_hour WHERE measure = 'jobs'") == 2
        for hours in (6, 24, 168, 720):
            told = await seen(api, f"/api/overview?hours={hours}")
            assert sum(one["completed"] for one in told["series"]) == 1
