"""Puts the parts together from a configuration: the database, the plugins, and what their jobs share."""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

import crmd
from crmd import plugins
from crmd.blueprint import blueprints
from crmd.due import read_timetable
from crmd.engine.abandoning import Abandoned
from crmd.engine.hosts import Hosts
from crmd.engine.options import EngineOptions
from crmd.engine.placing import Places
from crmd.engine.services import Services
from crmd.engine.threads import Threads
from crmd.engine.upkeep import Keep
from crmd.errors import CrmdError
from crmd.events.timing import timed
from crmd.http.client import GuardedClient
from crmd.http.limiter import Limiter
from crmd.loaded import Loaded, without
from crmd.overriding import keys_of
from crmd.providing import connections_of, known_plugins, providers_of, rates_of, vault_of
from crmd.reaching import reached
from crmd.store import app_role, declarations, events
from crmd.store.migrate import migrate, read_migrations
from crmd.store.pools import Pools, open_pools
from crmd.store.queries import load_queries
from crmd.webhooks.sender import Sender, with_sender

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from datetime import datetime

    from crmd.config.loading import Config
    from crmd.connections.provider import Provider
    from crmd.connections.vault import Vault
    from crmd.job_type import JobType
    from crmd.store.pools import Connection
    from crmd.tally import Tally

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
        entries: As for `known_plugins`.

    Raises:
        CrmdError: What is wrong, in one sentence.
    """
    loaded = known_plugins(config, entries)
    async with reached(config, is_daemon=is_daemon) as server, open_pools(server) as pools:
        loaded = await prepare(pools, config, loaded)
        async with working(config, loaded, pools) as everything:
            if entries is not None:  # a module at hand is out of reach for another process
                yield everything
                return
            places = everything.services.places = places_of(everything)
            places.place(everything.services)
            try:
                yield everything
            finally:
                places.close()


@contextlib.asynccontextmanager
async def beside(before: Opened) -> AsyncIterator[Opened]:
    """The same once more, with pools and clients of its own: for another event loop, as a second daemon has it."""
    shared = before.services
    async with (
        open_pools(before.pools.server, is_probed=False) as pools,
        working(
            before.config, before.loaded, pools, is_role_changed=shared.is_role_changed, tally=shared.tally
        ) as everything,
    ):
        yield everything


@contextlib.asynccontextmanager
async def working(
    config: Config,
    loaded: Loaded,
    pools: Pools,
    *,
    providers: Mapping[str, Provider] | None = None,
    is_role_changed: bool | None = None,
    tally: Tally | None = None,
) -> AsyncIterator[Opened]:
    """What jobs share, over pools that are open.

    Args:
        config: The configuration.
        loaded: The plugins.
        pools: The pools.
        providers: With the addresses of the configuration; None: those of the plugins.
        is_role_changed: As in `Services`; None: the database is asked.
        tally: Of the daemon that this is another part of; None: one of its own.
    """
    async with GuardedClient("none") as provider_http, GuardedClient("public") as public_http:
        limiter, vault = Limiter(pools.control, tally=tally), vault_of(config)
        known = providers_of(config, loaded.registry) if providers is None else providers
        sender = Sender(pools.control, vault=vault, http=public_http, limiter=limiter, settings=config.webhooks)
        services = Services(
            pools=pools,
            job_types=with_sender(loaded.job_types, sender),
            settings=loaded.settings,
            connections=connections_of(config, known, pools, provider_http, limiter, vault),
            http=public_http,
            limiter=limiter,
            rates=rates_of(config),
            versions=loaded.registry.versions,
            is_role_changed=await app_role.is_needed(pools.control) if is_role_changed is None else is_role_changed,
            sync_handlers=timed(loaded.registry.sync_handlers, limiter.tally),
            projections=loaded.registry.projections,
            registry=loaded.registry,
            tally=limiter.tally,
            webhooks=sender,
        )
        yield Opened(config, loaded, services, vault, provider_http)


async def renewed(before: Opened, config: Config, loaded: Loaded) -> Opened:
    """Migrate and declare for another configuration, and let the jobs that begin from now on work by it.

    Raises:
        CrmdError: A migration of the core failed; everything is as it was.
    """
    loaded = await prepare(before.pools, config, loaded)
    services, registry = before.services, loaded.registry
    services.settings, services.rates = loaded.settings, rates_of(config)
    services.webhooks.settings, services.registry = config.webhooks, registry
    services.job_types = with_sender(loaded.job_types, services.webhooks)
    services.sync_handlers = timed(registry.sync_handlers, services.tally)
    services.projections, services.versions = registry.projections, registry.versions
    services.connections = connections_of(
        config, providers_of(config, registry), before.pools, before.provider_http, services.limiter, before.vault
    )
    after = dataclasses.replace(before, config=config, loaded=loaded)
    if services.places is not None:
        services.places.renew(blueprints(config, services, loaded.registry), _beside(after))
        services.places.place(services)
    return after


def places_of(everything: Opened) -> Places:
    """Threads and processes for the jobs that do not run in the loop; none is started before a job needs it."""
    services = everything.services
    blame = services.blame
    abandoned = Abandoned(blame)
    return Places(
        Hosts(blueprints(everything.config, services, everything.loaded.registry), blame),
        Threads(_beside(everything), abandoned),
        abandoned,
        blame,
    )


def _beside(everything: Opened) -> Callable[[], AbstractAsyncContextManager[Services]]:
    @contextlib.asynccontextmanager
    async def services() -> AsyncIterator[Services]:
        async with beside(everything) as other:
            yield other.services

    return services


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
                await events.check_conditions(connection, plugin.job_types)
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
    names = [plugin.name for plugin in loaded.registry.plugins]
    await declarations.declare(connection, names, declared, loaded.registry.projections)


def _first_tick(job_type: JobType, now: datetime) -> datetime | None:
    if job_type.schedule is None:
        return None
    schedule, schedule_id = job_type.schedule, f"{job_type.plugin}/{job_type.name}"
    return read_timetable(schedule.expression, schedule.timezone, spread_id=schedule_id).next_after(now)


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
        keep=Keep(**msgspec.structs.asdict(config.retention)),
        local_limits=tuple(local),
    )
