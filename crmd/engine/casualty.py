"""Why a child process ended without an outcome, in a sentence for the job's record. Pure."""

from __future__ import annotations

import os
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.stored_text import clean_text

if TYPE_CHECKING:
    from crmd.isolation import Isolation

# What faulthandler writes: the innermost frame comes first.
_PLACE = re.compile(r'File "([^"\n]{1,300})", line (\d{1,9}) in ([^\n]{1,100})')
WORDS_MAX = 16_384


class Crashed(Exception):  # noqa: N818 - the word that stands in the job's record
    """The process of a job ended by itself, without an outcome."""


class HostLost(Crashed):
    """The process that had started it ended, and took it along; or it ended before it could start it."""


class HostBroken(Crashed):
    """The process that was to start it could not, so the job has not run."""


class OverLimit(Exception):  # noqa: N818 - the word that stands in the job's record
    """The process of a job used more than it may."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a child process ended.

    Attributes:
        status: As waitpid(2) tells it; None: nobody knows, its host is gone too.
        memory_kib: The most that it held in memory.
        cpu_seconds: Of user and system together.
    """

    status: int | None
    memory_kib: int = 0
    cpu_seconds: float = 0.0


def casualty(ending: Ending, isolation: Isolation, last_words: bytes) -> Crashed | OverLimit:
    """The error of a job whose process ended without telling an outcome.

    Args:
        ending: How it ended.
        isolation: Its bounds.
        last_words: What faulthandler wrote, if it could; any bytes.
    """
    if ending.status is None:
        return HostLost("its process ended together with the one that had started it")
    if not os.WIFSIGNALED(ending.status):
        code = os.waitstatus_to_exitcode(ending.status)
        return Crashed(f"its process ended with exit code {code} and no outcome")
    number = os.WTERMSIG(ending.status)
    bound = isolation.cpu_seconds
    if bound is not None and (number == signal.SIGXCPU or (number == signal.SIGKILL and ending.cpu_seconds >= bound)):
        return OverLimit(f"used more than {bound:g} s of processor time")
    if number == signal.SIGKILL:
        return Crashed("killed by SIGKILL, as the kernel does when memory runs out")
    return Crashed(f"killed by {_name(number)}{_place(last_words)}")


def over_memory(isolation: Isolation) -> OverLimit:
    """The error of a job whose process could get no more memory."""
    return OverLimit(f"used more than {isolation.memory_mib} MiB of memory")


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _place(last_words: bytes) -> str:
    found = _PLACE.search(last_words[:WORDS_MAX].decode("utf-8", "replace"))
    return "" if found is None else clean_text(f" in {found[1]}:{found[2]} {found[3]}", 400)
