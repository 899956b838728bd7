from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

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
        assert "is over, dead" in (await api.ask("GET", f"{jobs}/{made.id}/explain", key=key)).body["summary"]
