"""Whether bounds held at every instant: leases as spans, counted where they overlap. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from uuid import UUID

    from crmd.chaos.history import Claim


def limit_breaches(claims: Iterable[Claim], bounds: Mapping[str, int]) -> Iterator[tuple[str, UUID]]:
    """Each key of which more jobs ran at once than it may have; with the job whose claim was too much.

    Args:
        claims: All of a run.
        bounds: By what a key begins with, as `type:x:account`; a unique key is one at a time.
    """
    by_key: dict[str, list[Claim]] = defaultdict(list)
    for claim in claims:
        for key in (claim.lane or "").split(" "):
            if key.partition("/")[0] in bounds:
                by_key[key].append(claim)
        if claim.unique_key is not None:
            by_key[f"unique {claim.unique_key}"].append(claim)
    for key, held in by_key.items():
        most, job_id = most_at_once(held)
        allowed = bounds.get(key.partition("/")[0], 1)
        if most > allowed and job_id is not None:
            yield f"was one of {most} of {key} at once, where {allowed} may be", job_id


def most_at_once(claims: Iterable[Claim]) -> tuple[int, UUID | None]:
    """How many leases there were at once at the most, and the job whose claim made it so many."""
    changes: list[tuple[float, int, UUID]] = []
    for claim in claims:
        changes.append((claim.claimed_at, 1, claim.job_id))
        if claim.gone_at is not None:
            changes.append((claim.gone_at, -1, claim.job_id))
    count = most = 0
    who: UUID | None = None
    for _, step, job_id in sorted(changes, key=lambda change: change[:2]):
        count += step
        if count > most:
            most, who = count, job_id
    return most, who
