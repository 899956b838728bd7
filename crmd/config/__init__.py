"""The configuration of one daemon: found, merged from its layers, checked and typed.

`load_config` is for starting, `check_config` lists every problem, `shown` tells which place set each key.
"""

from __future__ import annotations

from crmd.config.loading import Config, check_config, load_config
from crmd.config.search import find_config_file
from crmd.config.settings import (
    ConcurrencyRule,
    Daemon,
    Database,
    JobOverride,
    Log,
    Plugins,
    Provider,
    Queue,
    RateLimit,
    Retention,
    Vault,
    Webhooks,
)
from crmd.config.showing import SettingDoc, Shown, documented, shown
from crmd.config.validation import Problem, Table, check_table, unknown_name

__all__ = [
    "ConcurrencyRule",
    "Config",
    "Daemon",
    "Database",
    "JobOverride",
    "Log",
    "Plugins",
    "Problem",
    "Provider",
    "Queue",
    "RateLimit",
    "Retention",
    "SettingDoc",
    "Shown",
    "Table",
    "Vault",
    "Webhooks",
    "check_config",
    "check_table",
    "documented",
    "find_config_file",
    "load_config",
    "shown",
    "unknown_name",
]
