"""Where the handlers of a daemon run: in its loop, in a thread, in a process; suspects always in a process.

It is decided once, when job types are loaded: a job type that runs elsewhere gets a handler that takes the job there
and brings its outcome back. So a job of the loop, as most are, pays nothing for it.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from crmd.engine.casualty import Crashed, HostLost, OverLimit
from crmd.engine.handling import current_run
from crmd.engine.suspicion import after_crash
from crmd.outcome import Decided, Forgotten
from crmd.webhook_job import OWNER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractAsyncContextManager

    from crmd.engine.abandoning import Abandoned
    from crmd.engine.blame import Blame
    from crmd.engine.hosts import Hosts
    from crmd.engine.run import Run
    from crmd.engine.services import Services
    from crmd.engine.threads import Threads
    from crmd.job_type import JobType
    from crmd.outcome import Outcome


@dataclass(slots=True)
class Places:
    """The places beside the loop."""

    hosts: Hosts
    threads: Threads
    abandoned: Abandoned
    blame: Blame

    def place(self, services: Services) -> None:
        """Give the job types of `services` handlers that run where they are to run."""
        declared = services.job_types
        services.job_types = {name: self._placed(job_type) for name, job_type in declared.items()}
        services.suspect_types = {
            name: job_type if job_type.plugin == OWNER else self._alone(job_type) for name, job_type in declared.items()
        }

    def renew(
        self,
        blueprint_of: Callable[[str], bytes],
        open_services: Callable[[], AbstractAsyncContextManager[Services]],
    ) -> None:
        """Work by another configuration from now on; what runs goes on as it began."""
        self.hosts.renew(blueprint_of)
        self.threads.renew(open_services)

    async def make_ready(self, plugins: Iterable[str]) -> None:
        """Start the processes in which suspects of these plugins would run; one that cannot start tells its jobs so."""
        for plugin in plugins:
            if plugin != OWNER:
                with contextlib.suppress(Crashed):
                    await self.hosts.make_ready(plugin)

    def close(self) -> None:
        """End what does nothing, and every process."""
        self.hosts.close()
        self.threads.close()

    def _placed(self, job_type: JobType) -> JobType:
        match job_type.runs_in:
            case "loop":
                return job_type
            case "thread":
                return self._in_thread(job_type)
            case "process":
                return self._in_process(job_type)

    def _in_thread(self, job_type: JobType) -> JobType:
        async def in_thread(*_arguments: object) -> Decided:
            run = _current()
            run.job_type = job_type  # there its own handler is to be called
            return Decided(await self.threads.run(run))

        return replace(job_type, handler=in_thread)

    def _in_process(self, job_type: JobType) -> JobType:
        async def in_process(*_arguments: object) -> Decided:
            run = _current()
            try:
                return Decided(await self.hosts.run(run, job_type.isolation))
            except Crashed as error:
                self._charge(run, error)
                raise

        return replace(job_type, handler=in_process)

    def _alone(self, job_type: JobType) -> JobType:
        async def alone(*_arguments: object) -> Decided:
            run = _current()
            try:
                outcome = await self.hosts.run(run, job_type.isolation)
            except Crashed as error:
                self._charge(run, error)
                if run.stop is not None:
                    raise
                return Decided(after_crash(run, error))
            if (harm := _harm(job_type, outcome)) is not None and run.stop is None:
                self._charge(run, harm)
                return Decided(after_crash(run, harm))
            if run.stop is None:
                self.blame.survived(job_type.plugin, run.token.id)
            return Decided(outcome)

        return replace(job_type, handler=alone)

    def _charge(self, run: Run, error: Crashed) -> None:
        if run.stop is None and not isinstance(error, HostLost):
            self.blame.crashed(run.job_type.plugin, run.token.id, str(error))


def _harm(job_type: JobType, outcome: Outcome) -> Crashed | None:
    """What would have taken a daemon down: more memory than a process may have, by a job that runs in a daemon."""
    error = None if isinstance(outcome, Forgotten) else outcome.error
    if error is None or error.name != OverLimit.__name__ or job_type.runs_in == "process":
        return None
    return Crashed(error.message)


def _current() -> Run:
    run = current_run.get()
    assert run is not None  # noqa: S101 - set by whoever calls a handler
    return run
