"""`crmd config show`: every setting in force, and where it comes from."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from crmd.cli.screen import show_rows
from crmd.cli.session import configured
from crmd.config.showing import shown
from crmd.config.written import as_toml
from crmd.errors import ExitCode

if TYPE_CHECKING:
    from argparse import Namespace


def show(arguments: Namespace) -> int:
    """Show them; secrets are masked, or left out of a file to keep."""
    if arguments.toml:
        sys.stdout.write(as_toml(configured(arguments)))
        return ExitCode.OK
    columns = {"key": "key", "value": "value"}
    if arguments.origin:
        columns["origin"] = "origin"
    show_rows([asdict(line) for line in shown(configured(arguments))], columns, is_json=arguments.is_json)
    return ExitCode.OK
