"""Simulated time, processes that can stand still or die, and a network that loses and delays: one seed, one order.

A process is a generator. It yields a float to sleep, or a `Call` to ask the database, and gets the answer or `Lost`:
the request never came, the answer never came, or both came too late to be heard; which of them, it cannot know.
"""

from __future__ import annotations

import random
from heapq import heappop, heappush
from math import log
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Process = Generator[Any, Any, None]

REPLY_SECONDS = 0.05
# So many things happen between two looks whether it is over.
LOOK_EACH = 16


class Lost(Exception):  # noqa: N818 - not a fault of ours: the answer did not come
    """No answer came in time."""


class Call(NamedTuple):
    """A statement for the database, and how long to wait for its answer."""

    run: Callable[[], Any]
    seconds: float = 2.0


class Host:
    """A machine on which processes run; it may stand still, be cut off, and die with all of them."""

    def __init__(self) -> None:
        self.life = 0
        self.stands_still_until = 0.0
        self.cut_off_until = 0.0


class Task:
    """A process on a host, as long as the host lives the life in which it began."""

    __slots__ = ("host", "life", "process")

    def __init__(self, host: Host, process: Process) -> None:
        self.host = host
        self.life = host.life
        self.process = process


class World:
    """The heap of what is to happen.

    Args:
        seed: Decides everything.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - to be repeated, not to be kept secret
        self.now = 0.0
        self.loss = 0.0
        self.delay_seconds = 0.002
        self.database_down_until = 0.0
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def start(self, host: Host, process: Process) -> None:
        """Begin a process, a little later."""
        self.at(self.now + self.chance.random() * 0.01, self._resume, Task(host, process), None)

    def at(self, seconds: float, event: Callable[..., None], *arguments: object) -> None:
        """Do something at an instant."""
        self._count += 1
        heappush(self._heap, (seconds, self._count, event, arguments))

    def run(self, until: float, is_over: Callable[[], bool]) -> None:
        """Let things happen until it is over, or too late."""
        heap = self._heap
        while heap and not is_over():
            for _ in range(min(len(heap), LOOK_EACH)):
                self.now, _, event, arguments = heappop(heap)
                event(*arguments)
            if self.now > until:
                return

    def _resume(self, task: Task, answer: object) -> None:
        if task.life != task.host.life:
            return
        if task.host.stands_still_until > self.now:
            self.at(task.host.stands_still_until + self.chance.random() * 0.1, self._resume, task, answer)
            return
        try:
            wanted = task.process.throw(answer) if type(answer) is Lost else task.process.send(answer)
        except StopIteration:
            return
        if type(wanted) is float:
            self.at(self.now + wanted, self._resume, task, None)
        else:
            self._send(task, wanted)

    def _send(self, task: Task, call: Call) -> None:
        """What has left arrives whatever becomes of its sender."""
        deadline = self.now + call.seconds
        if self.chance.random() < self.loss or task.host.cut_off_until > self.now:
            self.at(deadline, self._resume, task, Lost())
        else:
            self.at(self.now - log(1 - self.chance.random()) * self.delay_seconds, self._arrive, task, call, deadline)

    def _arrive(self, task: Task, call: Call, deadline: float) -> None:
        now, chance = self.now, self.chance
        if self.database_down_until > now:
            self.at(max(now, min(now + REPLY_SECONDS, deadline)), self._resume, task, Lost())
            return
        answer = call.run()
        back = now - log(1 - chance.random()) * self.delay_seconds
        if back > deadline or chance.random() < self.loss:
            back, answer = max(now, deadline), Lost()
        self.at(back, self._resume, task, answer)
