"""The context that a handler gets; implements `crmd.Context`."""

from __future__ import annotations

import contextlib
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from crmd.engine.borrowing import borrowed, hold
from crmd.engine.durable_work import DurableWork
from crmd.engine.effects import Effects
from crmd.engine.emitter import Emitter
from crmd.engine.job_schedules import JobSchedules
from crmd.engine.run import NOTE_MAX, Progress, Run
from crmd.engine.seen_job import job_of
from crmd.engine.starter import Starter
from crmd.engine.transaction import job_transaction
from crmd.errors import FailJob, LeaseLost
from crmd.http.bound import BoundClient
from crmd.store import leases, overview
from crmd.stored_text import clean_text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from crmd.connections.account import Account
    from crmd.connections.client import ConnectionClient
    from crmd.engine.services import Services
    from crmd.engine.transaction import JobTransaction
    from crmd.http.gate import Gate
    from crmd.model import Job
    from crmd.store.pools import Connection, Pool

_T = TypeVar("_T")


class JobContext:
    """The context of one running job. What starts jobs is a `Starter`'s, made when first asked for."""

    __slots__ = ("_durable_work", "_effects", "_job", "_run", "_services", "_starter")

    def __init__(self, run: Run, services: Services) -> None:
        self._run = run
        self._services = services
        self._job: Job | None = None
        self._starter: Starter | None = None
        self._effects: Effects | None = None
        self._durable_work: DurableWork | None = None

    @property
    def job(self) -> Job:
        """The job itself; read into an object when first asked for, since a no-op handler never does."""
        if self._job is None:
            self._job = job_of(self._run)
        return self._job

    @property
    def log(self) -> logging.Logger:
        """A logger of the plugin."""
        return logging.getLogger(f"crmd.plugins.{self._run.job_type.plugin}")

    @property
    def settings(self) -> Any:  # noqa: ANN401 - the plugin's own settings type
        """The settings of the job's plugin."""
        return self._services.settings.get(self._run.job_type.plugin)

    @property
    def http(self) -> BoundClient:
        """The guarded HTTP client, with a gate for each host."""
        return BoundClient(self._services.http, self._services.limiter, self._run.row["workspace_id"])

    @property
    def enqueue(self) -> Any:  # noqa: ANN401 - see crmd.Enqueuing
        """See `crmd.Enqueuing`."""
        return self._start.enqueue

    @property
    def enqueue_many(self) -> Any:  # noqa: ANN401 - see crmd.Enqueuing
        """See `crmd.Enqueuing`."""
        return self._start.enqueue_many

    @property
    def emit(self) -> Any:  # noqa: ANN401 - see crmd.Emitting
        """See `crmd.Emitting`."""
        return self._emitter.emit

    @property
    def emit_many(self) -> Any:  # noqa: ANN401 - see crmd.Emitting
        """See `crmd.Emitting`."""
        return self._emitter.emit_many

    @property
    def effect(self) -> Any:  # noqa: ANN401 - see crmd.Effecting
        """See `crmd.Effecting`."""
        if self._effects is None:
            pool = self._services.pools.plugins
            self._effects = Effects(self._run, pool, self._as_holder, self._bare.transaction)
        return self._effects.effect

    @property
    def schedules(self) -> JobSchedules:
        """See `crmd.Schedules`."""
        return JobSchedules(self._run, self._services.job_types, self._as_holder)

    @property
    def step(self) -> Any:  # noqa: ANN401 - see crmd.Durable
        """See `crmd.Durable`."""
        return self._durable.step

    @property
    def sleep(self) -> Any:  # noqa: ANN401 - see crmd.Durable
        """See `crmd.Durable`."""
        return self._durable.sleep

    @property
    def wait_for_event(self) -> Any:  # noqa: ANN401 - see crmd.Durable
        """See `crmd.Durable`."""
        return self._durable.wait_for_event

    @property
    def gather(self) -> Any:  # noqa: ANN401 - see crmd.Durable
        """See `crmd.Durable`."""
        return self._durable.gather

    @property
    def batch(self) -> Any:  # noqa: ANN401 - see crmd.Durable
        """See `crmd.Durable`."""
        return self._durable.batch

    @property
    def batch_add(self) -> Any:  # noqa: ANN401 - see crmd.Durable
        """See `crmd.Durable`."""
        return self._durable.batch_add

    @property
    def remaining(self) -> Any:  # noqa: ANN401 - see crmd.Durable
        """See `crmd.Durable`."""
        return self._durable.remaining

    def transaction(self, *, workspace_id: UUID | None = None) -> AbstractAsyncContextManager[JobTransaction]:
        """A transaction under row-level security for the job's workspace."""
        own: UUID | None = self._run.row["workspace_id"]
        if workspace_id is not None and own not in {None, workspace_id}:
            raise FailJob("A job with a workspace cannot work in another one.")
        return job_transaction(
            self._services.pools.plugins,
            self._run,
            self._services.job_types,
            workspace_id or own,
            is_role_changed=self._services.is_role_changed,
            sync_handlers=self._services.sync_handlers,
        )

    def restored(self, type: type[_T]) -> _T | None:  # noqa: A002 - reads as msgspec's own argument does
        """The checkpoint that an earlier attempt left, or None."""
        stored = self._run.row["checkpoint"]
        return None if stored is None else msgspec.json.decode(stored, type=type)

    async def checkpoint(self, value: object) -> None:
        """Keep `value`, so that a later attempt starts from it."""
        built = msgspec.to_builtins(value, str_keys=True)
        if not await leases.write_checkpoint(self._services.pools.plugins, self._run.token, built):
            raise LeaseLost(f"the lease of job {self._run.token.id} is lost")

    def progress(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far the job is. It never goes back."""
        progress = self._progress
        progress.done = max(progress.done, done)
        progress.total = progress.total if total is None else total
        progress.note = clean_text(note, NOTE_MAX) or progress.note
        progress.is_dirty = True

    def succeeded(self, item: object) -> None:
        """Book an item as done."""
        self._progress.book(item, "succeeded", None)

    def blocked(self, item: object, reason: str) -> None:
        """Book an item as not to be done, and why."""
        self._progress.book(item, "blocked", reason)

    def failed(self, item: object, reason: str) -> None:
        """Book an item as failed, and why."""
        self._progress.book(item, "failed", reason)

    async def limit(self, name: str, cost: float = 1) -> Gate:
        """Wait until the limit `name` grants `cost` units; gives the gate it has."""
        rate = self._services.rates.get(name)
        if rate is None:
            raise FailJob(f"There is no limit {name!r}; declare it in [limits] of crmd.toml.")
        return await self._services.limiter.acquire(name, rate, cost)

    async def connection(self, connection_id: UUID) -> ConnectionClient:
        """The client of a connection of the job's workspace."""
        workspace_id = self._run.row["workspace_id"]
        if workspace_id is None:
            raise FailJob("A job that works on a connection belongs to its workspace.")
        return await self._services.connections.open(workspace_id, connection_id)

    async def connections(self, provider: str) -> list[Account]:
        """The active connections at a provider: of the job's workspace, or of all when it has none."""
        return await self._services.connections.active(provider, workspace_id=self._run.row["workspace_id"])

    async def status(self) -> Mapping[str, Any]:
        """How the engine stands."""
        return await overview.status(self._services.pools.control)

    @property
    def _progress(self) -> Progress:
        if self._run.progress is None:
            self._run.progress = Progress()
        return self._run.progress

    @property
    def _durable(self) -> DurableWork:
        if self._durable_work is None:
            self._durable_work = DurableWork(self._run, self._services, self._as_holder, self._bare.transaction)
        return self._durable_work

    @property
    def _start(self) -> Starter:
        if self._starter is None:
            self._starter = Starter(self._run, self._services.job_types, self._as_holder)
        return self._starter

    @property
    def _bare(self) -> JobContext:
        """The same without its parts, for them to hold: one that led back here would keep the payload for a while."""
        return JobContext(self._run, self._services)

    @property
    def _emitter(self) -> Emitter:
        handlers = self._services.sync_handlers
        return Emitter(self._run, handlers, self._as_holder, open_transaction=self.transaction)

    @property
    def _as_holder(self) -> Callable[[], AbstractAsyncContextManager[Connection]]:
        return partial(_as_holder, self._services.pools.plugins, self._run)


@contextlib.asynccontextmanager
async def _as_holder(pool: Pool, run: Run) -> AsyncIterator[Connection]:
    """A transaction with the engine's rights that only the holder of the lease can commit."""
    async with borrowed(pool, run) as connection, connection.transaction():
        await hold(connection, run)
        yield connection
