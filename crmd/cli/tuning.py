"""What `crmd queues` and `crmd limits` change live: pause, resume, set and reset a key, with a reason that is kept."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from crmd.cli.acting import acting
from crmd.cli.asking import no_such
from crmd.cli.attached import on_database
from crmd.cli.enqueue import seconds_of
from crmd.cli.screen import show_record
from crmd.cli.session import configured
from crmd.errors import ExitCode, UsageError
from crmd.store import tuning

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

WEIGHT_MAX = 1000.0
_KINDS = frozenset({"queue", "workspace", "connection"})
_KEY = re.compile(r"[A-Za-z0-9_.:@+/-]{1,300}", re.ASCII)


def pause(arguments: Namespace) -> int:
    """Let a key rest."""
    key, reason = _key(arguments), _reason(arguments)
    seconds = float(seconds_of(arguments.duration)) if arguments.duration else None

    async def work(pool: Pool, _config: Config) -> None:
        await _check_known(pool, key)
        async with acting(pool, f"{arguments.command}.pause", key, reason=reason, seconds=seconds):
            await tuning.pause(pool, key, reason=reason, seconds=seconds)

    on_database(arguments, work)
    lasts = arguments.duration or "until it is resumed"
    show_record({"key": key, "state": "paused", "for": lasts, "reason": reason}, is_json=arguments.is_json)
    return ExitCode.OK


def resume(arguments: Namespace) -> int:
    """Let a key go on."""
    key = _key(arguments)

    async def work(pool: Pool, _config: Config) -> bool:
        async with acting(pool, f"{arguments.command}.resume", key, reason=arguments.reason or None):
            return await tuning.resume(pool, key)

    if not on_database(arguments, work):
        raise UsageError(f"{key} is not paused.", hint=f"`crmd {arguments.command}` shows what is.")
    show_record({"key": key, "state": "resumed"}, is_json=arguments.is_json)
    return ExitCode.OK


def resize(arguments: Namespace) -> int:
    """Give a queue more or less room."""
    for name, value in (("--slots", arguments.slots), ("--fleet", arguments.fleet)):
        if value is not None and value < 1:
            raise UsageError(f"{name} {value} leaves no room.", hint="To stop a queue, pause it.")
    return _change(arguments, {"slots": arguments.slots, "most": arguments.fleet})


def limit(arguments: Namespace) -> int:
    """Set how many jobs of a key run at a time."""
    if arguments.value is not None and arguments.value < 0:
        raise UsageError("A limit is not below zero.", hint="0 lets none start; `crmd limits pause` says why, too.")
    return _change(arguments, {"most": arguments.value})


def weigh(arguments: Namespace) -> int:
    """Set a key's share of the turns."""
    if arguments.value is not None and not 1 / WEIGHT_MAX <= arguments.value <= WEIGHT_MAX:
        raise UsageError(f"A weight is between 0.001 and {WEIGHT_MAX:g}.", hint="1 is everybody's.")
    return _change(arguments, {"weight": arguments.value})


def _change(arguments: Namespace, values: dict[str, Any]) -> int:
    """Set what is given of a key; with --reset take back what was set."""
    key = _key(arguments)
    given = {name: value for name, value in values.items() if value is not None}
    if arguments.is_reset == bool(given):
        raise UsageError("Give a value, or --reset.")
    reason = arguments.reason if arguments.is_reset else _reason(arguments)

    async def work(pool: Pool, _config: Config) -> bool:
        if not arguments.is_reset:
            await _check_known(pool, key)
        async with acting(pool, f"{arguments.command}.{arguments.action}", key, reason=reason or None, **given):
            if arguments.is_reset:
                return await tuning.untune(pool, key)
            await tuning.tune(pool, key, reason=reason, **given)
            return True

    if not on_database(arguments, work):
        raise UsageError(f"Nothing is set of {key}.", hint=f"`crmd {arguments.command}` shows what is.")
    state = "reset" if arguments.is_reset else "set"
    show_record({"key": key, "state": state, **given}, is_json=arguments.is_json)
    return ExitCode.OK


def _key(arguments: Namespace) -> str:
    """The key that is meant.

    Raises:
        UsageError: There is no such queue, or no job can have the key.
    """
    if arguments.command == "queues":
        known = configured(arguments).queues
        if arguments.queue not in known:
            raise no_such("queue", arguments.queue, known, "`crmd queues` lists them.")
        return f"queue:{arguments.queue}"
    key = str(arguments.key)
    if not _KEY.fullmatch(key):
        raise UsageError(
            f"{key[:100]!r} is no key.", hint="A key is written as type:sync-gmail or workspace/0198c0de-…."
        )
    return key


async def _check_known(pool: Pool, key: str) -> None:
    """Refuse a key that no job can have, which would be kept and do nothing.

    Raises:
        UsageError: Its job type is unknown, or it is of no kind.
    """
    kind, _, rest = key.partition("/")[0].partition(":")
    if kind in {"type", "local"}:
        known = await tuning.job_types(pool)
        if rest.partition(":")[0] not in known:
            raise no_such("job type", rest.partition(":")[0], known, "`crmd plugins` lists the job types.")
    elif kind not in _KINDS:
        raise UsageError(f"No job has the key {key!r}.", hint="`crmd limits` shows those there are.")


def _reason(arguments: Namespace) -> str:
    """Why.

    Raises:
        UsageError: Nothing is said: whoever looks later would not know.
    """
    if not arguments.reason.strip():
        raise UsageError("No reason is given.", hint='Say why for those who look later: --reason "…".')
    return str(arguments.reason.strip())
