"""One attempt of a job in a process of its own, as far as the job can tell: a loop, pools and clients of its own.

It claims nothing: it is given a claimed row, handles it and settles it on the daemon's own path. At any of its steps it
may be killed as by kill -9, cancelled, or have the world changed around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import anyio

from crmd.composition import beside
from crmd.engine import own_task
from crmd.engine.handling import handle
from crmd.engine.run import Run
from crmd.engine.settler import Settler
from crmd.engine.unknown_type import unknown_job_type
from crmd.outcome import Stop
from crmd.store import leases
from crmd.store.leases import Token
from crmd.testing.steps import Killed, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crmd.composition import Opened
    from crmd.outcome import Outcome

LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 60.0
LAST_PATIENCE_SECONDS = 5.0


class _Loop(asyncio.SelectorEventLoop):
    """Knows its sockets from the moment they connect, so that all of them can be cut."""

    def __init__(self) -> None:
        super().__init__()
        self._sockets: WeakSet[socket.socket] = WeakSet()

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:  # noqa: ANN401 - as asyncio has it
        """Connect a socket."""
        self._sockets.add(sock)
        await super().sock_connect(sock, address)

    def cut(self) -> None:
        """End every socket for both sides, whoever holds it."""
        for one in list(self._sockets):
            with contextlib.suppress(OSError):  # it is closed, or was never connected
                one.shutdown(socket.SHUT_RDWR)


class Attempt:
    """An attempt, from its claimed row to its settle.

    Args:
        everything: What the workbench opened; the attempt opens the same once more for itself.
        row: As `claim_*.sql` answers it.
        at: What is to happen at which step; see `kill`, `cancel` and `call`.
        prepare: Given the attempt's own services before it begins, to put fakes in place.
        on_look: Called some 50 times a second from a thread that watches, with the attempt.
        patience_seconds: After this long it is killed where it is.

    Attributes:
        handler_steps: Steps until its outcome was decided; what came then was the settle.
        outcome: What was decided; None when it was killed before.
        is_killed: Whether it was.
        is_overdue: It was killed for lack of patience.
        is_stuck: It could not even be killed, since it never waits.
    """

    def __init__(
        self,
        everything: Opened,
        row: Any,  # noqa: ANN401 - a row of claim_*.sql
        *,
        at: Mapping[int, Callable[[Attempt], None]] | None = None,
        prepare: Callable[[Opened], None] = lambda _: None,
        on_look: Callable[[Attempt], None] = lambda _: None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._patience_seconds = patience_seconds
        self._everything = everything
        self._prepare = prepare
        self._on_look = on_look
        job_type = everything.services.job_types.get(row["type"]) or unknown_job_type(row["type"])
        self.run = Run(row, job_type, Token(row["id"], row["fence"], row["claim_id"]))
        self.steps = Steps({step: _bound(happening, self) for step, happening in (at or {}).items()})
        self.outcome: Outcome | None = None
        self.own: Opened | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.handler_steps = 0
        self.is_killed = False
        self.is_overdue = False
        self.is_stuck = False
        self.thread_id = 0
        self._error: BaseException | None = None
        self._ended = threading.Event()

    async def live(self) -> None:
        """Run it to its end, in a thread of its own, while this loop goes on."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._in_thread, args=(loop, ended), name="crmd attempt", daemon=True)
        watch = threading.Thread(target=self._watch, name="crmd attempt's watch", daemon=True)
        thread.start()
        watch.start()
        with anyio.move_on_after(self._patience_seconds):
            await ended.wait()
        if not ended.is_set():
            self.is_overdue = self.steps.is_doomed = True
            with anyio.move_on_after(LAST_PATIENCE_SECONDS):
                await ended.wait()
        self.is_stuck = not ended.is_set()
        self._ended.set()
        if self._error is not None:
            raise self._error

    def soon(self, happening: Callable[[Attempt], None]) -> None:
        """Let something happen in its loop, from another thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(happening, self)

    @property
    def seconds_in_step(self) -> float:
        """How long the present step has gone on without waiting."""
        began_at = self.steps.began_at
        return 0.0 if began_at is None else time.monotonic() - began_at

    def _watch(self) -> None:
        while not self._ended.wait(LOOK_SECONDS):
            self._on_look(self)

    def _in_thread(self, caller: asyncio.AbstractEventLoop, ended: asyncio.Event) -> None:
        self.thread_id = threading.get_ident()
        try:
            self._in_loop()
        except BaseException as error:  # noqa: BLE001 - raised again by whoever waits
            self._error = error
        finally:
            caller.call_soon_threadsafe(ended.set)

    def _in_loop(self) -> None:
        loop = self._loop = _Loop()
        stack = contextlib.AsyncExitStack()
        try:
            self.own = loop.run_until_complete(stack.enter_async_context(beside(self._everything)))
            given = self._everything.services  # a test may have changed them
            self.own.services.settings, self.own.services.job_types = given.settings, given.job_types
            self._prepare(self.own)
            loop.set_task_factory(self.steps.task_factory)
            try:
                loop.run_until_complete(self._attempt(self.own))
            except Killed:
                self.is_killed = True
                self.steps.die()
                loop.set_exception_handler(lambda *_: None)  # what dead tasks leave behind is no news
                loop.cut()
                for pool in (self.own.pools.work, self.own.pools.control, self.own.pools.plugins):
                    pool.terminate()
            loop.set_task_factory(None)
            loop.run_until_complete(_leave(stack))
        finally:
            self.steps.close(loop)
            loop.close()

    async def _attempt(self, own: Opened) -> None:
        run, row = self.run, self.run.row
        self.steps.is_counting = True
        if row["unique_key"] is not None:  # what a claimer does once a job has started
            await leases.free_started(own.pools.control, [row["id"]], [row["unique_key"]])
        own_task.begin()
        with anyio.CancelScope() as run.scope:
            self.outcome = await handle(run, own.services)
        if self.outcome is None:
            raise RuntimeError("the handler left its scope")
        self.handler_steps = self.steps.count
        settler = Settler(own.pools.control, lambda _: None)
        settler.add(run, self.outcome)
        await settler.settle_once()
        self.steps.is_counting = False


def kill(attempt: Attempt) -> None:
    """Die here and now: nothing of it goes on, and its sockets are cut."""
    raise Killed(f"killed at step {attempt.steps.count}")


def cancel(attempt: Attempt) -> None:
    """Cancel it, as somebody asked to."""
    attempt.run.halt(Stop.CANCEL)


def expire(attempt: Attempt) -> None:
    """Cancel it since it has run for too long."""
    attempt.run.halt(Stop.TIMEOUT)


def _bound(happening: Callable[[Attempt], None], attempt: Attempt) -> Callable[[], None]:
    return lambda: happening(attempt)


async def _leave(stack: contextlib.AsyncExitStack) -> None:
    """Close what was opened; tasks that were left behind end without another step."""
    own = asyncio.current_task()
    for task in asyncio.all_tasks():
        if task is not own:
            task.cancel()
    await stack.aclose()
    await asyncio.sleep(0)
