"""`crmd run`: the daemon."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from crmd.cli.session import configured, in_loop
from crmd.daemon import Daemon
from crmd.errors import ConfigError, ExitCode, PluginError
from crmd.loaded import check_names, load_plugins
from crmd.log.setup import configure_logging

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config


def run(arguments: Namespace) -> int:
    """Serve until a signal asks to stop."""
    config = configured(arguments)
    configure_logging(config.log.format, config.log.level, os.environ, sys.stderr)
    _check_start(config)

    async def serve() -> None:
        await Daemon(lambda: configured(arguments), os.environ).run()

    in_loop(config, serve)
    return ExitCode.OK


def _check_start(config: Config) -> None:
    """What keeps the daemon from starting. A broken plugin does only if the operator says so: the others go on."""
    loaded = load_plugins(config)
    broken = loaded.registry.broken
    if broken and config.plugins.on_start_error == "fatal":
        sentences = "; ".join(f"{plugin.name}: {plugin.reason}" for plugin in broken)
        raise PluginError(f"A plugin cannot be used: {sentences}", hint="plugins.on_start_error is fatal.")
    wrong = check_names(config, loaded)
    if wrong and not broken:
        raise ConfigError("\n".join(wrong), hint="Mend it and try again; `crmd plugins` lists the names.")
