"""The receiver outside: takes whatever it is sent, as often as it comes, and loses some of its answers."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

from crmd.chaos.history import Taken

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

LOST_SHARE = 0.03


class Receiver:
    """Answers `take KEY` with a number, and `find KEY` with the number or `none`.

    Args:
        seed: Of the chance by which an answer is lost after something was taken.

    Attributes:
        taken: What it took, in order.
    """

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - a plan, not a secret
        self._numbers: dict[str, int] = {}
        self.taken: list[Taken] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One question, one answer."""
        try:
            word, _, key = (await reader.readline()).decode().strip().partition(" ")
            if answer := self._answer(word, key):
                writer.write(f"{answer}\n".encode())
                await writer.drain()
        except OSError:
            return  # whoever asked was killed
        finally:
            writer.close()

    def _answer(self, word: str, key: str) -> str:
        if word == "find":
            return str(self._numbers.get(key, "none"))
        if word != "take":
            return ""
        self.taken.append(Taken(key, time.time()))
        number = self._numbers.setdefault(key, len(self.taken))
        return "" if self._chance.random() < LOST_SHARE else str(number)


@contextlib.asynccontextmanager
async def receiving(seed: int) -> AsyncIterator[Receiver]:
    """A receiver on a free port of 127.0.0.1."""
    receiver = Receiver(seed)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
