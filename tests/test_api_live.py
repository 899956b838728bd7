"""Live streams: first all as it stands, then every change, over whichever daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import sample_jobs
from api_server import api_over
from stream_reader import watching

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
ADD = {"type": "add-one", "payload": {"number": 1}}


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
