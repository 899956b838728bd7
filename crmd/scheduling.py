"""Schedules that are made at run time: what one is, and what a handler may do with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from uuid import UUID

    import msgspec

    from crmd.model import At, Schedule

    When: TypeAlias = str | Schedule | At


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSchedule:
    """A schedule to be made, or to be changed where there is one of its name.

    Args:
        name: The caller's, one per workspace; letters, digits and `_ . : @ + -`. It never changes: a new name is a new
            schedule.
        job_type: Name or alias.
        when: A `crmd.Schedule`, its expression alone, or a `crmd.At`.
        payload: Of each job, typed, or a mapping with wire names.
        workspace_id: Whose it is; None: the installation's own. From a handler: the job's workspace.
        user_id: Whom its jobs concern.
        connection_id: The connection that its jobs work on. It goes away with it, and its jobs wait behind its gate.
        subject: What it is about, as `meeting:42`; it can be moved and dropped with that.
    """

    name: str
    job_type: str
    when: When
    payload: msgspec.Struct | Mapping[str, object] = field(default_factory=dict)
    workspace_id: UUID | None = None
    user_id: UUID | None = None
    connection_id: UUID | None = None
    subject: str | None = None


class Schedules(Protocol):
    """The schedules of a job's workspace; what is done in a transaction happens with its commit or not at all."""

    async def add(self, *new: NewSchedule) -> list[str]:
        """Make schedules, or change those of the same names; answers their ids.

        A schedule whose times changed begins now: it fires nothing again and makes up for nothing.

        Raises:
            UsageError: No such job type, the payload does not fit, or its times cannot be read.
        """

    async def remove(
        self,
        name: str | None = None,
        *,
        user_id: UUID | None = None,
        connection_id: UUID | None = None,
        subject: str | None = None,
    ) -> int:
        """Drop the schedules that fit all of what is given; answers how many. Jobs that they have made stay."""

    async def move(self, subject: str, at: datetime) -> int:
        """A subject has another time: all that fires once for it moves along. Answers how many moved.

        A time before the subject's that has passed already fires at once, unless the subject's own has passed too.
        """


class Scheduling(Protocol):
    """Makes schedules."""

    @property
    def schedules(self) -> Schedules:
        """The schedules of the job's workspace."""
