"""Forks the processes of jobs, ends them when asked to, and tells the daemon how each ended.

One thread that waits for the daemon's words and its children's ends, and does nothing else: it can always answer, and
a fork copies no lock that another thread holds.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from typing import TYPE_CHECKING, Any

import msgspec

from crmd.child.job_process import run_job

if TYPE_CHECKING:
    from crmd.blueprint import Blueprint
    from crmd.child.loading import Hosted

WORD_MAX = 4096


class Nursery:
    """The children of one host.

    Args:
        control: A packet socket to the daemon.
        blueprint: Its configuration.
        hosted: The loaded plugin.
    """

    def __init__(self, control: socket.socket, blueprint: Blueprint, hosted: Hosted) -> None:
        self._control = control
        self._blueprint = blueprint
        self._hosted = hosted
        self._numbers: dict[int, int] = {}  # by process id
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def serve(self) -> None:
        """Until the daemon closes its end; then every child ends."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        try:
            while True:
                control = self._control.fileno()
                ready = select.select([control, self._woken], [], [])[0]
                if self._woken in ready:
                    os.read(self._woken, 4096)
                    self._reap()
                if control in ready and not self._obey():
                    return
        finally:
            for pid in self._numbers:
                _end(pid)

    def _obey(self) -> bool:
        """One word of the daemon; whether there may be more."""
        word, descriptors, _, _ = socket.recv_fds(self._control, WORD_MAX, 1)
        if not word:
            return False
        order = msgspec.json.decode(word, type=dict[str, int])
        if "fork" in order:
            self._fork(order["fork"], descriptors[0])
        elif "kill" in order:
            for pid, number in self._numbers.items():
                if number == order["kill"]:
                    _end(pid)
        return True

    def _fork(self, number: int, descriptor: int) -> None:
        parent = os.getpid()
        try:
            pid = os.fork()
        except OSError as error:
            self._tell({"refused": number, "reason": str(error.strerror)})
            os.close(descriptor)
            return
        if pid == 0:
            self._become_child(parent, descriptor)
        os.close(descriptor)
        self._numbers[pid] = number

    def _become_child(self, parent: int, descriptor: int) -> None:
        """Does not come back: the child never returns into the loop of its host."""
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._control.close()
            os.close(self._woken)
            os.close(self._waker)
            os.setsid()  # whatever it starts is ended with it
            run_job(socket.socket(fileno=descriptor), parent, self._blueprint, self._hosted)
        finally:
            os._exit(1)

    def _reap(self) -> None:
        for pid in list(self._numbers):
            ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                continue
            _end(pid)  # while its id is still taken: what it has left behind
            _, status, usage = os.wait4(pid, 0)
            number = self._numbers.pop(pid)
            seconds = usage.ru_utime + usage.ru_stime
            self._tell({"ended": number, "status": status, "memory_kib": usage.ru_maxrss, "cpu_seconds": seconds})

    def _tell(self, word: dict[str, Any]) -> None:
        with contextlib.suppress(ConnectionError):  # the daemon has ended, and this process ends at its next word
            self._control.send(msgspec.json.encode(word))


def _end(pid: int) -> None:
    """The whole session that a job has made, grandchildren too."""
    for kill in (os.killpg, os.kill):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
