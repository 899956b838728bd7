"""Where the spans of a job stand in its trace. They follow from the job, so that nothing has to be kept for a retry.

A job that brings no trace begins one whose id is its own. The span of each claim has an id made of the job and the
claim's fence, so that an attempt can point at the one before, whichever daemon ran it.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uuid import UUID

# W3C Trace Context, version 00.
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}", re.ASCII)
_NOTHING = {"0" * 32, "0" * 16}


def span_id_of(job_id: UUID, fence: int) -> int:
    """The id of the span of a claim: 64 bits, never 0."""
    digest = hashlib.blake2b(job_id.bytes + fence.to_bytes(8, "big"), digest_size=8).digest()
    return int.from_bytes(digest, "big") or 1


def checked_traceparent(text: object) -> str | None:
    """The header `traceparent`, if it is one."""
    if not isinstance(text, str) or (match := _TRACEPARENT.fullmatch(text)) is None:
        return None
    return None if _NOTHING & set(match.groups()) else text
