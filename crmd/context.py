"""What a handler gets: the context of its job, and transactions that only the holder of the lease can commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from crmd.durable import Durable
from crmd.effecting import Effecting
from crmd.emitting import Emitting
from crmd.scheduling import Scheduling

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import Unpack
    from uuid import UUID

    import msgspec

    from crmd.connections.account import Account
    from crmd.connections.client import ConnectionClient
    from crmd.enqueue_options import EnqueueOptions
    from crmd.http.bound import BoundClient
    from crmd.http.gate import Gate
    from crmd.model import Enqueued, Job

_T = TypeVar("_T")


class Statements(Protocol):
    """The statements that a plugin may run; `args` fill $1, $2, …; jsonb values are plain Python objects."""

    async def fetch(self, query: str, *args: object) -> list[Any]:
        """All rows."""

    async def fetchrow(self, query: str, *args: object) -> Any:  # noqa: ANN401 - a row, or None
        """The first row, or None."""

    async def fetchval(self, query: str, *args: object) -> Any:  # noqa: ANN401 - whatever the column holds
        """The first column of the first row, or None."""

    async def execute(self, query: str, *args: object) -> str:
        """The command tag, as `UPDATE 3`."""


class Enqueuing(Emitting, Protocol):
    """Starts other jobs and tells of events."""

    async def enqueue(
        self,
        job_type: str,
        payload: msgspec.Struct | Mapping[str, object] | None = None,
        *,
        unique_key: str | None = None,
        is_child: bool = False,
        **options: Unpack[EnqueueOptions],
    ) -> Enqueued:
        """Enqueue a job. It belongs to this job's workspace and user unless others are named.

        Args:
            job_type: Its name or an alias.
            payload: Typed, or a mapping with wire names.
            unique_key: At most one job of the type and workspace holds it.
            is_child: This job is its parent: it ends when all its children have ended, and reports their sum.
            options: When it is due, how urgent it is, what becomes of it when the key is taken and so on: see
                `crmd.enqueue_options.EnqueueOptions`.

        Raises:
            UsageError: No such job type, the payload does not fit, or options contradict each other.
        """

    async def enqueue_many(
        self,
        job_type: str,
        payloads: Sequence[msgspec.Struct | Mapping[str, object]],
        *,
        unique_keys: Sequence[str | None] | None = None,
        is_child: bool = False,
        **options: Unpack[EnqueueOptions],
    ) -> list[Enqueued]:
        """Enqueue a job per payload in one statement; answers in their order. See `enqueue`."""


class Transaction(Statements, Enqueuing, Scheduling, Protocol):
    """One transaction of a job. It starts by locking the job's lease, so it commits for the holder or not at all."""

    async def executemany(self, query: str, args: Sequence[Sequence[object]]) -> None:
        """The same statement once per row of arguments."""

    async def checkpoint(self, value: object) -> None:
        """Keep `value` as the job's checkpoint, if this transaction commits."""

    async def set_cursor(self, connection_id: UUID, name: str, value: object, *, expected: object) -> bool:
        """Move a connection's cursor if it still holds `expected` (None: is unset); whether it did."""

    async def mark_synced(self, connection_id: UUID) -> None:
        """Note that the connection is fresh as of now."""


class Context(Enqueuing, Effecting, Scheduling, Durable, Protocol):
    """The context of one running job."""

    @property
    def job(self) -> Job:
        """The job itself: ids, attempt, workspace."""

    @property
    def log(self) -> logging.Logger:
        """A logger whose lines carry the job's id, type and workspace."""

    @property
    def settings(self) -> Any:  # noqa: ANN401 - the plugin's own settings type
        """The settings of the job's plugin, of the type it declared."""

    @property
    def http(self) -> BoundClient:
        """The guarded HTTP client, for addresses that users gave."""

    def transaction(self, *, workspace_id: UUID | None = None) -> AbstractAsyncContextManager[Transaction]:
        """A transaction under row-level security for the job's workspace.

        Only a job without a workspace of its own may name another.

        Raises:
            LeaseLost: Another claim holds the job by now.
        """

    def restored(self, type: type[_T]) -> _T | None:  # noqa: A002 - reads as msgspec's own argument does
        """The checkpoint that an earlier attempt left, or None."""

    async def checkpoint(self, value: object) -> None:
        """Keep `value`, so that a later attempt starts from it.

        Raises:
            LeaseLost: Another claim holds the job by now.
        """

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far the job is; written at most twice a second."""

    def succeeded(self, item: object) -> None:
        """Book an item as done."""

    def blocked(self, item: object, reason: str) -> None:
        """Book an item as not to be done, and why."""

    def failed(self, item: object, reason: str) -> None:
        """Book an item as failed, and why."""

    async def limit(self, name: str, cost: float = 1) -> Gate:
        """Wait until the limit `name`, which all daemons share, grants `cost` units.

        Returns:
            The gate that it went through, for the request that the units are for: `ctx.http.request(…, gate=gate)`.
            A pause that is asked for then holds for all daemons, and the limit refills more slowly for a while.

        Raises:
            GateClosed: The wait would be long; the job is parked without losing its attempt.
        """

    async def connection(self, connection_id: UUID) -> ConnectionClient:
        """The client of a connection: it authorises, limits and refreshes by itself; the token stays inside.

        Raises:
            FailJob: There is no such connection in the job's workspace, or it is disabled.
            GateClosed: It needs a new consent.
        """

    async def connections(self, provider: str) -> list[Account]:
        """The active connections at a provider: of the job's workspace, or of all when it has none."""

    async def status(self) -> Mapping[str, Any]:
        """How the engine stands: queues, leases, dead letters, daemons, schedules, connections."""
