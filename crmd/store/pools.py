"""The connections of a daemon: three pools, so that a plugin can never starve the engine.

`work` is for what jobs pass through (claim, settle), `control` for everything else of the engine's (reap, schedules),
`plugins` for transactions of jobs. Listener and heartbeat open a connection each, with `connect`.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import asyncpg

from crmd.errors import UnreachableError
from crmd.store.bounded_pool import BoundedPool
from crmd.store.codecs import set_bytes_codec, set_object_codec
from crmd.store.door import Door, Rank
from crmd.store.liveness import SERVER_SETTINGS, probe_link
from crmd.store.primary import Primary
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Mapping

Session: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"
_SQL = load_queries("crmd.store")

# What a lost, refused or restarting server raises; each is worth another try with a new connection.
UNREACHABLE = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.TooManyConnectionsError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.DiskFullError,
    asyncpg.QueryCanceledError,
    asyncpg.LockNotAvailableError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
# The slower loops, and a token refresh or two that wait for a provider.
CONTROL_CONNECTIONS = 4
# Claims of three queues, and settling.
WORK_CONNECTIONS = 4
# Claims and settles are planned once for all sizes of the tables they work on, and always by index: a plan for the
# parameters at hand costs more than the claim of a job, and one that was made while a table was small would read all of
# it for each job of a burst that comes later. A test holds them to their indexes.
WORK_SETTINGS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off"}
# How long a transaction of the engine may stand still before the server ends it. None waits for anything but the
# server, so one that does is of a process that is paused or blocked, and its locks keep the others from working.
STILL_MILLISECONDS = 3_000
# A job that waits this long for a connection of the plugins' pool is tried again instead.
ACQUIRE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How a PostgreSQL server is reached.

    Args:
        dsn: With its password; never logged. It may name several hosts, of which one is the primary.
        listen_dsn: A direct address for LISTEN when `dsn` leads through a pooler.
        statement_cache: Off behind PgBouncer in transaction mode, where a session has no settings of its own either.
        statement_timeout_seconds: Of one statement, the time to give it up included.
        primary: Which host is the primary, as this process knows.
        door: Paces new connections.
    """

    dsn: str
    listen_dsn: str | None = None
    pool_max: int = 10
    connect_timeout_seconds: float = 10.0
    statement_timeout_seconds: float = 10.0
    statement_cache: bool = True
    primary: Primary = field(default_factory=Primary, compare=False, repr=False)
    door: Door = field(default_factory=Door, compare=False, repr=False)

    def connect_arguments(self, application_name: str) -> dict[str, Any]:
        """The keyword arguments for asyncpg that hold for every connection.

        The server ends a statement by itself a little earlier than the client gives up on it, so that a cut link
        leaves nothing running. A pooler of transactions refuses such settings: the role must have them there.
        """
        milliseconds = int(self.statement_timeout_seconds * 800)
        bounds = {
            "statement_timeout": str(milliseconds),
            "lock_timeout": str(min(milliseconds, 5000)),
            "idle_in_transaction_session_timeout": "60000",
            "jit": "off",
            **SERVER_SETTINGS,
        }
        return {
            "dsn": self.dsn,
            "timeout": self.connect_timeout_seconds,
            "command_timeout": self.statement_timeout_seconds * 0.9,
            "statement_cache_size": 1024 if self.statement_cache else 0,
            "server_settings": {"application_name": application_name, **(bounds if self.statement_cache else {})},
        }

    async def let_in(self, dsn: str, **arguments: Any) -> Session:  # noqa: ANN401 - of the door and asyncpg
        """A connection to the primary, when it is our turn."""
        connection: Session = await self.door.through(self.primary.connect, dsn, **arguments)
        probe_link(connection)
        return connection


@dataclass(frozen=True, slots=True)
class Pools:
    """The open pools of a daemon."""

    server: Server
    work: Pool
    control: Pool
    plugins: Pool

    async def renew(self) -> None:
        """Let no connection that is open now be taken from a pool again."""
        for pool in (self.work, self.control, self.plugins):
            await pool.expire_connections()


async def connect(server: Server, name: str, *, is_direct: bool = False, rank: Rank = Rank.MORE) -> Session:
    """One connection outside the pools.

    Args:
        server: The server.
        name: Shown in pg_stat_activity.
        is_direct: Use `listen_dsn` where there is one.
        rank: Whom it has to let go first while connections are paced.

    Raises:
        UnreachableError: The server does not answer, or refuses us.
    """
    arguments = server.connect_arguments(name)
    if is_direct and server.listen_dsn is not None:
        arguments["dsn"] = server.listen_dsn
    try:
        connection = await server.let_in(**arguments, rank=rank)
    except (*UNREACHABLE, asyncpg.PostgresError, ValueError) as error:
        raise UnreachableError(
            f"PostgreSQL cannot be reached: {_reason(error)}.",
            hint="Check database.dsn, or leave it out to use the embedded server.",
        ) from error
    await set_bytes_codec(connection)
    return connection


async def is_pooled(connection: Connection) -> bool:
    """Whether a pooler stands in between: it gives a client another process id than that of the server's session."""
    return bool(await connection.fetchval(_SQL.backend_pid) != connection.get_server_pid())


@contextlib.asynccontextmanager
async def open_pools(
    server: Server, *, control_max: int = CONTROL_CONNECTIONS, is_probed: bool = True
) -> AsyncIterator[Pools]:
    """Open the three pools; on leaving, waits 3 s for what is out and then cuts it.

    Args:
        server: The server.
        control_max: Connections of the control pool.
        is_probed: Connect once to see that it answers; else nothing connects before the first statement.

    Raises:
        UnreachableError: The server does not answer, or refuses us.
    """
    if is_probed:
        probe = await connect(server, "crmd probe")
        await probe.close(timeout=server.connect_timeout_seconds)
    still = {"idle_in_transaction_session_timeout": str(STILL_MILLISECONDS)}
    async with contextlib.AsyncExitStack() as leaving:

        async def opened(name: str, size: int, rank: Rank, *how: Any) -> BoundedPool:  # noqa: ANN401 - as of _open_pool
            pool = await _open_pool(server, name, size, rank, *how)
            leaving.push_async_callback(pool.leave)
            return pool

        engine = set_bytes_codec, _leave_as_it_is
        pools = Pools(
            server,
            work=await opened("crmd work", WORK_CONNECTIONS, Rank.FIRST, *engine, still | WORK_SETTINGS),
            control=await opened("crmd control", control_max, Rank.FIRST, *engine, still),
            plugins=await opened("crmd plugins", server.pool_max, Rank.JOBS, set_object_codec),
        )
        with server.primary.watched(partial(_renew_soon, pools.renew, asyncio.get_running_loop())):
            yield pools


@contextlib.asynccontextmanager
async def open_one_pool(server: Server, name: str, size: int) -> AsyncIterator[Pool]:
    """A further pool, whose JSON columns are plain objects; nothing is left behind in its sessions by who uses it."""
    pool = await _open_pool(server, name, size, Rank.MORE, set_object_codec, reset=_leave_as_it_is)
    try:
        with server.primary.watched(partial(_renew_soon, pool.expire_connections, asyncio.get_running_loop())):
            yield pool
    finally:
        await pool.leave()


async def _open_pool(
    server: Server,
    name: str,
    size: int,
    rank: Rank,
    init: Callable[[Connection], Any],
    reset: Callable[[Connection], Any] | None = None,
    settings: Mapping[str, str] | None = None,
) -> BoundedPool:
    bounds = {**server.connect_arguments(name), "release_seconds": server.statement_timeout_seconds * 0.1}
    bounds["is_paced"] = lambda: server.door.is_paced
    if server.statement_cache:  # a pooler of transactions refuses settings of a session
        bounds["server_settings"] |= settings or {}
    if rank is Rank.JOBS:  # a job waits longer than a loop, which comes again
        bounds["acquire_seconds"] = ACQUIRE_SECONDS
    bounds["connect"] = partial(server.let_in, rank=rank)
    bounds["connect_more"] = partial(server.let_in, rank=max(rank, Rank.MORE))
    return await BoundedPool(**bounds, min_size=0, max_size=size, init=init, reset=reset).opened()


def _renew_soon(renew: Callable[[], Coroutine[Any, Any, None]], loop: asyncio.AbstractEventLoop) -> None:
    """In the loop of the pools, from whichever thread."""
    asyncio.run_coroutine_threadsafe(renew(), loop)


async def _leave_as_it_is(_connection: Connection) -> None:
    """The engine's own statements leave nothing behind in a session, so its connections need no round trip to reset."""


def _reason(error: BaseException) -> str:
    """A sentence without the address's password: classes and codes are ours to show, values are not."""
    if isinstance(error, asyncpg.PostgresError):
        return str(error).partition("\n")[0]
    if isinstance(error, ValueError):
        return "the address is not a PostgreSQL URL"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return "only standbys answer, and no primary"
    return str(error.strerror or error) if isinstance(error, OSError) else type(error).__name__
