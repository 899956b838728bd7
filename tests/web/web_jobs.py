"""Job types that a browser watches: each goes only as far as the test lets it."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
from api_server import ApiServer, api_over

import crmd
from crmd.store import leases

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from crmd.testing import Workbench


@dataclass
class Stage:
    """How far jobs may go.

    Attributes:
        api: That tells of them.
        items_max: Up to which item.
        is_broken: Whether jobs fail.
        is_ending: Whether jobs that wait for nothing are to end.
    """

    api: ApiServer
    items_max: int = 0
    is_broken: bool = False
    is_ending: bool = False
    turned: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def turn(self, **changes: Any) -> None:  # noqa: ANN401 - fields of the stage
        """Let jobs go on."""
        async with self.turned:
            for name, value in changes.items():
                setattr(self, name, value)
            self.turned.notify_all()

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait for a turn."""
        async with self.turned:
            await self.turned.wait_for(is_so)

    async def told(self, ctx: crmd.Context) -> None:
        """Write the progress of a job, and tell those who watch it."""
        run: Any = ctx._run  # type: ignore[attr-defined]  # what a daemon's loop does twice a second
        if run.progress is not None:
            async with self.api.workbench._pool.acquire() as connection:
                await leases.write_progress(connection, [(run.token, run.progress.as_json())])
        assert self.api.state is not None
        self.api.state.changed(ctx.job.workspace_id, ctx.job.id)


STAGES: list[Stage] = []
"""That of the running test."""


class Contacts(crmd.Payload, frozen=True, rename="camel"):
    """Whom it is about."""

    contact_ids: tuple[int, ...] = ()


@crmd.job("sequence_subscription", max_attempts=1)
async def sequence_subscription(ctx: crmd.Context, payload: Contacts) -> dict[str, int]:
    """Enrols contacts one by one; each tenth has opted out."""
    [stage] = STAGES
    for number, contact in enumerate(payload.contact_ids, 1):
        if number > stage.items_max:
            await stage.told(ctx)
            await stage.until(lambda: number <= stage.items_max)  # noqa: B023 - waited for at once
        if number % 10:
            ctx.succeeded(contact)
        else:
            ctx.blocked(contact, "opted out")
        ctx.progress(number, len(payload.contact_ids), "Enrolling")
    return {"enrolled": len(payload.contact_ids)}


@crmd.job("bulk_tag", max_attempts=1)
async def bulk_tag(ctx: crmd.Context) -> str:
    """Fails as long as the stage is broken."""
    if STAGES[0].is_broken:
        raise crmd.FailJob("the tag <b>VIP</b> is locked")
    return "tagged"


@crmd.job("bulk_export", max_attempts=1)
async def bulk_export(ctx: crmd.Context) -> crmd.Cancel:
    """Runs until the test ends it, as a job does that is asked to stop."""
    [stage] = STAGES
    await stage.told(ctx)
    await stage.until(lambda: stage.is_ending)
    return crmd.Cancel("asked to stop")


@asynccontextmanager
async def staged(workbench: Workbench) -> AsyncIterator[tuple[ApiServer, Stage]]:
    """The API over a workbench that runs what is due all the time."""
    async with api_over(workbench) as api, anyio.create_task_group() as tasks:
        stage = Stage(api)
        STAGES.append(stage)
        tasks.start_soon(_run, workbench)
        try:
            yield api, stage
        finally:
            STAGES.remove(stage)
            tasks.cancel_scope.cancel()


async def _run(workbench: Workbench) -> None:
    while True:
        await workbench.drain()
        await anyio.sleep(0.03)
