"""One child process, as its daemon talks with it: what it tells is taken over, and its outcome or its end awaited."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import anyio
import msgspec

from crmd.clock import boot_seconds
from crmd.engine.casualty import WORDS_MAX, Crashed, casualty
from crmd.engine.wire import FRAME_MAX, HEADER, Begun, Finished, Logged, Moved, decoded, framed, merged, outcome_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.engine.casualty import Ending
    from crmd.engine.run import Run
    from crmd.engine.wire import Told
    from crmd.isolation import Isolation
    from crmd.outcome import Outcome, Stop

# How long a child may take to end once it was asked to, or once it has told its outcome.
GRACE_SECONDS = 3.0


class Child:
    """One child.

    Args:
        reader: What it says.
        writer: What it is told.
        ending: How it ended, once it has.
        order: Its first message.
        kill: Ends it, and whatever it has started.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        ending: asyncio.Future[Ending],
        order: bytes,
        kill: Callable[[], None],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._kill = kill
        self.ending = ending
        writer.write(framed(order))

    async def run(self, run: Run, bounds: Isolation) -> Outcome:
        """Follow it to its outcome. Cancelled, it is asked to stop and, after a grace, killed.

        Raises:
            Crashed, OverLimit: It ended without an outcome.
        """
        talk = asyncio.ensure_future(self._talk(run, bounds))
        try:
            return await asyncio.shield(talk)
        except asyncio.CancelledError:
            if run.stop is None:  # the engine itself is being taken down
                raise
            with anyio.CancelScope(shield=True), anyio.move_on_after(GRACE_SECONDS):
                self._ask_to_stop(run.stop, run.reason)
                return await asyncio.shield(talk)
            self._kill()
            raise
        finally:
            talk.cancel()
            self._leave()

    def _ask_to_stop(self, why: Stop, reason: str) -> None:
        self._writer.write(framed(msgspec.msgpack.encode((why.value, reason))))

    def _leave(self) -> None:
        """Whoever has told its outcome may end in order; everybody else is killed now."""
        if self.ending.done():
            self._writer.close()
            return
        timer = asyncio.get_running_loop().call_later(GRACE_SECONDS, self._kill)

        def end(_: object) -> None:
            timer.cancel()
            self._writer.close()

        self.ending.add_done_callback(end)

    async def _talk(self, run: Run, bounds: Isolation) -> Outcome:
        try:
            while isinstance(message := await self._next(), (Begun, Moved, Logged)):
                _take(message, run)
            if isinstance(message, Finished):
                run.has_children |= message.has_children
                return outcome_of(message)
        except (msgspec.MsgspecError, KeyError, TypeError):
            self._kill()
            raise Crashed("its process said what makes no sense, and was killed") from None
        raise casualty(await asyncio.shield(self.ending), bounds, message)

    async def _next(self) -> Told | bytes:
        """The next message; bytes, its last words, when there will be no other."""
        try:
            header = await self._reader.readexactly(HEADER.size)
            (length,) = HEADER.unpack(header)
            if length > FRAME_MAX:
                return header + await self._last_words()
            return decoded(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return b""

    async def _last_words(self) -> bytes:
        """What a dying process writes, piece by piece; one that goes on living is killed."""
        words = b""
        with anyio.move_on_after(GRACE_SECONDS):
            while len(words) < WORDS_MAX and (piece := await self._reader.read(WORDS_MAX)):
                words += piece
            return words
        self._kill()
        return words


def _take(message: Begun | Moved | Logged, run: Run) -> None:
    match message:
        case Begun():
            run.started = boot_seconds()
            run.deadline = run.started + run.job_type.timeout_seconds
        case Moved():
            run.progress = merged(run.progress, message)
        case Logged(level, name, text, fields):
            logger = logging.getLogger(name)
            if logger.isEnabledFor(level):
                logger.handle(logger.makeRecord(name, level, name, 0, text, (), None, extra=fields))
