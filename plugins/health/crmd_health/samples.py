"""How `crmd plugin check` tries the plugin: with a connection that works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import crmd

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT = "jana@nordwerk.example"


def _answer(method: str, path: str, params: Mapping[str, str], body: bytes) -> object:  # noqa: ARG001 - any request is fine
    return {"account": ACCOUNT}


async def _connected(scene: crmd.Scene) -> dict[str, object]:
    connection_id = await scene.connect("fake", ACCOUNT, _answer)
    return {"connectionId": str(connection_id), "provider": "fake", "account": ACCOUNT}


async def _one_connection(scene: crmd.Scene) -> None:
    await _connected(scene)


SAMPLES = (
    crmd.Sample(job_type="check-job-queues", has_workspace=False),
    crmd.Sample(job_type="check-sync-health", seed=_one_connection, has_workspace=False),
    crmd.Sample(job_type="probe-connection", seed=_connected),
)
