"""PostgreSQL parameters of the embedded server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

DURABLE: Mapping[str, str] = {
    # a small VM that the daemon shares with the server
    "shared_buffers": "128MB",
    "effective_cache_size": "512MB",
    "max_connections": "100",
    "jit": "off",
    "random_page_cost": "1.1",
    # job rows come and go fast: vacuum often, spread the checkpoints
    "autovacuum_naptime": "15s",
    "max_wal_size": "512MB",
    # the log is for faults of the server; statements and details would hold customers' values
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
    "cluster_name": "crmd",
}
"""For real data."""

THROWAWAY: Mapping[str, str] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_wal_size": "1GB",
    "autovacuum_naptime": "60s",
}
"""Over `DURABLE`, for tests and demonstrations: a crash of the machine may destroy the data."""

_OURS = {"listen_addresses", "unix_socket_directories", "unix_socket_permissions", "port", "logging_collector"}


def command_line(socket_dir: str, settings: Mapping[str, str]) -> list[str]:
    """`-c name=value` for the server; the operator's settings win, except where the supervisor relies on its own.

    Raises:
        ConfigError: `settings` names a parameter that the supervisor must set itself.
    """
    refused = sorted(_OURS & settings.keys())
    if refused:
        raise ConfigError(
            f"The embedded server's {', '.join(refused)} cannot be set.",
            hint="Remove it from [embedded], or set database.dsn to a server of your own.",
        )
    ours = {
        "listen_addresses": "",
        "unix_socket_directories": socket_dir,
        "unix_socket_permissions": "0700",
        "logging_collector": "off",
    }
    return [part for name, value in {**DURABLE, **settings, **ours}.items() for part in ("-c", f"{name}={value}")]
