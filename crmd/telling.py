"""Instants, spans and lists of ids as people read them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def id_list(ids: Sequence[str] | None) -> str:
    """The first few, and how many more there are."""
    shown = [str(job_id) for job_id in (ids or [])[:3]]
    more = f" and {len(ids) - 3} more" if ids and len(ids) > len(shown) else ""
    return f"{', '.join(shown) or 'other jobs'}{more}"


def instant_of(value: object) -> datetime | None:
    """JSON tells instants as text, and one that never comes as `infinity`."""
    if isinstance(value, datetime):
        return value
    return None if value is None or "infinity" in str(value) else datetime.fromisoformat(str(value))


def span_text(seconds: float) -> str:
    """How long, to be read by people."""
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.0f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
