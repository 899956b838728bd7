"""What may be declared of a job type beside its name and its handler: the keyword arguments of `@crmd.job`.

Defaults stand once, in `crmd.JobType`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.backoff import Backoff
    from crmd.effecting import OnUnknownEffect
    from crmd.isolation import Isolation, RunsIn
    from crmd.model import Concurrency, Priority, Schedule, Unique
    from crmd.payload_version import Upgrade
    from crmd.trigger import Trigger


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
        on_events: Event types that start it, or triggers with conditions.
        event_delay_seconds: How long after the event it is due.
        expires_seconds: A job that has not started so long after it was due never does.
        version: Of the payload; one more with each change that older payloads do not fit.
        upgrades: From each older version, a function that brings a payload (a dict) to the next.
        on_unknown_effect: `probe`, `resend` or `park` an effect of which nobody knows whether it took place.
        runs_in: The event `loop`, a `thread` or a `process` of its own.
        isolation: The bounds of its process.
        is_payload_sealed: Its payloads are kept encrypted, and opened only for the handler.
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
    on_events: tuple[str | Trigger, ...] | str | Trigger
    event_delay_seconds: float
    expires_seconds: float | None
    version: int
    upgrades: Mapping[int, Upgrade]
    on_unknown_effect: OnUnknownEffect
    runs_in: RunsIn
    isolation: Isolation
    is_payload_sealed: bool
