"""Payloads as they are given on the command line, checked against their job types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.providing import known_plugins
from crmd.store.payload_editing import storable

if TYPE_CHECKING:
    from crmd.config.loading import Config


def checked_payload(config: Config, job_type: str, payload: Any) -> Any:  # noqa: ANN401 - JSON of any shape
    """As `storable`, of the job type of that name."""
    return storable(payload, known_plugins(config).job_types.get(job_type))
