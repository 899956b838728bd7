"""Counts the steps of an event loop's tasks, and lets something happen at one of them.

A step ends where a task waits: for an answer of the database, of a provider, of a timer. What is sent by then is sent,
what comes back is not known yet. So whatever can be lost by a killed daemon is lost at the end of some step.
"""

from __future__ import annotations

import asyncio
import ctypes
import inspect
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Mapping


class Killed(KeyboardInterrupt):
    """Raised in place of going on. asyncio lets a KeyboardInterrupt through to the loop's own caller, at once."""


class Steps:
    """The steps of one event loop, counted from 1 over all its tasks.

    Args:
        at: What is to happen at which step; it may raise `Killed`.

    Attributes:
        count: Steps so far.
        is_dead: No task goes on any more, not even to clean up.
        is_doomed: The end of the present step is the end of all.
        began_at: Monotonic time at which the present step began; None while all tasks wait.
        waiting: The coroutine whose step ended last.
        cancellations: How many a task has met while it waited.
    """

    def __init__(self, at: Mapping[int, Callable[[], None]]) -> None:
        self._at = at
        self.count = 0
        self.is_dead = False
        self.is_counting = False
        self.is_doomed = False
        self.cancellations = 0
        self.waiting: Coroutine[Any, Any, Any] | None = None
        self.began_at: float | None = None
        self._unbegun: set[Coroutine[Any, Any, Any]] = set()

    def task_factory(
        self,
        loop: asyncio.AbstractEventLoop,
        coroutine: Any,  # noqa: ANN401 - as asyncio passes it on
        **options: Any,  # noqa: ANN401 - as asyncio passes them on
    ) -> asyncio.Task[Any]:
        """For `loop.set_task_factory`."""
        self._unbegun.add(coroutine)
        return asyncio.Task(self._outer(coroutine), loop=loop, **options)

    def die(self) -> None:
        """Let no task go on."""
        self.is_dead = True
        for coroutine in self._unbegun:
            _forget(coroutine)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """The loop ends: tasks that it never began, as one that was cancelled before, are not to be warned of."""
        unbegun = [] if self.is_dead else list(self._unbegun)
        self._unbegun.clear()
        for coroutine in (*unbegun, *(task.get_coro() for task in asyncio.all_tasks(loop))):
            if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()

    async def _outer(self, coroutine: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 - whatever the task answers
        self._unbegun.discard(coroutine)
        return await _Stepwise(coroutine, self)

    def begin(self) -> None:
        """A step begins."""
        self.began_at = time.monotonic()

    def end(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """A step has ended: its task waits."""
        self.began_at = None
        if self.is_doomed and not self.is_dead:
            raise Killed("doomed")
        if not self.is_counting or self.is_dead:
            return
        self.count += 1
        self.waiting = coroutine
        happening = self._at.get(self.count)
        if happening is not None:
            happening()


class _Stepwise:
    """Awaits a coroutine, step by step."""

    __slots__ = ("_coroutine", "_steps")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], steps: Steps) -> None:
        self._coroutine = coroutine
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, send, throw = self._steps, self._coroutine.send, self._coroutine.throw
        value: Any = None
        error: BaseException | None = None
        while True:
            if steps.is_dead:
                _forget(self._coroutine)
                raise asyncio.CancelledError
            steps.begin()
            try:
                waited_for = send(value) if error is None else throw(error)
            except StopIteration as end:
                steps.began_at = None
                return end.value
            try:
                steps.end(self._coroutine)
            except Killed:
                _forget(self._coroutine)
                raise
            value = error = None
            try:
                value = yield waited_for
            except BaseException as thrown:  # noqa: BLE001 - it is passed on to the coroutine
                error = thrown
                steps.cancellations += isinstance(thrown, asyncio.CancelledError)


def _forget(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Keep a coroutine from ever being finalised: its `finally` blocks would run, which a killed process never does.

    A reference is taken that nobody gives back, so that not even the interpreter's end comes to it.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(coroutine))
