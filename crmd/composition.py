"""Puts the parts together from a configuration: the database, the plugins, and what their jobs share."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import crmd
from crmd import plugins
from crmd.connections.master_key import load_keys
from crmd.connections.opening import Connections
from crmd.connections.provider import ClientCredentials, with_endpoints
from crmd.connections.vault import Vault
from crmd.due import read_timetable
from crmd.engine.options import EngineOptions
from crmd.engine.services import Services
from crmd.engine.upkeep import Keep
from crmd.errors import ConfigError, CrmdError
from crmd.http.client import GuardedClient
from crmd.http.limiter import Limiter, Rate
from crmd.loaded import Loaded, load_plugins, without
from crmd.overriding import keys_of
from crmd.reaching import reached
from crmd.store import declarations
from crmd.store.migrate import migrate, read_migrations
from crmd.store.pools import Pools, open_pools
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from datetime import datetime

    from crmd.config.loading import Config
    from crmd.job_type import JobType
    from crmd.store.pools import Connection

_SQL = load_queries("crmd.store")


@dataclass(frozen=True, slots=True)
class Opened:
    """All that a daemon or a command works with."""

    config: Config
    loaded: Loaded
    services: Services
    vault: Vault
    provider_http: GuardedClient

    @property
    def pools(self) -> Pools:
        """The pools."""
        return self.services.pools


@contextlib.asynccontextmanager
async def opened(
    config: Config, *, is_daemon: bool = False, entries: Mapping[str, plugins.Entry] | None = None
) -> AsyncIterator[Opened]:
    """Everything, ready to work: the database reached and migrated, plugins loaded and declared.

    Args:
        config: The configuration.
        is_daemon: As for `reached`.
        entries: As for `load_plugins`.

    Raises:
        CrmdError: What is wrong, in one sentence.
    """
    loaded = load_plugins(config, entries)
    async with reached(config, is_daemon=is_daemon) as server, open_pools(server) as pools:
        loaded = await prepare(pools, config, loaded)
        async with _working(config, loaded, pools) as everything:
            yield everything


@contextlib.asynccontextmanager
async def beside(before: Opened) -> AsyncIterator[Opened]:
    """The same once more, with pools and clients of its own: for another event loop, as a second daemon has it."""
    async with (
        open_pools(before.pools.server) as pools,
        _working(before.config, before.loaded, pools) as everything,
    ):
        yield everything


@contextlib.asynccontextmanager
async def _working(config: Config, loaded: Loaded, pools: Pools) -> AsyncIterator[Opened]:
    async with GuardedClient("none") as provider_http, GuardedClient("public") as public_http:
        limiter = Limiter(pools.control)
        vault = _vault(config)
        services = Services(
            pools=pools,
            job_types=loaded.job_types,
            settings=loaded.settings,
            connections=_connections(config, loaded, pools, provider_http, limiter, vault),
            http=public_http,
            limiter=limiter,
            rates=rates_of(config),
            is_role_changed=await _is_role_changed(pools),
        )
        yield Opened(config, loaded, services, vault, provider_http)


async def renewed(before: Opened, config: Config, loaded: Loaded) -> Opened:
    """Migrate and declare for another configuration, and let the jobs that begin from now on work by it.

    Raises:
        CrmdError: A migration of the core failed; everything is as it was.
    """
    loaded = await prepare(before.pools, config, loaded)
    services = before.services
    services.job_types, services.settings, services.rates = loaded.job_types, loaded.settings, rates_of(config)
    services.connections = _connections(
        config, loaded, before.pools, before.provider_http, services.limiter, before.vault
    )
    return dataclasses.replace(before, config=config, loaded=loaded)


async def prepare(pools: Pools, config: Config, loaded: Loaded) -> Loaded:
    """Migrate and declare. A plugin whose migration fails is broken; the others go on.

    Raises:
        CrmdError: A migration of the core failed.
    """
    async with pools.control.acquire() as connection:
        await migrate(connection, read_migrations("crmd", "crmd.store"))
        for plugin in loaded.registry.plugins:
            try:
                await migrate(connection, read_migrations(plugin.name, plugin.package))
            except CrmdError as error:
                loaded = without(loaded, plugin, str(error))
        await declare(connection, config, loaded)
    return loaded


async def declare(connection: Connection, config: Config, loaded: Loaded) -> None:
    """Write what the loaded plugins declare."""
    now = await declarations.clock(connection)
    declared = [
        declarations.Declared(job_type, keys_of(job_type, config.queues), _first_tick(job_type, now))
        for job_type in loaded.declared()
    ]
    await declarations.declare(connection, [plugin.name for plugin in loaded.registry.plugins], declared)


def _first_tick(job_type: JobType, now: datetime) -> datetime | None:
    if job_type.schedule is None:
        return None
    schedule_id = f"{job_type.plugin}/{job_type.name}"
    schedule = job_type.schedule
    return read_timetable(schedule.expression, schedule.timezone, spread_id=schedule_id).next_after(now)


def rates_of(config: Config) -> dict[str, Rate]:
    """The limits of the configuration."""
    return {name: Rate(limit.units, limit.per_seconds, limit.burst) for name, limit in config.limits.items()}


def engine_options(config: Config, loaded: Loaded) -> EngineOptions:
    """How the engine is to behave."""
    local = [
        (key.name, job_type.name, key.max)
        for job_type in loaded.declared()
        for key in keys_of(job_type, config.queues)
        if key.is_local and key.max is not None
    ]
    return EngineOptions(
        version=crmd.__version__,
        slots={name: queue.slots for name, queue in config.queues.items()},
        lease_seconds=config.daemon.lease_seconds,
        drain_seconds=config.daemon.drain_seconds,
        poll_max_seconds=config.daemon.poll_max_seconds,
        keep=Keep(config.retention.archive_days, config.retention.event_days, config.retention.tick_days),
        local_limits=tuple(local),
    )


def _connections(
    config: Config, loaded: Loaded, pools: Pools, http: GuardedClient, limiter: Limiter, vault: Vault
) -> Connections:
    providers: dict[str, Any] = {}
    credentials: dict[str, ClientCredentials] = {}
    for name, provider in loaded.registry.providers.items():
        given = config.providers.get(name)
        if given is None:
            providers[name] = provider
            continue
        urls = {field: getattr(given, field) for field in dataclasses.asdict(provider) if field.endswith("_url")}
        providers[name] = with_endpoints(provider, urls)
        if given.client_id is not None:
            credentials[name] = ClientCredentials(given.client_id, given.client_secret)
    return Connections(
        pools.control,
        http=http,
        vault=vault,
        limiter=limiter,
        providers=providers,
        credentials=credentials,
        rates=rates_of(config),  # [limits.<provider>] takes the place of what the plugin declares
    )


def _vault(config: Config) -> Vault:
    """The vault, or one that says what is missing when first needed: without connections no key is needed."""
    try:
        keys = load_keys(
            master_key=config.vault.master_key,
            master_key_path=config.vault.master_key_path,
            state_dir=config.state_dir,
            is_embedded=config.database.dsn is None,
        )
    except ConfigError as error:
        return Vault((), missing=error)
    return Vault(keys)


async def _is_role_changed(pools: Pools) -> bool:
    row = await pools.control.fetchrow(_SQL.app_role)
    if row is None or not row["is_above_policies"]:
        return False
    if not row["is_member"]:
        raise CrmdError(
            "The database role ignores row-level security, and the role crmd_app does not exist.",
            hint="Run `crmd migrate` as a role that may create roles, or use an ordinary role that owns the database.",
        )
    return True
