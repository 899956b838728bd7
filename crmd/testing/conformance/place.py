"""Where in a plugin's own code something happens: `file:line function`, the innermost frame of its package."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import FrameType

    from crmd.job_type import JobType

AWAITED = ("cr_await", "gi_yieldfrom", "ag_await")
FRAMES = ("cr_frame", "gi_frame", "ag_frame")
DEPTH_MAX = 200


def folder_of(module: Any) -> str:  # noqa: ANN401 - any module
    """What the files of a plugin's package begin with; for a plugin of one file, the file."""
    path = Path(module.__file__)
    return f"{path.parent}/" if hasattr(module, "__path__") else str(path)


def place_of_frame(frame: FrameType | None, folder: str) -> str:
    """The innermost frame of the plugin on a stack; "" when it is not on it."""
    while frame is not None:
        if frame.f_code.co_filename.startswith(folder):
            return _named(frame, folder)
        frame = frame.f_back
    return ""


def place_of_waiting(coroutine: Any, folder: str) -> str:  # noqa: ANN401 - a coroutine, generator, or what it awaits
    """The innermost frame of the plugin in what a suspended coroutine waits for; "" when there is none."""
    place = ""
    for _ in range(DEPTH_MAX):
        frame = next((found for name in FRAMES if (found := getattr(coroutine, name, None)) is not None), None)
        if frame is not None and frame.f_code.co_filename.startswith(folder):
            place = _named(frame, folder)
        coroutine = next((found for name in AWAITED if (found := getattr(coroutine, name, None)) is not None), None)
        if coroutine is None:
            break
    return place


def place_in_thread(thread_id: int, folder: str) -> str:
    """Where another thread is now."""
    return place_of_frame(sys._current_frames().get(thread_id), folder)  # noqa: SLF001 - the documented way to see other threads


def place_of_handler(job_type: JobType) -> str:
    """Where a job type's handler begins."""
    code = inspect.unwrap(job_type.handler).__code__
    return f"{_short(code.co_filename)}:{code.co_firstlineno} {code.co_name}"


def shown(path: str, folder: str) -> str:
    """A file of the plugin, from its package on."""
    return path.removeprefix(f"{Path(folder).parent}/")


def _named(frame: FrameType, folder: str) -> str:
    return f"{shown(frame.f_code.co_filename, folder)}:{frame.f_lineno} {frame.f_code.co_name}"


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-2:])
