"""Commands that plugins add. Plugins are loaded for them only when a command is asked for that is none of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from crmd import hookspecs
from crmd.cli.asking import no_such
from crmd.cli.grammar import commands_of, first_reading
from crmd.cli.session import configured
from crmd.errors import ConfigError
from crmd.loaded import load_plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.cli.grammar import Parser
    from crmd.registry import Plugin


def add_commands(parser: Parser, words: Sequence[str], command: str) -> None:
    """Let the loaded plugins add their commands.

    Raises:
        UsageError: None of them adds `command`.
    """
    commands = commands_of(parser)
    for plugin in _plugins(words):
        hooks = pluggy.PluginManager(hookspecs.PROJECT)
        hooks.add_hookspecs(hookspecs)
        hooks.register(plugin.module, plugin.name)
        hooks.hook.crmd_commands(subparsers=commands)
    if command in commands.choices:
        return
    raise no_such("command", command, commands.choices, "`crmd --help` lists the commands.")


def _plugins(words: Sequence[str]) -> tuple[Plugin, ...]:
    """The loaded plugins; none while the configuration is wrong, since a mistyped command is the nearer fault."""
    try:
        return load_plugins(configured(first_reading(words))).registry.plugins
    except ConfigError:
        return ()
