"""Which jobs a command means: one by its id, or many by a filter."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from crmd.cli.asking import uuid_of, workspace_of
from crmd.cli.enqueue import instant_of, seconds_of
from crmd.errors import UsageError
from crmd.store import declarations
from crmd.store.bulk import JobFilter

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.store.pools import Pool

_FILTERS = ("status", "type", "queue", "workspace", "user", "older_than", "since", "error_class", "cause")


def has_filter(arguments: Namespace) -> bool:
    """Whether any filter is given."""
    return any(getattr(arguments, name) is not None for name in _FILTERS)


def check_choice(arguments: Namespace) -> None:
    """One id, or filters.

    Raises:
        UsageError: Both, or neither: a command without either would mean every job.
    """
    if arguments.id is not None and has_filter(arguments):
        raise UsageError("An id and a filter are given.", hint="Give one of the two.")
    if arguments.id is None and not has_filter(arguments):
        raise UsageError("Neither an id nor a filter is given.", hint="For instance --type sync-gmail --status dead.")


async def filter_of(pool: Pool, arguments: Namespace, allowed: tuple[str, ...]) -> JobFilter:
    """The filter that the flags describe; ages count from the database's clock.

    Args:
        pool: To ask for the time.
        arguments: Of the command.
        allowed: Statuses that the action is for; all of them when no status is asked for.

    Raises:
        UsageError: A status is none of those, or an id, time or duration does not fit.
    """
    statuses = tuple(arguments.status or allowed)
    wrong = [status for status in statuses if status not in allowed]
    if wrong:
        raise UsageError(f"This is not for jobs that are {wrong[0]}.", hint=f"It is for {', '.join(allowed)} ones.")
    created_before = None
    if arguments.older_than is not None:
        async with pool.acquire() as connection:
            now = await declarations.clock(connection)
        created_before = now - timedelta(seconds=seconds_of(arguments.older_than))
    return JobFilter(
        statuses=statuses,
        type=arguments.type,
        queue=arguments.queue,
        workspace_id=workspace_of(arguments.workspace),
        user_id=uuid_of(arguments.user, "a user"),
        created_from=None if arguments.since is None else instant_of(arguments.since),
        created_before=created_before,
        error_class=arguments.error_class,
        cause=arguments.cause,
    )


def described(arguments: Namespace) -> dict[str, object]:
    """The filters that are given, for the audit."""
    return {name: getattr(arguments, name) for name in _FILTERS if getattr(arguments, name) is not None}
