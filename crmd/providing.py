"""What jobs need of a configuration to reach others: limits, providers, connections and the vault of their secrets."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import TYPE_CHECKING

from crmd.connections.master_key import load_keys
from crmd.connections.opening import Connections
from crmd.connections.provider import ClientCredentials, with_endpoints
from crmd.connections.vault import Vault, payload_place
from crmd.errors import ConfigError
from crmd.http.limiter import Rate
from crmd.loaded import load_plugins
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.config.loading import Config
    from crmd.connections.provider import Provider
    from crmd.http.client import GuardedClient
    from crmd.http.limiter import Limiter
    from crmd.loaded import Loaded
    from crmd.plugins import Entry
    from crmd.registry import Registry
    from crmd.store.pools import Pools


class _VaultSeal:
    """Seals payloads with the vault of a configuration; keys are read when the first payload is."""

    def __init__(self, config: Config) -> None:
        self._vault = cache(lambda: vault_of(config))

    def close(self, job_type: str, payload: bytes) -> str:
        """See `crmd.payload_seal.PayloadSeal`."""
        return self._vault().seal(payload_place(job_type), Secret(payload.decode()))

    def open(self, job_type: str, sealed: str) -> bytes:
        """See `crmd.payload_seal.PayloadSeal`."""
        return self._vault().unseal(payload_place(job_type), sealed).reveal().encode()


def known_plugins(config: Config, entries: Mapping[str, Entry] | None = None) -> Loaded:
    """The plugins of a configuration, as `load_plugins` gives them, able to seal and open payloads."""
    loaded = load_plugins(config, entries)
    seal = _VaultSeal(config)
    job_types = {
        name: dataclasses.replace(job_type, seal=seal) if job_type.is_payload_sealed else job_type
        for name, job_type in loaded.job_types.items()
    }
    return dataclasses.replace(loaded, job_types=job_types)


def rates_of(config: Config) -> dict[str, Rate]:
    """The limits of the configuration."""
    return {name: Rate(limit.units, limit.per_seconds, limit.burst) for name, limit in config.limits.items()}


def providers_of(config: Config, registry: Registry) -> dict[str, Provider]:
    """The providers of the plugins, with the addresses of the configuration."""
    found = dict(registry.providers)
    for name, given in config.providers.items():
        if name in found:
            urls = {field: getattr(given, field) for field in dataclasses.asdict(found[name]) if field.endswith("_url")}
            found[name] = with_endpoints(found[name], urls)
    return found


def connections_of(
    config: Config,
    providers: Mapping[str, Provider],
    pools: Pools,
    http: GuardedClient,
    limiter: Limiter,
    vault: Vault,
) -> Connections:
    """The connections, as jobs reach them."""
    credentials = {
        name: ClientCredentials(given.client_id, given.client_secret)
        for name, given in config.providers.items()
        if given.client_id is not None
    }
    return Connections(
        pools.control,
        http=http,
        vault=vault,
        limiter=limiter,
        providers=providers,
        credentials=credentials,
        rates=rates_of(config),  # [limits.<provider>] takes the place of what the plugin declares
    )


def vault_of(config: Config) -> Vault:
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
