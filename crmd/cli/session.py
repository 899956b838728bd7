"""What every command starts with: the configuration that its flags ask for, logging, and the event loop."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import anyio

from crmd.config.loading import load_config
from crmd.errors import ConfigError, ExitCode, UsageError
from crmd.log.setup import configure_logging
from crmd.lone_error import lone_error

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Awaitable, Callable

    from crmd.config.loading import Config

_ResultT = TypeVar("_ResultT")


def overrides_of(arguments: Namespace) -> dict[str, object]:
    """Settings given as flags, by dotted key.

    Raises:
        UsageError: A `--set` is not `section.key=value`.
    """
    found: dict[str, object] = {}
    for word in arguments.overrides:
        key, equals, value = word.partition("=")
        if not equals or "." not in key:
            raise UsageError(f"--set {word!r} is no setting.", hint="Write --set section.key=value.")
        found[key.strip()] = value
    if arguments.log_level is not None:
        found["log.level"] = arguments.log_level
    return found


def configured(arguments: Namespace) -> Config:
    """The configuration.

    Raises:
        CrmdError: Something is wrong with it; the sentence lists every problem with its place.
    """
    path = None if arguments.config is None else Path(arguments.config)
    return load_config(path, os.environ, overrides_of(arguments))


def log_quietly(arguments: Namespace, level: str = "error") -> None:
    """Log to standard error, from `level` up unless the flags say otherwise: a command's own words come first."""
    configure_logging("text", arguments.log_level or level, os.environ, sys.stderr)


def in_loop(config: Config, work: Callable[[], Awaitable[_ResultT]]) -> _ResultT:
    """Run `work` in the event loop of the configuration.

    Raises:
        ConfigError: `daemon.event_loop` is uvloop, which is not installed.
    """
    wanted = config.daemon.event_loop
    has_uvloop = importlib.util.find_spec("uvloop") is not None
    if wanted == "uvloop" and not has_uvloop:
        raise ConfigError(
            "daemon.event_loop is uvloop, which is not installed.",
            hint="Install it with `pip install crmd[uvloop]`, or set event_loop to auto.",
        )
    with lone_error():
        return anyio.run(_to_the_end, work, backend_options={"use_uvloop": has_uvloop and wanted != "asyncio"})


async def _to_the_end(work: Callable[[], Awaitable[_ResultT]]) -> _ResultT:
    """Do the work. A job that does not let itself be cancelled must not keep the process once all else has ended."""
    from crmd.engine.abandoning import has_loose_tasks  # noqa: PLC0415 - commands without jobs need not load the engine

    try:
        result = await work()
    except BaseException:
        if has_loose_tasks():
            logging.getLogger("crmd").critical("ended by an error beside abandoned jobs", exc_info=True)
            _leave(ExitCode.FAILED)
        raise
    if has_loose_tasks():
        _leave(result if isinstance(result, int) else ExitCode.OK)
    return result


def _leave(code: int) -> NoReturn:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
