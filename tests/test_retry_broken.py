"""A plugin that cannot be used at first is tried again, and works as soon as its fault is gone."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import anyio
import pytest
from fleet import install_plugin

from crmd import daemon as daemon_module
from crmd.config.settings import Plugins
from crmd.daemon import Daemon
from crmd.store import jobs

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.composition import Opened
    from crmd.config.loading import Config
    from crmd.engine.engine import Engine

GOOD = """
import crmd

@crmd.job("mended", queue="fast")
async def mended(ctx: crmd.Context) -> str:
    return "works"
"""


@pytest.mark.crmd_plugins
async def test_a_broken_plugin_is_tried_again(
    crmd_config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin that raises at import is loaded once it no longer does, with no signal and no restart."""
    module = tmp_path / "site" / "limping_plugin.py"
    install_plugin(tmp_path / "site", "limping", "limping_plugin")
    module.write_text("raise RuntimeError('not yet')\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setattr(daemon_module, "RETRY_FIRST_SECONDS", 0.05)
    config = replace(crmd_config, plugins=Plugins(enabled=("limping",)))
    seen: list[str] = []

    async def beside(everything: Opened, engine: Engine) -> None:
        seen.extend(broken.reason for broken in everything.loaded.registry.broken)
        module.write_text(GOOD)
        with anyio.fail_after(30):
            while "mended" not in everything.services.job_types:  # noqa: ASYNC110 - the daemon's own loop mends it
                await anyio.sleep(0.05)
            pool = everything.pools.control
            [job] = await jobs.enqueue_many(pool, jobs.NewJobs(type="mended", payloads=[b"{}"]))
            while engine.settled_count == 0:  # noqa: ASYNC110 - the daemon runs it
                await anyio.sleep(0.05)
            row = await jobs.show(pool, job.id)
        assert row is not None
        seen.append(row["result"].decode())

    await Daemon(lambda: config, os.environ, beside).run()
    assert "not yet" in seen[0]
    assert seen[1] == '"works"'
