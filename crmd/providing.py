"""What jobs need of a configuration to reach others: limits, providers, connections and the vault of their secrets."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from crmd.connections.master_key import load_keys
from crmd.connections.opening import Connections
from crmd.connections.provider import ClientCredentials, with_endpoints
from crmd.connections.vault import Vault
from crmd.errors import ConfigError
from crmd.http.limiter import Rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.config.loading import Config
    from crmd.connections.provider import Provider
    from crmd.http.client import GuardedClient
    from crmd.http.limiter import Limiter
    from crmd.registry import Registry
    from crmd.store.pools import Pools


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
