"""Sealed payloads: kept encrypted in the database, opened only for the handler.

A sealed payload is `{"$sealed": "v1.…", …}`: the whole of it sealed, and in the clear beside it the fields that decide
about the job before it runs, because limits, unique keys and connections go by them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from crmd.errors import PluginError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crmd.job_options import JobOptions

FIELD = "$sealed"
_MARK = b'"$sealed"'


class PayloadSeal(Protocol):
    """Closes and opens payloads of job types."""

    def close(self, job_type: str, payload: bytes) -> str:
        """The sealed text of a payload.

        Raises:
            CrmdError: There is no master key.
        """

    def open(self, job_type: str, sealed: str) -> bytes:
        """The payload.

        Raises:
            CrmdError: It was changed, belongs to another job type, or was sealed with a key that is not here.
        """


def sealed(seal: PayloadSeal, job_type: str, payload: bytes, clear: Iterable[str]) -> bytes:
    """The payload as it is stored; an empty one has nothing to hide."""
    value: dict[str, Any] = msgspec.json.decode(payload)
    if not value:
        return payload
    shown = {name: value[name] for name in clear if name in value}
    return msgspec.json.encode({FIELD: seal.close(job_type, payload), **shown})


def opened(seal: PayloadSeal, job_type: str, stored: bytes) -> bytes:
    """The payload of what is stored; one that was never sealed is as it is."""
    if _MARK not in stored:
        return stored
    return seal.open(job_type, msgspec.json.decode(stored)[FIELD])


def check_sealing(name: str, options: JobOptions) -> None:
    """Refuse what goes by a payload that nobody can read.

    Raises:
        PluginError: The unique key is made of the whole payload, or events are to make the payload.
    """
    if not options.get("is_payload_sealed", False):
        return
    unique = options.get("unique")
    if unique is not None and unique.fields is None:
        raise PluginError(
            f"The payload of {name} is sealed, so it cannot be its unique key.", hint="Name fields: Unique(fields=(…))."
        )
    if options.get("on_events"):
        raise PluginError(
            f"The payload of {name} is sealed, so events cannot make it.", hint="Enqueue it from an event handler."
        )
