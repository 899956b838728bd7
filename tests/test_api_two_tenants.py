from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
import sample_jobs
from api_server import api_over
from tenant import Tenant
from tenant_probe import CANARY, Probe

from crmd.api import server
from crmd.api.app import application
from crmd.api.job_view import Job, job_of
from crmd.api.problem import not_found
from crmd.api.route import Call, Route, routed
from crmd.config.api_settings import Api

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
# Whatever a tenant has, with everything that a request could have changed of it.
STANDS = """
SELECT md5(string_agg(row, ' ' ORDER BY row)) FROM (
    SELECT to_jsonb(j)::text AS row FROM crmd.job j WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(a)::text FROM crmd.archive a WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(t)::text FROM crmd.template t WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(s)::text FROM crmd.schedule s WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(c)::text FROM crmd.connection c WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(e)::text FROM crmd.event e WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(w)::text FROM crmd.webhook w WHERE workspace_id = $1
    UNION ALL SELECT to_jsonb(d)::text FROM crmd.webhook_delivery d WHERE workspace_id = $1
) all_rows
"""


async def probed(workbench: Workbench, routes: tuple[Route, ...], *, has_role: bool = True) -> Probe:
    """What an attacker finds at these routes; without the role no policy stands behind the statements."""
    async with api_over(workbench, Api(requests_per_minute=100_000, metrics="key")) as api:
        assert api.state is not None
        api.state.has_role = has_role
        tenant = Tenant()
        await tenant.settle(workbench, api)
        marks = (CANARY, str(tenant.workspace_id), *(name for name in tenant.names.values()))
        probe = Probe(api, tenant.workspace_id, tenant.names, tenant.bodies(), marks=marks)
        before = await workbench._pool.fetchval(STANDS, tenant.workspace_id)
        await probe.attack(routes)
        if await workbench._pool.fetchval(STANDS, tenant.workspace_id) != before:
            probe.faults.append("something of the other tenant was changed")
        return probe


@pytest.mark.parametrize("has_role", [True, False])
async def test_no_route_tells_or_touches_what_is_another_tenants(workbench: Workbench, has_role: bool) -> None:  # noqa: FBT001 - a case of the test
    """Every route there is, with another tenant's workspace and ids, under each scope: 401, 403 or 404, and no leak.

    It holds by the statements alone, and by row-level security behind them.
    """
    probe = await probed(workbench, server.ROUTES, has_role=has_role)
    assert not probe.faults, "\n".join(probe.faults)
    assert probe.asked == {route.name for route in server.ROUTES}


async def test_there_is_no_route_beside_them(workbench: Workbench) -> None:
    """What is registered is what the probe asks, and the pages, which hold nothing of anybody's."""
    async with api_over(workbench) as api:
        assert api.state is not None
        app = application(api.state, server.ROUTES)
    registered = {(one.method, one.resource.canonical) for one in app.router.routes() if one.resource is not None}
    asked = {(route.method, route.path) for route in server.ROUTES}
    pages = {(method, path) for path in ("/", "/static/{name}") for method in ("GET", "HEAD")}
    assert registered == asked | pages
    assert len(list(app.router.routes())) == len(registered)


@routed("GET", "/api/workspaces/{workspaceId}/jobs/{jobId}/forgetful", scope="read", tag="jobs")
async def forgetful(call: Call) -> Job:
    """Look at a job without asking whose it is."""
    async with call.state.pool.acquire() as connection:
        row = await connection.fetchrow(
            "SELECT *, errors -> -1 AS last_error FROM crmd.jobs WHERE id = $1", UUID(call.path["jobId"])
        )
    if row is None:
        raise not_found("job")
    return job_of(dict(row))


async def test_a_forgotten_check_is_found(workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A route that reads past row-level security without naming the workspace is told, with what it leaks."""
    monkeypatch.setattr(server, "ROUTES", (*server.ROUTES, forgetful))
    probe = await probed(workbench, (forgetful,))
    assert any("200 in place of 404" in fault for fault in probe.faults)
    assert any("it tells" in fault for fault in probe.faults)
