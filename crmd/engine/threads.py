"""Runs jobs that block in threads, each with an event loop, pools and clients of its own.

The loop of a thread is no other's, so a handler that blocks it holds up nobody. A thread cannot be ended from outside:
one that does not let itself be cancelled is given up, and ends whenever its handler does.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any

import anyio

from crmd.engine import own_task
from crmd.engine.abandoning import ABANDON_SECONDS, places_of_frame
from crmd.engine.handling import decided, handle
from crmd.outcome import Stop, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from crmd.engine.abandoning import Abandoned
    from crmd.engine.run import Run
    from crmd.engine.services import Services
    from crmd.outcome import Outcome

IDLE_SECONDS = 60.0
# Shorter than a draining engine waits for what it has cancelled.
DRAIN_PATIENCE_SECONDS = 4.0


class Worker:
    """One thread; it runs one job at a time.

    Args:
        open_services: What jobs share in this thread.
    """

    def __init__(self, open_services: Callable[[], AbstractAsyncContextManager[Services]]) -> None:
        self._open_services = open_services
        self._home = asyncio.get_running_loop()
        self._begun: asyncio.Future[None] = self._home.create_future()
        self._inbox: asyncio.Queue[tuple[Run, asyncio.Future[Outcome]] | None] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scope: anyio.CancelScope | None = None
        self._thread = threading.Thread(target=self._live, name="crmd job thread", daemon=True)

    async def start(self) -> None:
        """Begin, and wait until it can take a job."""
        self._thread.start()
        await self._begun

    def submit(self, run: Run) -> asyncio.Future[Outcome]:
        """Run a job; the future is the caller's loop's."""
        outcome: asyncio.Future[Outcome] = self._home.create_future()
        self._call(self._inbox.put_nowait, (run, outcome))
        return outcome

    def cancel(self) -> None:
        """Cancel the job at its next await."""
        if self._scope is not None:
            self._call(self._scope.cancel)

    def end(self) -> None:
        """End once the job has; the thread is not waited for."""
        self._call(self._inbox.put_nowait, None)

    def places(self) -> tuple[str, ...]:
        """Where it is in the code, innermost first."""
        frame = sys._current_frames().get(self._thread.ident or 0)  # noqa: SLF001 - the documented way to see other threads
        return places_of_frame(frame)

    def _call(self, function: Callable[..., object], *arguments: object) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # its loop is closed: it has ended meanwhile
                self._loop.call_soon_threadsafe(function, *arguments)

    def _tell(self, function: Callable[..., object], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the daemon has ended meanwhile
            self._home.call_soon_threadsafe(function, *arguments)

    def _live(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - whatever keeps it from beginning is told to the job
            self._tell(_fail, self._begun, error)

    async def _serve(self) -> None:
        async with self._open_services() as services:
            self._loop = asyncio.get_running_loop()
            own_task.begin()
            self._tell(_resolve, self._begun, None)
            while (order := await self._inbox.get()) is not None:
                run, outcome = order
                try:
                    with anyio.CancelScope() as self._scope:
                        own_task.begin()
                        if run.stop is not None:
                            self._scope.cancel()
                        self._tell(_resolve, outcome, await handle(run, services))
                except BaseException as error:  # noqa: BLE001 - the job's future must never be left without an answer
                    self._tell(_fail, outcome, error)


class Threads:
    """The threads of a daemon: idle ones are used again, for a while.

    Args:
        open_services: What jobs share, opened once a thread.
        abandoned: Takes the jobs that cannot be cancelled.
    """

    def __init__(
        self, open_services: Callable[[], AbstractAsyncContextManager[Services]], abandoned: Abandoned
    ) -> None:
        self._open_services = open_services
        self._abandoned = abandoned
        self._idle: list[Worker] = []

    async def run(self, run: Run) -> Outcome:
        """Run a job in a thread. Cancelled, it is cancelled there; after a grace it is abandoned."""
        worker = await self._worker()
        future = worker.submit(run)
        try:
            outcome = await asyncio.shield(future)
        except asyncio.CancelledError:
            if run.stop is None:  # the engine itself is being taken down
                worker.end()
                raise
            outcome = await self._stopped(worker, future, run)
        except BaseException:
            worker.end()
            raise
        if future.done():
            self._keep(worker)
        return outcome

    def renew(self, open_services: Callable[[], AbstractAsyncContextManager[Services]]) -> None:
        """Open services by another configuration from now on."""
        self._open_services = open_services
        self.close()

    def close(self) -> None:
        """End the threads that do nothing; the others end with their jobs, or with the process."""
        while self._idle:
            self._idle.pop().end()

    async def _worker(self) -> Worker:
        if self._idle:
            return self._idle.pop()
        worker = Worker(self._open_services)
        await worker.start()
        return worker

    async def _stopped(self, worker: Worker, future: asyncio.Future[Outcome], run: Run) -> Outcome:
        worker.cancel()
        assert run.stop is not None  # noqa: S101 - asked by the caller
        patience = DRAIN_PATIENCE_SECONDS if run.stop is Stop.DRAIN else ABANDON_SECONDS
        with anyio.CancelScope(shield=True), anyio.move_on_after(patience):
            return await asyncio.shield(future)

        def end(done: asyncio.Future[Outcome]) -> None:
            done.exception()
            self._abandoned.ended(run)
            worker.end()

        future.add_done_callback(end)
        return self._abandoned.add(run, decided(run, Stopped(run.stop, run.reason)), worker.places())

    def _keep(self, worker: Worker) -> None:
        self._idle.append(worker)
        asyncio.get_running_loop().call_later(IDLE_SECONDS, self._let_go, worker)

    def _let_go(self, worker: Worker) -> None:
        if worker in self._idle:  # it may have worked in between; then it waits a little less than it might
            self._idle.remove(worker)
            worker.end()


def _resolve(future: asyncio.Future[Any], value: object) -> None:
    if not future.done():
        future.set_result(value)


def _fail(future: asyncio.Future[Any], error: BaseException) -> None:
    if not future.done():
        is_plain = isinstance(error, Exception)
        future.set_exception(error if is_plain else RuntimeError(f"{type(error).__name__}: {error}"))
