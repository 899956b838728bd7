"""`crmd plugins`: what is loaded and what is broken, and the beginning of a new one."""

from __future__ import annotations

import keyword
import re
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import crmd
from crmd.cli.blamed import accounts_of, trouble, with_account
from crmd.cli.screen import emit_json, say, show_record, show_rows
from crmd.cli.session import configured, log_quietly
from crmd.errors import CrmdError, ExitCode, UsageError
from crmd.loaded import load_plugins
from crmd.plugins import installed

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping

    from crmd.job_type import JobType
    from crmd.registry import Plugin

COLUMNS = {
    "name": "plugin",
    "distribution": "version",
    "state": "state",
    "job_types": "job types",
    "trouble": "trouble in 7 days",
    "reason": "reason",
}
NAME = re.compile(r"[a-z][a-z0-9]{0,30}(-[a-z0-9]{1,30}){0,5}", re.ASCII)


def listed(arguments: Namespace) -> int:
    """List the enabled plugins, and those that are installed but not enabled."""
    log_quietly(arguments)
    config = configured(arguments)
    registry = load_plugins(config).registry
    rows: list[dict[str, Any]] = [_loaded(plugin) for plugin in registry.plugins]
    rows += [
        {
            "name": broken.name,
            "distribution": broken.distribution,
            "state": "broken",
            "job_types": [],
            "reason": broken.reason,
        }
        for broken in registry.broken
    ]
    idle = sorted(set(installed()) - set(config.plugins.enabled))
    reason = "installed; add it to plugins.enabled"
    rows += [{"name": name, "distribution": None, "state": "off", "job_types": [], "reason": reason} for name in idle]
    accounts = accounts_of(config)
    rows = [with_account(row, accounts.get(row["name"])) for row in rows]
    if arguments.is_json:
        emit_json(rows)
    else:
        shown = [{**row, "job_types": _names(row["job_types"]), "trouble": trouble(row["blame"])} for row in rows]
        show_rows(shown, COLUMNS, is_json=False)
    return ExitCode.OK


def new(arguments: Namespace) -> int:
    """Write a new plugin that works, with a test that passes."""
    name: str = arguments.name
    _check_name(name)
    folder = Path(arguments.dir) / f"crmd-{name}"
    if folder.exists():
        raise CrmdError(f"{folder} is there already.", hint="Choose another name, or another --dir.")
    package = f"crmd_{name.replace('-', '_')}"
    words = {"name": name, "package": package, "function": name.replace("-", "_"), "version": crmd.__version__}
    try:
        for target, text in _files(words).items():
            path = folder / target
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
    except OSError as error:
        raise CrmdError(f"{folder} cannot be written: {error.strerror}.", hint="Choose another --dir.") from None
    show_record({"plugin": name, "folder": str(folder)}, is_json=arguments.is_json)
    say(f"Next: pip install --editable {folder} && pytest {folder} && crmd plugin check {folder}")
    say(f'Then add "{name}" to plugins.enabled in crmd.toml, and: crmd run-once {name}')
    return ExitCode.OK


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or keyword.iskeyword(name):
        raise UsageError(
            f"{name!r} is no name for a plugin.", hint="Use lower case, digits and single dashes, as lead-scoring."
        )
    if name in installed():
        raise UsageError(f"There is a plugin {name!r} already.", hint="Choose another name.")


def _files(words: Mapping[str, str]) -> dict[str, str]:
    """The files of a new plugin, by their path."""
    places = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "module.py": f"{words['package']}/__init__.py",
        "typed": f"{words['package']}/py.typed",
        "test.py": f"tests/test_{words['function']}.py",
    }
    folder = resources.files("crmd.cli") / "plugin_template"
    return {
        target: Template((folder / f"{source}.tmpl").read_text("utf-8")).substitute(words)
        for source, target in places.items()
    }


def _loaded(plugin: Plugin) -> dict[str, Any]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "state": "loaded",
        "job_types": [_as_record(job_type) for job_type in plugin.job_types],
        "reason": None,
    }


def _as_record(job_type: JobType) -> dict[str, Any]:
    return {
        "name": job_type.name,
        "aliases": job_type.aliases,
        "description": job_type.description.partition("\n")[0],
        "queue": job_type.queue,
        "schedule": None if job_type.schedule is None else job_type.schedule.expression,
        "payload": job_type.payload_fields(),
    }


def _names(job_types: list[dict[str, Any]]) -> str:
    return ", ".join(job_type["name"] for job_type in job_types)
