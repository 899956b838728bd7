from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import enqueue_jobs
import pytest
import sample_jobs
from api_server import api_over

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)


async def test_a_jobs_page_tells_what_lies_behind_it(workbench: Workbench) -> None:
    """Failed attempts with their errors, children and the explanation are told; a tenant sees no places, no machine."""
    async with api_over(workbench) as api:
        workspace_id = uuid4()
        key = await api.new_key("read", workspace_id=workspace_id)
        made = await workbench.enqueue("always-fails", workspace_id=workspace_id)
        parent = await workbench.enqueue("fans-out", {"number": 2}, workspace_id=workspace_id)
        jobs = f"/api/workspaces/{workspace_id}/jobs"
        before = (await api.ask("GET", f"{jobs}/{made.id}/explain", key=key)).body
        assert {gate["name"] for gate in before["gates"]} >= {"hold", "time", "type"}
        await workbench.drain(is_time_moved=True)
        details = (await api.ask("GET", f"{jobs}/{made.id}/details", key=key)).body
        assert [one["class"] for one in details["failedAttempts"]] == ["RuntimeError", "RuntimeError"]
        assert all(one["places"] == [] for one in details["failedAttempts"])
        whole = (await api.ask("GET", f"{jobs}/{made.id}/details")).body
        assert whole["failedAttempts"][0]["places"]
        family = (await api.ask("GET", f"{jobs}/{parent.id}/details", key=key)).body["children"]
        assert (family["total"], family["completed"], family["failed"]) == (3, 2, 1)
        log = await api.ask("GET", f"{jobs}/{made.id}/log?after=7", key=key)
        assert (log.body["lines"], log.body["nextAfter"]) == ([], 7)
        after = (await api.ask("GET", f"{jobs}/{made.id}/explain", key=key)).body
        assert "It died after its last attempt" in after["summary"]


async def test_a_template_from_its_saving_to_its_end(workbench: Workbench) -> None:
    """A template is checked as it is saved, run with fields over its own, once per key, and removed."""
    async with api_over(workbench) as api:
        workspace_id = uuid4()
        place = f"/api/workspaces/{workspace_id}/templates"
        key = await api.new_key("read", "enqueue", "manage", workspace_id=workspace_id)
        bad = await api.ask("PUT", f"{place}/plus", {"type": "add-one", "payload": {"number": "x"}}, key=key)
        assert (bad.status, bad.body["errors"][0]["path"]) == (422, "$.payload.number")
        body = {"type": "plus-one", "payload": {"number": 1}}
        saved = [(await api.ask("PUT", f"{place}/plus", body, key=key)).status for _ in range(2)]
        assert saved == [201, 200]
        ran = [
            await api.ask("POST", f"{place}/plus/run", {"payload": {"number": 4}}, key=key, Idempotency_Key="one")
            for _ in range(2)
        ]
        assert ran[0].body["jobId"] == ran[1].body["jobId"]
        [done] = await workbench.drain()
        assert done.result == {"number": 5}
        other = await api.new_key("admin", workspace_id=uuid4())
        assert (await api.ask("POST", f"{place}/plus/run", {}, key=other)).status == 404
        assert [one["name"] for one in (await api.ask("GET", place, key=key)).body["templates"]] == ["plus"]
        assert (await api.ask("DELETE", f"{place}/plus", key=key)).body == {"success": True}
        assert (await api.ask("GET", f"{place}/plus", key=key)).status == 404


async def test_a_schedule_from_its_making_to_its_end(workbench: Workbench) -> None:
    """A schedule is made once, tells its next ticks, rests, goes on, makes up for a window, and is dropped."""
    async with api_over(workbench) as api:
        workspace_id = uuid4()
        place = f"/api/workspaces/{workspace_id}/schedules"
        key = await api.new_key("read", "manage", workspace_id=workspace_id)
        body = {"name": "nightly", "type": "add-one", "expression": "0 3 * * *", "payload": {"number": 1}}
        made = await api.ask("POST", place, body, key=key, Idempotency_Key="one")
        again = await api.ask("POST", place, body, key=key, Idempotency_Key="one")
        assert (made.status, again.status, again.body) == (201, 201, made.body)
        assert len(made.body["nextTicks"]) == 3
        assert (await api.ask("POST", place, body, key=key)).status == 409
        wrong = await api.ask("POST", place, {**body, "name": "b", "expression": "every now"}, key=key)
        assert (wrong.status, wrong.body["type"]) == (422, "urn:crmd:problem:invalid")
        rests = await api.ask("POST", f"{place}/nightly/pause", {"reason": "holiday"}, key=key)
        assert (rests.body["isPaused"], rests.body["nextTicks"]) == (True, [])
        assert (await api.ask("POST", f"{place}/nightly/resume", {}, key=key)).body["isPaused"] is False
        now = await workbench._pool.fetchval("SELECT crmd.clock()")
        window = {"from": (now - timedelta(days=3)).isoformat(), "to": (now - timedelta(hours=1)).isoformat()}
        told = await api.ask("POST", f"{place}/nightly/backfill", {**window, "dryRun": True}, key=key)
        fired = await api.ask("POST", f"{place}/nightly/backfill", window, key=key)
        assert {one["answer"] for one in told.body["ticks"]} == {"would_fire"}
        assert [one["dueAt"] for one in fired.body["ticks"]] == [one["dueAt"] for one in told.body["ticks"]]
        assert {one["answer"] for one in fired.body["ticks"]} == {"fired"}
        early = await api.ask("POST", f"{place}/nightly/backfill", {**window, "from": "2020-01-01T00:00:00Z"}, key=key)
        assert early.body["errors"][0]["path"] == "$.from"
        assert len((await api.ask("GET", f"{place}?limit=1", key=key)).body["schedules"]) == 1
        assert (await api.ask("GET", f"{place}?userId={uuid4()}", key=key)).body["schedules"] == []
        assert (await api.ask("DELETE", f"{place}/nightly", key=key)).body == {"success": True}
        assert (await api.ask("GET", f"{place}/nightly", key=key)).status == 404


async def test_jobs_in_bulk_are_made_all_or_none(workbench: Workbench) -> None:
    """Rows that do not fit are named by their places and nothing is made; rows that fit are answered in their order."""
    async with api_over(workbench) as api:
        jobs = f"/api/workspaces/{uuid4()}/jobs"
        rows: list[dict[str, object]] = [{"type": "add-one", "payload": {"number": n}} for n in range(20)]
        bad = [*rows, {"type": "nobody"}, {"type": "add-one", "payload": {"number": "x"}}]
        told = await api.ask("POST", f"{jobs}/bulk", {"jobs": bad})
        assert told.status == 422
        assert [one["path"] for one in told.body["errors"]] == ["$.jobs[20].type", "$.jobs[21].payload.number"]
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.job") == 0
        mixed = [{**row, "priority": "low"} if place % 2 else row for place, row in enumerate(rows)]
        made = [await api.ask("POST", f"{jobs}/bulk", {"jobs": mixed}, Idempotency_Key="b") for _ in range(2)]
        assert (made[0].status, made[0].body) == (201, made[1].body)
        ids = [row["jobId"] for row in made[0].body["jobs"]]
        await workbench.drain()
        results = [(await api.ask("GET", f"{jobs}/{job_id}")).body["result"]["number"] for job_id in ids]
        assert results == [n + 1 for n in range(20)]


async def test_jobs_are_cancelled_and_run_again_in_bulk(workbench: Workbench) -> None:
    """A dry run counts; a filter and ids touch only what they name, of this workspace; each id has its answer."""
    async with api_over(workbench) as api:
        mine, other = uuid4(), uuid4()
        key = await api.new_key("read", "manage", workspace_id=mine)
        own = [(await workbench.enqueue("gives-up", workspace_id=mine)).id for _ in range(3)]
        late = (await workbench.enqueue("add-one", {"number": 1}, workspace_id=mine)).id
        strange = (await workbench.enqueue("gives-up", workspace_id=other)).id
        jobs = f"/api/workspaces/{mine}/jobs"
        everything = await api.ask("POST", f"{jobs}/cancel", {}, key=key)
        assert (everything.status, everything.body["errors"][0]["path"]) == (422, "$.ids")
        body = {"type": "add-one", "reason": "not needed"}
        dry = await api.ask("POST", f"{jobs}/cancel", {**body, "dryRun": True}, key=key)
        assert (dry.body["isDryRun"], dry.body["answers"]) == (True, {"pending": 1})
        assert (await api.ask("POST", f"{jobs}/cancel", body, key=key)).body["answers"] == {"cancelled": 1}
        named = await api.ask("POST", f"{jobs}/cancel", {"ids": [str(one) for one in (own[0], late, strange)]}, key=key)
        answers = {row["jobId"]: row["answer"] for row in named.body["jobs"]}
        assert answers == {str(own[0]): "cancelled", str(late): "cancelled", str(strange): "not_found"}
        await workbench.drain()
        failed = {"status": ["failed"], "errorClass": "FailJob"}
        again = await api.ask("POST", f"{jobs}/retry", {**failed, "perSecond": 2}, key=key)
        assert again.body["answers"] == {"retried": 2}
        assert (await api.ask("POST", f"{jobs}/retry", failed, key=key)).body["answers"] == {"left_out": 2}
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.job WHERE workspace_id = $1", other) == 0
        done = (await api.ask("GET", f"/api/workspaces/{mine}/audit?action=jobs.", key=key)).body["actions"]
        assert [one["action"] for one in done] == ["jobs.retry", "jobs.retry", "jobs.cancel", "jobs.cancel"]
        assert {one["outcome"] for one in done} == {"done"}


async def test_events_are_emitted_and_found(workbench: Workbench) -> None:
    """An emitted event starts its jobs once per key, says that it came over the API, and is found by its filters."""
    async with api_over(workbench) as api:
        workspace_id = uuid4()
        key = await api.new_key("read", "manage", workspace_id=workspace_id)
        place = f"/api/workspaces/{workspace_id}/events"
        body = {"type": "sample.told", "data": {"number": 3}, "aggregateType": "sample", "aggregateId": "s1"}
        made = [await api.ask("POST", place, body, key=key, Idempotency_Key="e") for _ in range(2)]
        assert (made[0].status, made[0].body) == (201, made[1].body)
        assert [done.result for done in await workbench.drain()] == [3]
        found = await api.ask("GET", made[0].headers["Location"], key=key)
        assert found.body["metadata"]["source"].startswith("api:key:")
        listed = await api.ask("GET", f"{place}?type=sample.*&aggregateType=sample&aggregateId=s1", key=key)
        assert [one["id"] for one in listed.body["events"]] == [made[0].body["eventId"]]
        assert (await api.ask("GET", f"{place}?type=other.*", key=key)).body["events"] == []
        bad = await api.ask("POST", place, {"type": "No Type"}, key=key)
        assert (bad.status, bad.body["errors"][0]["path"]) == (422, "$.type")


@pytest.mark.crmd_plugins(sample_jobs, enqueue_jobs)
async def test_a_job_that_a_limit_turns_away_is_no_success(workbench: Workbench) -> None:
    """Where a full limit takes no more jobs, a POST is told to come again: alone, in bulk, or as a retry."""
    async with api_over(workbench) as api:
        jobs = f"/api/workspaces/{uuid4()}/jobs"
        made = [await api.ask("POST", jobs, {"type": "seats"}) for _ in range(3)]
        assert [one.status for one in made] == [201, 201, 429]
        assert int(made[2].headers["Retry-After"]) >= 1
        bulk = await api.ask("POST", f"{jobs}/bulk", {"jobs": [{"type": "add-one"}, {"type": "seats"}]})
        assert bulk.status == 429
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.job") == 2
        await api.ask("POST", f"{made[0].headers['Location']}/cancel", {})
        await api.ask("POST", jobs, {"type": "seats"})
        assert (await api.ask("POST", f"{made[0].headers['Location']}/retry", {})).status == 429


async def test_a_job_is_run_again_once_per_key(workbench: Workbench) -> None:
    """One Idempotency-Key makes one new job; an unended job, an unknown step and a lost payload are told."""
    async with api_over(workbench) as api:
        jobs = f"/api/workspaces/{uuid4()}/jobs"
        first = (await api.ask("POST", jobs, {"type": "add-one", "payload": {"number": 1}})).headers["Location"]
        assert (await api.ask("POST", f"{first}/retry", {})).status == 409
        await workbench.drain()
        again = [
            await api.ask("POST", f"{first}/retry", {"payload": {"number": 5}}, Idempotency_Key="r") for _ in range(2)
        ]
        assert (again[0].status, again[0].body) == (201, again[1].body)
        assert [done.result for done in await workbench.drain()] == [{"number": 6}]
        wrong = await api.ask("POST", f"{first}/retry", {"fromStep": "charge"})
        assert (wrong.status, wrong.body["errors"][0]["path"]) == (422, "$.fromStep")
        await workbench._pool.execute("UPDATE crmd.archive SET meta = meta || '{\"isPayloadGone\": true}'")
        gone = await api.ask("POST", f"{first}/retry", {})
        assert (gone.status, gone.body["errors"][0]["path"]) == (422, "$.payload")
        assert (await api.ask("POST", f"{first}/retry", {"payload": {"number": 7}})).status == 201
