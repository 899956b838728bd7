"""Payloads as operators change them: what is stored is opened, changed, checked against its type and sealed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from crmd.errors import UsageError
from crmd.payload_seal import FIELD, opened
from crmd.store.jobs import check_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crmd.job_type import JobType

    Edit: TypeAlias = Callable[[Any], Any]


def revealed(row: dict[str, Any], job_types: Mapping[str, JobType]) -> dict[str, Any]:
    """The row with its payload opened, where it is a sealed one of a job type that is known here."""
    payload = row.get("payload")
    if not isinstance(payload, dict) or FIELD not in payload:
        return row
    job_type = job_types.get(str(row.get("type") or row.get("job_type")))
    if job_type is None or job_type.seal is None:
        return row
    return {**row, "payload": msgspec.json.decode(opened(job_type.seal, job_type.name, msgspec.json.encode(payload)))}


def readable(row: Mapping[str, Any], job_types: Mapping[str, JobType]) -> dict[str, Any]:
    """The payload of a row, to be changed.

    Raises:
        UsageError: It is sealed, and nobody here can open it.
    """
    payload: dict[str, Any] = revealed(dict(row), job_types)["payload"]
    if FIELD in payload:
        raise UsageError(
            f"The payload of {row.get('type') or row.get('job_type')} is sealed, and no loaded plugin can open it.",
            hint="See `crmd plugins`.",
        )
    return payload


def storable(payload: Any, job_type: JobType | None) -> Any:  # noqa: ANN401 - JSON of any shape
    """The payload as it is stored, if it fits its job type; of a type that no loaded plugin declares, as it is.

    Raises:
        UsageError: It does not fit.
    """
    return payload if job_type is None else msgspec.json.decode(check_size(job_type.encode(payload)))


def editing(patch: dict[str, Any] | None, job_types: Mapping[str, JobType]) -> Edit:
    """What makes of a letter the payload that it is redriven with, as it is stored; None for one that stays.

    It has the patch's fields in place, a null taking its field away. It raises a UsageError where that does not fit.
    """
    if patch is None:
        return lambda _: None
    gone = {name for name, value in patch.items() if value is None}

    def edit(row: Any) -> Any:  # noqa: ANN401 - a row of dead_page.sql, JSON of any shape
        payload = {**readable(row, job_types), **patch}
        return storable({name: payload[name] for name in payload.keys() - gone}, job_types.get(row["type"]))

    return edit
