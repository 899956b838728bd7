"""The child's end of the talk with its daemon: one thread listens and tells of progress, any thread may speak."""

from __future__ import annotations

import os
import select
import threading
from typing import TYPE_CHECKING

import msgspec

from crmd.engine.wire import HEADER, encoded, taken
from crmd.outcome import Stop

if TYPE_CHECKING:
    import asyncio
    import socket

    from crmd.engine.run import Run
    from crmd.engine.wire import Told

PROGRESS_SECONDS = 0.25
# A thread's stack counts against the job's memory.
STACK_BYTES = 512 * 1024


class Line:
    """The line to the daemon.

    Args:
        sock: A stream socket, blocking: a daemon that falls behind slows the job down, and loses nothing.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._lock = threading.Lock()
        self._run: Run | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_ended = False

    def read(self) -> bytes:
        """The next frame; ends this process when the daemon is gone."""
        (length,) = HEADER.unpack(self._exactly(HEADER.size))
        return self._exactly(length)

    def send(self, message: Told) -> None:
        """Say something, from any thread."""
        data = encoded(message)
        with self._lock:
            self._sock.sendall(data)

    def begin(self, run: Run) -> None:
        """Tell of the run's progress from now on, and listen for a stop."""
        self._run = run
        before = threading.stack_size(STACK_BYTES)
        threading.Thread(target=self._keep, name="crmd line", daemon=True).start()
        threading.stack_size(before)

    def obeyed_in(self, loop: asyncio.AbstractEventLoop) -> None:
        """A stop cancels the run in this loop, at its next await; one that came before that does at once."""
        self._loop = loop
        assert self._run is not None  # noqa: S101 - begun by the only caller
        if self._run.stop is not None:
            self._run.halt(self._run.stop, self._run.reason)

    def end(self) -> None:
        """Tell the last of the progress, and no more."""
        self._has_ended = True
        self._tell_progress()

    def _keep(self) -> None:
        while not self._has_ended:
            if select.select([self._sock], [], [], PROGRESS_SECONDS)[0]:
                self._obey(self.read())
            elif not self._has_ended:
                self._tell_progress()

    def _obey(self, body: bytes) -> None:
        word, reason = msgspec.msgpack.decode(body, type=tuple[str, str])
        run, loop = self._run, self._loop
        assert run is not None  # noqa: S101 - begun by the only caller
        if loop is None:
            run.halt(Stop(word), reason)
        else:
            loop.call_soon_threadsafe(run.halt, Stop(word), reason)

    def _tell_progress(self) -> None:
        run = self._run
        with self._lock:  # two threads must not take the same items
            if run is not None and run.progress is not None and run.progress.is_dirty:
                self._sock.sendall(encoded(taken(run.progress)))

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self._sock.recv(count - len(data))
            if not piece:
                os._exit(1)  # the daemon is gone: whoever holds the job now decides
            data += piece
        return bytes(data)
