"""What may be declared of a job type beside its name and its handler: the keyword arguments of `@crmd.job`.

Defaults stand once, in `crmd.JobType`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from crmd.backoff import Backoff
    from crmd.model import Concurrency, Priority, Schedule, Unique


class JobOptions(TypedDict, total=False):
    """The keyword arguments of `@crmd.job`; docs/plugins.md tells each with its default.

    Attributes:
        aliases: Other names it answers to.
        queue: `fast` (under 1 minute), `normal` (1-5 minutes), `slow`, or one that the operator configures.
        priority: `critical`, `high`, `normal` or `low`.
        max_attempts: How often it is tried before it is dead.
        timeout_seconds: How long one attempt may run.
        backoff: The delays between attempts.
        schedule: When it runs by itself; a text is a cron expression in UTC.
        concurrency: How many may run at a time; all bounds must pass.
        connection: The payload field that names its connection, as on the wire.
        unique: Whether a second job with the same key is refused.
        on_events: Event types that start it.
        event_delay_seconds: How long after the event it is due.
    """

    aliases: tuple[str, ...]
    queue: str
    priority: Priority
    max_attempts: int
    timeout_seconds: float
    backoff: Backoff | None
    schedule: Schedule | str | None
    concurrency: tuple[Concurrency, ...] | Concurrency
    connection: str | None
    unique: Unique | None
    on_events: tuple[str, ...] | str
    event_delay_seconds: float
