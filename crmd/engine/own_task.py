"""Which task runs the handlers of a drainer, so that a job can tell its own steps from those of its task groups.

A task holds its context. What the context knows of the task is weak, or the two would hold each other and, until the
next collection of garbage, the payload of the last job that the task has run.
"""

from __future__ import annotations

import asyncio
import weakref
from contextvars import ContextVar
from typing import Any

_own_task: ContextVar[weakref.ref[asyncio.Task[Any]] | None] = ContextVar("crmd_own_task", default=None)


def begin() -> None:
    """Handlers run in this task from now on. The tasks that they start inherit the word, not the task."""
    task = asyncio.current_task()
    _own_task.set(None if task is None else weakref.ref(task))


def is_own() -> bool:
    """Whether the running task is the handler's own; true where nobody has said which that is."""
    own = _own_task.get()
    return own is None or own() is asyncio.current_task()
