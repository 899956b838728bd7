"""Versions of a payload: what was stored in an older form is brought to today's, step by step, before it is decoded.

A payload of version 1 carries no mark; later ones are marked in the job's meta when they are enqueued.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from crmd.errors import NotKnownHere, PluginError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Upgrade: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

_MARK = b'"payloadVersion"'


class _Marked(msgspec.Struct, rename="camel"):
    payload_version: int = 1


def version_of(meta: bytes | None) -> int:
    """The version of a payload, as the job's meta marks it."""
    if meta is None or _MARK not in meta:
        return 1
    return msgspec.json.decode(meta, type=_Marked).payload_version


def check_upgrades(name: str, version: int, upgrades: Mapping[int, Upgrade]) -> None:
    """Refuse versions that do not hang together.

    Raises:
        PluginError: A step is missing, or leads beyond the newest version.
    """
    if version < 1:
        raise PluginError(f"The payload of {name} has the version {version}.", hint="The first version is 1.")
    steps = sorted(upgrades)
    wanted = list(range(steps[0], version)) if steps else []
    if (version > 1 and not steps) or steps != wanted:
        raise PluginError(
            f"The payload of {name} has version {version}, and upgrades from {steps or 'none'}.",
            hint="Give one upgrade from each version to the next, without a gap, as upgrades={1: from_1}.",
        )


def upgraded(name: str, payload: bytes, stored: int, version: int, upgrades: Mapping[int, Upgrade]) -> bytes:
    """The payload as the newest version has it.

    Raises:
        NotKnownHere: It is newer than this code.
        UsageError: It is older than the oldest upgrade.
    """
    if stored > version:
        raise NotKnownHere(f"version {stored} of the payload of {name}", f"the newest it knows is {version}")
    if stored == version:
        return payload
    if stored not in upgrades:
        raise UsageError(f"The payload of {name} has version {stored}, from which no upgrade leads to {version}.")
    value = msgspec.json.decode(payload)
    for step in range(stored, version):
        value = upgrades[step](value)
    return msgspec.json.encode(value)
