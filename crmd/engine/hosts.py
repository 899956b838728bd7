"""The hosts of a daemon, one for each plugin that needs one, started when its first job comes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from crmd.engine.host import START_SECONDS_MAX, Host

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crmd.engine.blame import Blame
    from crmd.engine.run import Run
    from crmd.isolation import Isolation
    from crmd.outcome import Outcome


class Hosts:
    """Runs jobs in processes of their own.

    Args:
        blueprint_of: What the host of a plugin is started with.
        blame: Is told what memory each process took.
    """

    def __init__(self, blueprint_of: Callable[[str], bytes], blame: Blame) -> None:
        self._blueprint_of = blueprint_of
        self._blame = blame
        self._hosts: dict[str, asyncio.Task[Host]] = {}

    async def run(self, run: Run, bounds: Isolation) -> Outcome:
        """Run a job in a child process; see `Child.run`.

        Raises:
            Crashed, OverLimit: It ended without an outcome.
        """
        run.deadline += START_SECONDS_MAX  # its own time begins with the child's first word
        host = await self._host(run.job_type.plugin)
        row: Mapping[str, object] = run.row
        child = await host.fork({"row": dict(row.items())})
        plugin = run.job_type.plugin
        child.ending.add_done_callback(lambda ended: self._blame.used(plugin, ended.result().memory_kib // 1024))
        return await child.run(run, bounds)

    async def make_ready(self, plugin: str) -> None:
        """Have the host of a plugin started; one that nobody needs after all goes as one that has done its work.

        Raises:
            HostBroken: It cannot start.
        """
        (await self._host(plugin)).rest()

    def renew(self, blueprint_of: Callable[[str], bytes]) -> None:
        """Start new hosts by another configuration; the old ones end with their last child."""
        self._blueprint_of = blueprint_of
        for task in self._hosts.values():
            task.add_done_callback(_retire)
        self._hosts.clear()

    def close(self) -> None:
        """End every host and every child."""
        for task in self._hosts.values():
            task.add_done_callback(_close)
            task.cancel()
        self._hosts.clear()

    async def _host(self, plugin: str) -> Host:
        """One start for all who come meanwhile; whoever is cancelled leaves it to the others."""
        task = self._hosts.get(plugin)
        if task is None or (task.done() and (task.cancelled() or task.exception() or not task.result().is_open)):
            task = self._hosts[plugin] = asyncio.ensure_future(self._started(plugin))
        return await asyncio.shield(task)

    async def _started(self, plugin: str) -> Host:
        host = Host(plugin)
        await host.start(self._blueprint_of(plugin))
        return host


def _retire(task: asyncio.Task[Host]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().retire()


def _close(task: asyncio.Task[Host]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result().close()
