"""The daemon's end of a host: the process that has loaded one plugin and forks a child for each of its jobs."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import anyio
import msgspec

from crmd.engine.casualty import Ending, HostBroken, HostLost
from crmd.engine.child import Child

if TYPE_CHECKING:
    from collections.abc import Mapping

WORD_MAX = 4096
START_SECONDS_MAX = 60.0
# A host without children goes after this long; the next job of its plugin pays for a new one.
IDLE_SECONDS = 300.0
_BUSY_PAUSE_SECONDS = 0.01
# Begin of names of variables that may hold secrets of ours, or speak for the daemon.
_OURS = ("CRMD", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG_")


class Word(msgspec.Struct, frozen=True):
    """What a host says: that it is ready or cannot be, that a fork was refused, or how a child ended."""

    ready: int | None = None
    broken: str | None = None
    refused: int | None = None
    reason: str = ""
    ended: int | None = None
    status: int | None = None
    memory_kib: int = 0
    cpu_seconds: float = 0.0


_WORDS = msgspec.json.Decoder(Word)


class Host:
    """One host; it ends with its daemon, or once it is closed.

    Args:
        plugin: Its name, for sentences.
    """

    def __init__(self, plugin: str) -> None:
        self._plugin = plugin
        self._loop = asyncio.get_running_loop()
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._endings: dict[int, asyncio.Future[Ending]] = {}
        self._count = 0
        self._control, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        self._process: subprocess.Popen[bytes] | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self.is_open = True
        self.is_retired = False

    async def start(self, blueprint: bytes) -> None:
        """Start the process and wait until it has loaded its plugin.

        Raises:
            HostBroken: It cannot; the sentence says why.
        """
        try:
            self._process = subprocess.Popen(  # noqa: ASYNC220, S603 - our own program, and it is there in milliseconds
                [sys.executable, "-P", "-m", "crmd.child", str(self._theirs.fileno())],
                stdin=subprocess.PIPE,
                env=child_environment(os.environ, sys.path),
                pass_fds=[self._theirs.fileno()],
                start_new_session=True,  # Ctrl-C on the terminal is the daemon's to answer
            )
            self._theirs.close()
            self._loop.add_reader(self._control.fileno(), self._hear)
            with anyio.fail_after(START_SECONDS_MAX):
                await anyio.to_thread.run_sync(self._hand_over, self._process, blueprint)
                await asyncio.shield(self._ready)
        except (TimeoutError, OSError) as error:
            self.close()
            why = f"does not start ({type(error).__name__})"
            raise HostBroken(f"the process of the plugin {self._plugin} {why}") from None
        except BaseException:
            self.close()
            raise

    async def fork(self, order: Mapping[str, Any]) -> Child:
        """A new child, told what to do.

        Raises:
            HostLost: It is gone.
        """
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._count += 1
        number = self._count
        ending = self._endings[number] = self._loop.create_future()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                await self._say({"fork": number}, [theirs.fileno()])
        except HostLost:
            ours.close()
            raise
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        return Child(reader, writer, ending, pickle.dumps(dict(order)), lambda: self._kill(number))

    def retire(self) -> None:
        """Close once its children have ended; nobody asks it for new ones."""
        self.is_retired = True
        if not self._endings:
            self.close()

    def close(self) -> None:
        """End the process and its children."""
        if not self.is_open:
            return
        self.is_open = False
        self._loop.remove_reader(self._control.fileno())
        self._control.close()
        self._theirs.close()
        if self._process is not None:
            self._process.kill()  # its children have asked the kernel to follow it
            self._process.wait()
        if not self._ready.done():
            self._ready.set_exception(HostBroken(f"the process of the plugin {self._plugin} ended before it was ready"))
            self._ready.exception()  # whoever waits is told; if nobody does, nothing is amiss
        for ending in self._endings.values():
            ending.set_result(Ending(None))
        self._endings.clear()

    @staticmethod
    def _hand_over(process: subprocess.Popen[bytes], blueprint: bytes) -> None:
        assert process.stdin is not None  # noqa: S101 - opened as a pipe
        with process.stdin:
            process.stdin.write(blueprint)

    async def _say(self, word: dict[str, int], descriptors: list[int]) -> None:
        while True:
            if not self.is_open:
                raise HostLost(f"the process of the plugin {self._plugin} has ended")
            try:
                socket.send_fds(self._control, [msgspec.json.encode(word)], descriptors)
            except BlockingIOError:
                await anyio.sleep(_BUSY_PAUSE_SECONDS)
            except OSError:
                self.close()
            else:
                return

    def _kill(self, number: int) -> None:
        if number not in self._endings or not self.is_open:
            return
        try:
            self._control.send(msgspec.json.encode({"kill": number}))
        except BlockingIOError:
            self._loop.call_later(_BUSY_PAUSE_SECONDS, self._kill, number)
        except OSError:
            self.close()

    def _hear(self) -> None:
        try:
            data = self._control.recv(WORD_MAX)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._heed(_WORDS.decode(data))

    def _heed(self, word: Word) -> None:
        if word.ready is not None and not self._ready.done():
            self._ready.set_result(None)
        if word.broken is not None and not self._ready.done():
            self._ready.set_exception(HostBroken(word.broken))
        if word.refused is not None:
            self._ended(word.refused, Ending(None))
        if word.ended is not None:
            self._ended(word.ended, Ending(word.status, word.memory_kib, word.cpu_seconds))

    def _ended(self, number: int, ending: Ending) -> None:
        waiting = self._endings.pop(number, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(ending)
        self.rest()

    def rest(self) -> None:
        """Go after a while, if nothing is to be done until then."""
        if self._endings or not self.is_open:
            return
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self.is_retired:
            self.close()
        else:
            self._idle_timer = self._loop.call_later(IDLE_SECONDS, self.close)


def child_environment(environ: Mapping[str, str], path: list[str]) -> dict[str, str]:
    """The daemon's environment without what is its own, and the places where it finds its modules."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_OURS)}
    return {**kept, "PYTHONPATH": os.pathsep.join(place or os.getcwd() for place in path)}  # noqa: PTH109 - as sys.path has it
