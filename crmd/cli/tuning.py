"""What `crmd queues` and `crmd limits` do alike: pause, resume, set and reset a key, with a reason that is kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crmd.cli.acting import acting
from crmd.cli.attached import database
from crmd.cli.enqueue import seconds_of
from crmd.cli.screen import show_record
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.errors import ExitCode, UsageError
from crmd.store import tuning

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Awaitable, Callable

    from crmd.store.pools import Pool

_KEY = re.compile(r"[A-Za-z0-9_.:@+/-]{1,300}", re.ASCII)


def with_database(arguments: Namespace, work: Callable[[Pool], Awaitable[Any]]) -> Any:  # noqa: ANN401 - whatever work answers
    """Do `work` on the database of the configuration."""
    log_quietly(arguments)
    config = configured(arguments)

    async def run() -> Any:  # noqa: ANN401 - whatever work answers
        async with database(config) as pool:
            return await work(pool)

    return in_loop(config, run)


def checked(key: str) -> str:
    """The key.

    Raises:
        UsageError: No job can have it.
    """
    if not _KEY.fullmatch(key):
        raise UsageError(
            f"{key[:100]!r} is no key.", hint="A key is written as type:sync-gmail or workspace/0198c0de-…."
        )
    return key


def reason_of(arguments: Namespace) -> str:
    """Why.

    Raises:
        UsageError: Nothing is said: whoever looks later would not know.
    """
    if not arguments.reason.strip():
        raise UsageError("No reason is given.", hint='Say why for those who look later: --reason "…".')
    return str(arguments.reason.strip())


def pause(arguments: Namespace, command: str, key: str) -> int:
    """Let a key rest."""
    reason = reason_of(arguments)
    seconds = float(seconds_of(arguments.duration)) if arguments.duration else None

    async def work(pool: Pool) -> None:
        async with acting(pool, f"{command}.pause", key, reason=reason, seconds=seconds):
            await tuning.pause(pool, key, reason=reason, seconds=seconds)

    with_database(arguments, work)
    lasts = arguments.duration or "until it is resumed"
    show_record({"key": key, "state": "paused", "for": lasts, "reason": reason}, is_json=arguments.is_json)
    return ExitCode.OK


def resume(arguments: Namespace, command: str, key: str) -> int:
    """Let a key go on."""

    async def work(pool: Pool) -> bool:
        async with acting(pool, f"{command}.resume", key, reason=arguments.reason or None):
            return await tuning.resume(pool, key)

    if not with_database(arguments, work):
        raise UsageError(f"{key} is not paused.", hint=f"`crmd {command}` shows what is.")
    show_record({"key": key, "state": "resumed"}, is_json=arguments.is_json)
    return ExitCode.OK


def change(arguments: Namespace, command: str, key: str, values: dict[str, Any]) -> int:
    """Set what is given of a key; without anything given, take back what was set.

    Args:
        arguments: With `is_reset` and `reason`.
        command: The command's name, for the audit.
        key: Which.
        values: By the parameters of `crmd.store.tuning.tune`; None is left as it is.

    Raises:
        UsageError: Nothing is given, or both a value and --reset.
    """
    given = {name: value for name, value in values.items() if value is not None}
    if arguments.is_reset == bool(given):
        raise UsageError("Give a value, or --reset.")
    reason = arguments.reason if arguments.is_reset else reason_of(arguments)

    async def work(pool: Pool) -> bool:
        async with acting(pool, f"{command}.{arguments.action}", key, reason=reason or None, **given):
            if arguments.is_reset:
                return await tuning.untune(pool, key)
            await tuning.tune(pool, key, reason=reason, **given)
            return True

    if not with_database(arguments, work):
        raise UsageError(f"Nothing is set of {key}.", hint=f"`crmd {command}` shows what is.")
    state = "reset" if arguments.is_reset else "set"
    show_record({"key": key, "state": state, **given}, is_json=arguments.is_json)
    return ExitCode.OK
