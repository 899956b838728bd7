"""Stands in for systemd: takes what a daemon tells it."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

WAIT_SECONDS = 40.0


@dataclass(slots=True)
class NotifySocket:
    """What has arrived, each datagram with its instant in seconds of the monotonic clock."""

    path: Path
    heard: list[tuple[float, str]] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Every line of every datagram, in order."""
        return [line for _, message in self.heard for line in message.splitlines()]

    def count(self, line: str) -> int:
        """How often a line has come."""
        return self.lines().count(line)

    async def until(self, wanted: Callable[[list[str]], bool]) -> None:
        """Wait until the lines are as wanted."""
        with anyio.fail_after(WAIT_SECONDS):
            while not wanted(self.lines()):  # noqa: ASYNC110 - datagrams come from another process
                await anyio.sleep(0.02)

    async def until_line(self, line: str, count: int = 1) -> None:
        """Wait until a line has come so often."""
        await self.until(lambda lines: lines.count(line) >= count)


@contextlib.asynccontextmanager
async def listening(path: Path) -> AsyncIterator[NotifySocket]:
    """Listen at `path` while the block lasts."""
    notify = NotifySocket(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as receiver:
        receiver.bind(str(path))

        async def receive() -> None:
            while True:
                await anyio.wait_readable(receiver)
                notify.heard.append((time.monotonic(), receiver.recv(4096).decode()))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            yield notify
            tasks.cancel_scope.cancel()
