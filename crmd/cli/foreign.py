"""Commands that plugins add. Plugins are loaded for them only when a command is asked for that is none of ours."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

import pluggy

from crmd import hookspecs
from crmd.cli.grammar import commands_of, first_reading
from crmd.cli.session import configured
from crmd.errors import UsageError
from crmd.loaded import load_plugins

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.cli.grammar import Parser


def add_commands(parser: Parser, words: Sequence[str], command: str) -> None:
    """Let the loaded plugins add their commands.

    Raises:
        UsageError: None of them adds `command`.
    """
    commands = commands_of(parser)
    for plugin in load_plugins(configured(first_reading(words))).registry.plugins:
        hooks = pluggy.PluginManager(hookspecs.PROJECT)
        hooks.add_hookspecs(hookspecs)
        hooks.register(plugin.module, plugin.name)
        hooks.hook.crmd_commands(subparsers=commands)
    if command in commands.choices:
        return
    near = difflib.get_close_matches(command, commands.choices, n=1)
    hint = f"Did you mean `crmd {near[0]}`?" if near else "`crmd --help` lists the commands."
    raise UsageError(f"There is no command {command!r}.", hint=hint)
