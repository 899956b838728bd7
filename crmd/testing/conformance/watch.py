"""Looks on while a job runs: whether it holds up the loop, and whom it asks past crmd's own clients."""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import crmd
from crmd.testing.conformance.place import place_in_thread, place_of_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from crmd.testing.attempt import Attempt

_CRMD = f"{Path(crmd.__file__).parent}/"
_TESTING = f"{_CRMD}testing/"
STALL_SECONDS = 0.2
# A busy machine stops everybody for a moment; the same place seen so often in a row is no accident.
LOOKS = 4


class StallLook:
    """For `on_look`: notes where a step of the job goes on for too long without waiting.

    Args:
        folder: Of the plugin's code.

    Attributes:
        place: Where it was; "" as long as nothing was seen.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._looks: Counter[str] = Counter()
        self.place = ""
        self.seconds = 0.0

    def __call__(self, attempt: Attempt) -> None:
        """Look."""
        seconds = attempt.seconds_in_step
        if seconds < STALL_SECONDS:
            self._looks.clear()
            return
        place = place_in_thread(attempt.thread_id, self._folder)
        if not place:
            return
        self._looks[place] += 1
        if self._looks[place] >= LOOKS:
            self.place, self.seconds = place, max(seconds, self.seconds)


class _SocketLook:
    """An audit hook can't be taken back, so there is one for the process, which mostly does nothing."""

    def __init__(self) -> None:
        self.folder = ""
        self.found: list[tuple[str, str]] = []
        self._is_installed = False

    def install(self) -> None:
        if not self._is_installed:
            self._is_installed = True
            sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.folder or event not in {"socket.connect", "socket.getaddrinfo"}:
            return
        frame: FrameType | None = sys._getframe().f_back  # noqa: SLF001 - the documented way to see one's own stack
        while frame is not None and not self._is_telling(frame.f_code.co_filename):
            frame = frame.f_back
        place = place_of_frame(frame, self.folder)
        if frame is not None and frame.f_code.co_filename.startswith(self.folder):  # not by way of crmd's clients
            address = arguments[1] if event == "socket.connect" else arguments[0]
            self.found.append((_host(address), place))

    def _is_telling(self, path: str) -> bool:
        """Whether code of this file says who connects: the plugin, or a client of crmd's that it uses."""
        return path.startswith(self.folder) or (path.startswith(_CRMD) and not path.startswith(_TESTING))


_SOCKETS = _SocketLook()


@contextlib.contextmanager
def sockets_seen(folder: str) -> Iterator[list[tuple[str, str]]]:
    """Hosts that code of this folder connects to by itself, each with the place."""
    _SOCKETS.install()
    _SOCKETS.folder, _SOCKETS.found = folder, []
    try:
        yield _SOCKETS.found
    finally:
        _SOCKETS.folder = ""


def _host(address: object) -> str:
    return str(address[0] if isinstance(address, tuple) and address else address)[:200]
