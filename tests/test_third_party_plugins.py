"""Plugins of strangers: good ones work, broken ones are named with their package, and the daemon goes on."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from fleet import install_plugin, running_fleet

from crmd import plugins
from crmd.config.settings import Plugins
from crmd.plugins import load
from crmd.testing import open_workbench

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.config.loading import Config
    from crmd.registry import Registry

GOOD = """
import crmd

@crmd.job("greet-often", schedule="every 1s", queue="fast")
async def greet_often(ctx: crmd.Context) -> str:
    return "hello"
"""
RAISING = "raise RuntimeError('no such thing here')"
EXITING = "import sys; sys.exit(3)"
MISSPELT = """
import crmd

@crmd.hookimpl
def crmd_setings():
    return None
"""
MISMARKED = MISSPELT.replace("crmd_setings", "crdm_settings")
STRANGE_ARGUMENT = MISSPELT.replace("crmd_setings()", "crmd_settings(world)")
DOUBLE = """
import crmd

@crmd.job("greet-often", queue="fast")
async def greet_too(ctx: crmd.Context) -> None:
    return None
"""
DOUBLE_ALIAS = DOUBLE.replace('"greet-often"', '"greet-seldom", aliases=("greet-often",)')
NEEDY = GOOD.replace("greet-often", "greet-needily") + "\ndef crmd_requires():\n    return ['absent']\n"
AGAIN = GOOD.replace("greet-often", "greet-again")
TWICE = AGAIN + AGAIN.replace("def greet", "def and_greet")
NOT_ASYNC = GOOD.replace("async def", "def")
ALL = {"good": GOOD, "raising": RAISING, "misspelt": MISSPELT, "double": DOUBLE}


@pytest.mark.slow
async def test_broken_plugins_are_named_and_the_daemon_works_on(crmd_dsn: str, tmp_path: Path) -> None:
    """Three broken plugins are each named with package and reason; the good one's jobs complete on schedule."""
    for name, source in ALL.items():
        install_plugin(tmp_path / "site", name, f"stranger_{name}")
        (tmp_path / "site" / f"stranger_{name}.py").write_text(source, "utf-8")
    enabled = '["fleet", "good", "raising", "misspelt", "double", "absent"]'
    async with running_fleet(crmd_dsn, tmp_path, count=1, plugins__enabled=enabled) as fleet:
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE type = 'greet-often' AND status = 'completed'", 2)
        await fleet.enqueue("mark", 1)
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE type = 'mark' AND status = 'completed'", 1)
        [daemon] = fleet.daemons
        assert daemon.process.poll() is None
        text = daemon.text()
    for sentence in (
        "plugin raising (raising 1.0) is not used: It raised RuntimeError: no such thing here",
        "plugin misspelt (misspelt 1.0) is not used: There is no hook crmd_setings. Did you mean crmd_settings?",
        "plugin double (double 1.0) is not used: The job name 'greet-often' is declared by good 1.0 and by double 1.0.",
        "plugin absent (not installed) is not used: It is enabled, but no installed package declares it.",
    ):
        assert sentence in text
    assert "ready; plugins: fleet, good" in text


@pytest.mark.slow
def test_broken_plugins_are_listed(tmp_path: Path) -> None:
    """`crmd plugins` shows what is loaded and what is broken with its reason, without a database."""
    for name, source in ALL.items():
        install_plugin(tmp_path, name, f"stranger_{name}")
        (tmp_path / f"stranger_{name}.py").write_text(source, "utf-8")
    listed = subprocess.run(
        [sys.executable, "-m", "crmd", "plugins", "--json", "--set", "plugins.enabled=good,raising,misspelt,double"],
        capture_output=True,
        check=True,
        env={"PYTHONPATH": str(tmp_path), "PATH": "", "HOME": str(tmp_path)},
        cwd=tmp_path,
    )
    rows = {row["name"]: row for row in msgspec.json.decode(listed.stdout)}
    assert {name: rows[name]["state"] for name in ALL} == {
        "good": "loaded", "raising": "broken", "misspelt": "broken", "double": "broken",
    }  # fmt: skip
    assert rows["good"]["distribution"] == "good 1.0"
    assert "greet-often" in rows["double"]["reason"]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (RAISING, "It raised RuntimeError: no such thing here"),
        (EXITING, "It raised SystemExit: 3"),
        ("nonsense = = 1", "It raised SyntaxError"),
        (MISSPELT, "There is no hook crmd_setings. Did you mean crmd_settings?"),
        (MISMARKED, "There is no hook crdm_settings. Did you mean crmd_settings?"),
        (STRANGE_ARGUMENT, "A hook does not fit"),
        (DOUBLE, "The job name 'greet-often' is declared by good and by strange."),
        (DOUBLE_ALIAS, "The job name 'greet-often' is declared by good and by strange."),
        (
            GOOD.replace("greet-often", "x") + GOOD.replace("greet-often", "x").replace("def greet", "def again"),
            "twice",
        ),
        (NEEDY, "It requires absent, which is not loaded."),
        (NOT_ASYNC, "is not an async function. Write `async def`."),
        (GOOD.replace("greet-often", "Greet Often"), "'Greet Often' is no name for a job type."),
        (GOOD.replace("ctx: crmd.Context", "ctx, payload, more"), "takes 3 parameters."),
        (
            GOOD.replace("ctx: crmd.Context", "ctx, payload"),
            "has no type. Annotate it with a subclass of crmd.Payload.",
        ),
    ],
)
def test_a_broken_plugin_keeps_its_fault_to_itself(source: str, reason: str) -> None:
    """Whatever is wrong with a plugin is told in a sentence that names it; the one before it stays."""
    registry = _load(good=GOOD, strange=source)
    [broken] = registry.broken
    assert broken.name == "strange"
    assert broken.distribution == "strange"
    assert reason in broken.reason
    assert [plugin.name for plugin in registry.plugins] == ["good"]
    assert set(registry.job_types) == {"greet-often"}


async def test_jobs_of_a_broken_plugin_wait(crmd_config: Config) -> None:
    """A job whose plugin breaks is neither lost nor failed: it waits, spends no attempt, and runs when it is back."""
    good, broken = ({"strange": _Source("strange", source)} for source in (GOOD, RAISING))
    config = dataclasses.replace(crmd_config, plugins=Plugins(enabled=("strange",)))
    async with open_workbench(config, good) as bench:
        enqueued = await bench.enqueue("greet-often")
    async with open_workbench(config, broken) as bench:
        [waiting] = await bench.drain()
        assert (waiting.id, waiting.status, waiting.attempt) == (enqueued.id, "pending", 0)
    async with open_workbench(config, good) as bench:
        await bench.travel("2s")
        done = await bench.finished(enqueued.id)
        assert (done.status, done.attempt) == ("completed", 1)


def test_only_what_is_enabled_is_imported() -> None:
    """A plugin that is installed but not enabled is never imported."""
    registry = load(["good"], {"good": _Source("good", GOOD), "raising": _Source("raising", RAISING)})
    assert [plugin.name for plugin in registry.plugins] == ["good"]
    assert registry.broken == ()


def test_two_packages_with_one_plugin_name_are_both_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two installed packages that bring a plugin of the same name are an error that names both."""
    for folder, distribution in (("one", "greeter"), ("two", "other-greeter")):
        info = tmp_path / folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[crmd.plugins]\ngreet = stranger_{folder}\n")
        monkeypatch.syspath_prepend(str(tmp_path / folder))
    [broken] = load(["greet"]).broken
    assert "greeter 1.0" in broken.reason
    assert "other-greeter 1.0" in broken.reason
    assert "greet" in plugins.installed()


@dataclass(frozen=True, slots=True)
class _Source:
    """A plugin given as source text, which is run when it is loaded."""

    name: str
    source: str

    @property
    def value(self) -> str:
        """As an entry point would tell it."""
        return self.name

    def load(self) -> Any:  # noqa: ANN401 - a module
        """Run the source."""
        module = types.ModuleType(f"stranger_{self.name}")
        sys.modules[module.__name__] = module
        try:
            exec(self.source, vars(module))  # noqa: S102 - the test's own text
        finally:
            del sys.modules[module.__name__]
        return module


def _load(**sources: str) -> Registry:
    return load(list(sources), {name: _Source(name, source) for name, source in sources.items()})
