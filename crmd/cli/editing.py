"""Payloads as operators change them: what is stored is opened, changed, checked against its type and sealed again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crmd.errors import UsageError
from crmd.payload_seal import FIELD, opened
from crmd.providing import known_plugins
from crmd.store.jobs import check_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.config.loading import Config
    from crmd.job_type import JobType


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


def checked_payload(config: Config, job_type: str, payload: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """As `storable`, of the job type of that name."""
    return storable(payload, known_plugins(config).job_types.get(job_type))
