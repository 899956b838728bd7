"""`crmd check`: every problem of the configuration and the plugins, each with its place."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.api.address import address_of
from crmd.cli.screen import say, show_rows
from crmd.cli.session import log_quietly, overrides_of
from crmd.config.loading import check_config
from crmd.errors import ConfigError, ExitCode
from crmd.loaded import check_names, load_plugins

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config

COLUMNS = {"where": "where", "problem": "problem"}


def run(arguments: Namespace) -> int:
    """Check, and list what is wrong."""
    log_quietly(arguments)
    path = None if arguments.config is None else Path(arguments.config)
    config, problems = check_config(path, os.environ, overrides_of(arguments))
    rows = [{"where": problem.where, "problem": problem.sentence} for problem in problems]
    if config is not None:
        rows += [*_problems_of_api(config), *_problems_of_plugins(config)]
    place = str(config.path) if config is not None and config.path is not None else "the built-in settings"
    show_rows(rows, COLUMNS, is_json=arguments.is_json, empty=f"All is well with {place}.")
    if rows:
        say(f"crmd: {len(rows)} to mend.")
    return ExitCode.CONFIG if rows else ExitCode.OK


def _problems_of_api(config: Config) -> list[dict[str, str]]:
    try:
        address_of(config.api)
    except ConfigError as error:
        return [{"where": _place(config, "api.listen"), "problem": str(error)}]
    return []


def _problems_of_plugins(config: Config) -> list[dict[str, str]]:
    loaded = load_plugins(config)
    rows = [{"where": f"plugin {broken.name}", "problem": broken.reason} for broken in loaded.registry.broken]
    for sentence in check_names(config, loaded):
        key, _, problem = sentence.partition(": ")
        rows.append({"where": _place(config, key), "problem": problem})
    return rows


def _place(config: Config, key: str) -> str:
    """Where the table of that name was given."""
    path = tuple(key.split("."))
    found = [entry.origin for given, entry in config.entries.items() if given[: len(path)] == path]
    return found[0] if found else key
