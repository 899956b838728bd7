"""`crmd init`: a crmd.toml that tells of every setting, all commented out."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.cli.screen import say, show_record
from crmd.config.showing import documented
from crmd.errors import CrmdError, ExitCode

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.showing import SettingDoc

HEAD = """\
# crmd.toml: every setting with its default. Nothing in it is needed: without a file, crmd runs on an embedded
# PostgreSQL with the built-in plugins. To change a setting, take the `#` away before it and before its [table].
# `crmd check` names every mistake with its line; `crmd config show --origin` tells what has set each key.
# Every key can also be given as a variable: CRMD__SECTION__KEY=value.
"""
OWNER_ONLY = 0o600


def run(arguments: Namespace) -> int:
    """Write the file; one that is there is only replaced by force."""
    path = Path(arguments.path)
    try:
        with path.open("w" if arguments.force else "x", encoding="utf-8") as file:
            path.chmod(OWNER_ONLY)
            file.write(text())
    except FileExistsError:
        raise CrmdError(f"{path} is there already.", hint="Name another place, or replace it with --force.") from None
    except OSError as error:
        raise CrmdError(f"{path} cannot be written: {error.strerror}.", hint="Name another place.") from None
    show_record({"written": str(path)}, is_json=arguments.is_json)
    say("For a PostgreSQL of your own: set database.dsn, and make a master key for the tokens of connections with")
    say("  head -c 32 /dev/urandom | base64 > master.key && chmod 600 master.key     (vault.master_key_path)")
    say(f"Next: crmd check --config {path}, then crmd run")
    return ExitCode.OK


def text() -> str:
    """The file."""
    tables = groupby(documented(), key=lambda setting: setting.key.rpartition(".")[0])
    return HEAD + "".join(_table(name, list(settings)) for name, settings in tables)


def _table(name: str, settings: list[SettingDoc]) -> str:
    shown = name.replace(".<name>", ".NAME")
    lines = [f"\n#[{shown}]"]
    for setting in settings:
        key = setting.key.rpartition(".")[2]
        value = '""' if setting.default in {"none", "required"} else setting.default
        remark = " (no default)" if setting.default in {"none", "required"} else ""
        lines += [f"# {setting.meaning}{remark}", f"#{key} = {value}"]
    return "\n".join(lines) + "\n"
