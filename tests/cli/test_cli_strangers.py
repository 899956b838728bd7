"""A package that slipped in beside the installed ones: whatever is run, nothing of it is imported."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from fleet import install_plugin

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

pytestmark = pytest.mark.slow
COMMANDS = (("check",), ("doctor",), ("run-once", "trial-talk"))


def test_no_stranger_is_imported(crmd_process: Run, environment: dict[str, str], tmp_path: Path) -> None:
    """An entry point that is dropped into site-packages is named as off; its module never runs, by any command."""
    site, mark = tmp_path / "site", tmp_path / "it-ran"
    install_plugin(site, "aaa_stranger", "aaa_stranger")
    (site / "aaa_stranger.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n", "utf-8")
    environment["PYTHONPATH"] = os.pathsep.join([str(site), environment["PYTHONPATH"]])
    for words in COMMANDS:
        crmd_process(*words)
        assert not mark.exists(), words
    del environment["CRMD__PLUGINS__ENABLED"]  # the built-in ones
    listed = {row["name"]: row["state"] for row in crmd_process("plugins", "list", "--json").json}
    assert (listed["aaa_stranger"], mark.exists()) == ("off", False)
    environment["CRMD__PLUGINS__ENABLED"] = "aaa_stranger"
    crmd_process("plugins", "list")
    assert mark.exists()
