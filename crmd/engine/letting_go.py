"""Lets waiting jobs go on, or end, that nobody else thinks of: follow-ups, lapsed jobs, those that nobody knew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from crmd.job_type import JobType
    from crmd.store.pools import Pool

_SQL = load_queries("crmd.store")
INTERVAL_SECONDS = 1.0
PAGE = 1000


class LettingGo:
    """One look each second, a page at a time; a full page is followed by the next at once."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._after: UUID | None = None

    async def once(self, job_types: Mapping[str, JobType]) -> float:
        """One page of each kind; answers the seconds until the next.

        Args:
            job_types: Those that this daemon can run, by name and alias.
        """
        self._after = await self._pool.fetchval(_SQL.follow_ups_release, self._after, PAGE)
        expired: int = await self._pool.fetchval(_SQL.jobs_expire, PAGE)
        versions = [job_type.version for job_type in job_types.values()]
        known: int = await self._pool.fetchval(_SQL.unknown_release, list(job_types), versions, PAGE)
        return 0.0 if PAGE in {expired, known} else INTERVAL_SECONDS
