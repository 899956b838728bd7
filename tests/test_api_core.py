from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import msgspec
import pytest
import sample_jobs
from api_server import api_over

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)


async def test_a_job_from_post_to_its_end(workbench: Workbench) -> None:
    """A job that is made over REST is seen pending, runs, and is seen completed with its result."""
    async with api_over(workbench) as api:
        jobs = f"/api/workspaces/{uuid4()}/jobs"
        made = await api.ask("POST", jobs, {"type": "add-one", "payload": {"number": 1}})
        assert (made.status, made.body["success"], made.body["status"]) == (201, True, "pending")
        assert (await api.ask("GET", made.headers["Location"])).body["status"] == "pending"
        await workbench.drain()
        done = (await api.ask("GET", made.headers["Location"])).body
        assert (done["status"], done["result"], done["retryCount"]) == ("completed", {"number": 2}, 0)
        listed = (await api.ask("GET", f"{jobs}?status=completed&type=add-one")).body
        assert ([job["id"] for job in listed["jobs"]], listed["total"], listed["hasMore"]) == ([done["id"]], 1, False)


async def test_the_same_request_makes_one_job(workbench: Workbench) -> None:
    """Fifty posts at once with one Idempotency-Key make one job and get its id; another body under it is refused."""
    async with api_over(workbench) as api:
        jobs, ids = f"/api/workspaces/{uuid4()}/jobs", set()
        body = {"type": "add-one", "payload": {"number": 1}}

        async def post() -> None:
            ids.add((await api.ask("POST", jobs, body, Idempotency_Key="one")).body["jobId"])

        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(post)
        assert len(ids) == 1
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.job") == 1
        other = await api.ask("POST", jobs, {**body, "priority": "low"}, Idempotency_Key="one")
        assert (other.status, other.body["type"]) == (409, "urn:crmd:problem:conflict")


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        ({"type": "add-one", "payload": {"number": "one"}}, 422, "$.payload.number"),
        ({"type": "nobody", "payload": {}}, 422, "$.type"),
        ({"type": "add-one", "workspace_id": "x"}, 422, "$"),
        ({"type": "add-one", "payload": {"number": 2**60}}, 422, "$.payload.number"),
        ({"type": "add-one", "payload": {"number": 1}, "runAt": "2030-01-01T00:00:00"}, 422, "$.runAt"),
        (b'{"type": "add-one", "payload": {"x": "\\u0000"}}', 422, "$.payload.x"),
        (b'{"type": "add-one", "payload": {"x": ' + b"[" * 50 + b"]" * 50 + b"}}", 422, None),
        (b'{"type": "add-one', 400, None),
        (b"\xff\xfe", 400, None),
    ],
)
async def test_bad_input_is_named(workbench: Workbench, body: object, status: int, path: str | None) -> None:
    """Whatever does not fit is told with its place, as problem+json, and makes no job."""
    async with api_over(workbench) as api:
        told = await api.ask("POST", f"/api/workspaces/{uuid4()}/jobs", body)
        assert (told.status, told.headers["Content-Type"]) == (status, "application/problem+json")
        assert path is None or [error["path"] for error in told.body["errors"]] == [path]
        assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.job") == 0


async def test_callers_are_held_to_what_is_theirs(workbench: Workbench) -> None:
    """Another's workspace is not there, a missing scope is refused, and so is a job type that is not for the key."""
    async with api_over(workbench) as api:
        mine, other = uuid4(), uuid4()
        made = await api.ask("POST", f"/api/workspaces/{other}/jobs", {"type": "add-one", "payload": {"number": 1}})
        key = await api.new_key("read", "enqueue", workspace_id=mine, job_types=["add-one"])
        reader = await api.new_key("read", workspace_id=mine)
        asked = [
            await api.ask("GET", f"/api/workspaces/{other}/jobs", key=key),
            await api.ask("GET", made.headers["Location"], key=key),
            await api.ask("GET", f"/api/workspaces/{mine}/jobs/{made.body['jobId']}", key=key),
            await api.ask("POST", f"/api/workspaces/{mine}/jobs/{made.body['jobId']}/cancel", {}, key=key),
            await api.ask("POST", f"/api/workspaces/{mine}/jobs", {"type": "gives-up"}, key=key),
            await api.ask("POST", f"/api/workspaces/{mine}/jobs", {"type": "add-one"}, key=reader),
            await api.ask("GET", f"/api/workspaces/{mine}/jobs", key="crmd_abcdefghijkl_" + "x" * 43),
            await api.ask("GET", f"/api/workspaces/{mine}/jobs", key=key),
        ]
        assert [one.status for one in asked] == [404, 404, 404, 404, 403, 403, 401, 200]


async def test_a_workspace_has_room_for_five(workbench: Workbench) -> None:
    """The sixth unfinished job of a workspace waits for one of the five to end; an operator's key is not held."""
    async with api_over(workbench) as api:
        workspace_id = uuid4()
        jobs, body = f"/api/workspaces/{workspace_id}/jobs", {"type": "add-one", "payload": {"number": 1}}
        key = await api.new_key("read", "enqueue", workspace_id=workspace_id)
        statuses = [(await api.ask("POST", jobs, body, key=key)).status for _ in range(6)]
        assert statuses == [201] * 5 + [429]
        told = await api.ask("POST", jobs, body, key=key)
        assert int(told.headers["Retry-After"]) >= 1
        assert (await api.ask("POST", jobs, body)).status == 201
        await workbench.drain()
        assert (await api.ask("POST", jobs, body, key=key)).status == 201


async def test_wrong_keys_are_not_listened_to_for_long(workbench: Workbench) -> None:
    """Twenty wrong keys from one address, and it has to wait; a key in the address is none."""
    async with api_over(workbench) as api:
        path = f"/api/workspaces/{uuid4()}/jobs"
        assert (await api.ask("GET", path)).status == 200
        assert (await api.ask("GET", f"{path}?key={api.key}", key="")).status == 401
        statuses = [(await api.ask("GET", path, key=f"crmd_abcdefghijkl_{'x' * 42}{n % 10}")).status for n in range(21)]
        assert statuses == [401] * 20 + [429]
        assert (await api.ask("GET", path)).status == 200  # whoever was let in a moment ago is not shut out by others


async def test_behind_a_proxy_addresses_are_those_it_tells(workbench: Workbench) -> None:
    """Wrong keys of one visitor behind the proxy shut out that one alone; without one the header is not believed."""
    async with api_over(workbench) as api:
        path, wrong = f"/api/workspaces/{uuid4()}/jobs", f"crmd_abcdefghijkl_{'x' * 43}"
        api.settings[0] = msgspec.structs.replace(api.settings[0], behind_proxy=True)
        for _ in range(20):
            await api.ask("GET", path, key=wrong, X_Forwarded_For="198.51.100.9, 203.0.113.1")
        told = [await api.ask("GET", path, key=wrong, X_Forwarded_For=f"1.1.1.1, 203.0.113.{n}") for n in (1, 2)]
        assert [one.status for one in told] == [429, 401]
        api.settings[0] = msgspec.structs.replace(api.settings[0], behind_proxy=False)
        statuses = [(await api.ask("GET", path, key=wrong, X_Forwarded_For=f"203.0.113.{n}")).status for n in range(21)]
        assert statuses[-1] == 429


async def test_requests_are_counted_by_key(workbench: Workbench) -> None:
    """Beyond its requests a minute a key is told when to come again; another key is not."""
    async with api_over(workbench) as api:
        api.settings[0] = msgspec.structs.replace(api.settings[0], requests_per_minute=3)
        key = await api.new_key("read")
        statuses = [(await api.ask("GET", "/api/job-types", key=key)).status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert (await api.ask("GET", "/api/job-types")).status == 200


async def test_row_security_holds_where_a_statement_forgets(workbench: Workbench) -> None:
    """Behind `sight` a statement without any condition shows one workspace's rows alone, and can change none."""
    async with api_over(workbench) as api:
        for workspace_id in (mine := uuid4(), uuid4()):
            await api.ask("POST", f"/api/workspaces/{workspace_id}/jobs", {"type": "add-one", "payload": {"number": 1}})
        assert api.state is not None
        async with api.state.sight(mine) as connection:
            for table in ("job", "jobs", "background_jobs"):
                rows = await connection.fetch(f"SELECT workspace_id FROM crmd.{table}")
                assert {row["workspace_id"] for row in rows} == {mine}
