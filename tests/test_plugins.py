from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest

import crmd
from crmd import plugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.registry import Registry


class Broken:
    """An entry point whose import does what it is told."""

    def __init__(self, name: str, act: Callable[[], object]) -> None:
        self.name = name
        self.value = f"{name}_module"
        self.act = act

    def load(self) -> object:
        """Import it."""
        return self.act()


def module(name: str, **contents: object) -> ModuleType:
    """A plugin's module with these names in it."""
    made = ModuleType(name)
    vars(made).update(contents)
    return made


def entries(*modules: ModuleType) -> dict[str, plugins.Entry]:
    """Entries for modules, by their own names."""
    return {made.__name__: plugins.ModuleEntry(made.__name__, made) for made in modules}


def job_type(name: str, *aliases: str) -> crmd.JobType:
    """A job type that does nothing."""

    async def handler(ctx: crmd.Context) -> None:
        """Nothing."""

    return crmd.job(name, aliases=aliases)(handler)


def reasons(registry: Registry) -> dict[str, str]:
    """Why which plugins are broken."""
    return {broken.name: broken.reason for broken in registry.broken}


def exit_process() -> None:
    """What a module may do while it is imported."""
    sys.exit(4)


def fail_import() -> None:
    """What a module may do while it is imported."""
    raise ImportError("no module named nowhere")


def test_what_a_module_declares_is_found() -> None:
    """Job types in a module's namespace are loaded once each and carry the plugin's name."""
    one = job_type("one")
    registry = plugins.load(["alpha"], entries(module("alpha", one=one, again=one)))
    [plugin] = registry.plugins
    assert [(found.name, found.plugin) for found in plugin.job_types] == [("one", "alpha")]
    assert registry.broken == ()


def test_nothing_is_imported_that_is_not_enabled() -> None:
    """An installed plugin that the configuration does not name is never loaded."""
    registry = plugins.load(["alpha"], {**entries(module("alpha")), "beta": cast("Any", Broken("beta", exit_process))})
    assert [plugin.name for plugin in registry.plugins] == ["alpha"]


@pytest.mark.parametrize(
    ("act", "word"), [(exit_process, "SystemExit"), (fail_import, "nowhere"), (lambda: 1 / 0, "ZeroDivisionError")]
)
def test_a_plugin_that_fails_to_import_stays_alone_with_it(act: Callable[[], object], word: str) -> None:
    """Whatever an import raises, sys.exit too, breaks that plugin only, and is told."""
    known = {**entries(module("alpha", one=job_type("one"))), "beta": cast("Any", Broken("beta", act))}
    registry = plugins.load(["beta", "alpha"], known)
    assert [plugin.name for plugin in registry.plugins] == ["alpha"]
    assert word in reasons(registry)["beta"]


def test_a_stop_of_the_process_is_no_broken_plugin() -> None:
    """Ctrl-C while a plugin is imported ends the process as ever."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        plugins.load(["beta"], {"beta": cast("Any", Broken("beta", interrupt))})


def test_a_missing_plugin_is_named_with_the_nearest() -> None:
    """A name that nothing declares is told, with a near one or with how to install it."""
    registry = plugins.load(["alhpa", "unheard-of"], entries(module("alpha")))
    assert "'alpha'" in reasons(registry)["alhpa"]
    assert "pip install crmd-unheard-of" in reasons(registry)["unheard-of"]


def test_a_misspelt_hook_is_an_error() -> None:
    """A function that looks like a hook and is none is named, with the hook that was meant."""

    def crmd_setings() -> None:
        """A hook that does not exist."""

    registry = plugins.load(["alpha"], entries(module("alpha", crmd_setings=crmd_setings)))
    assert "crmd_setings" in reasons(registry)["alpha"]
    assert "crmd_settings" in reasons(registry)["alpha"]


def test_a_hook_with_foreign_parameters_is_an_error() -> None:
    """A hook that wants what it is not given is refused when it is loaded, not when it is called."""

    def crmd_job_types(surprise: int) -> list[object]:
        """A hook with one parameter too many."""
        return []

    registry = plugins.load(["alpha"], entries(module("alpha", crmd_job_types=crmd_job_types)))
    assert "alpha" in reasons(registry)


def test_hooks_declare() -> None:
    """Settings, job types made at run time, and requirements come from hooks."""

    class Settings(msgspec.Struct, frozen=True):
        """Of the plugin."""

        word: str = "x"

    def crmd_settings() -> type[msgspec.Struct]:
        return Settings

    def crmd_job_types() -> list[crmd.JobType]:
        return [job_type("made")]

    registry = plugins.load(
        ["alpha"], entries(module("alpha", crmd_settings=crmd_settings, crmd_job_types=crmd_job_types))
    )
    [plugin] = registry.plugins
    assert plugin.settings_type is Settings
    assert [found.name for found in plugin.job_types] == ["made"]


def test_two_plugins_cannot_share_a_job_name() -> None:
    """The first keeps the name, be it an alias; the second is broken, and the sentence names both."""
    registry = plugins.load(
        ["alpha", "beta"],
        entries(module("alpha", one=job_type("one", "uno")), module("beta", two=job_type("two", "uno"))),
    )
    assert [plugin.name for plugin in registry.plugins] == ["alpha"]
    assert "'uno'" in reasons(registry)["beta"]
    assert "alpha" in reasons(registry)["beta"]


def test_a_plugin_cannot_declare_a_name_twice() -> None:
    """One name for two job types of one plugin is that plugin's fault."""
    registry = plugins.load(["alpha"], entries(module("alpha", one=job_type("one"), two=job_type("two", "one"))))
    assert "'one' twice" in reasons(registry)["alpha"]


def requiring(name: str, *others: str) -> ModuleType:
    """A plugin that requires others."""

    def crmd_requires() -> list[str]:
        return list(others)

    return module(name, crmd_requires=crmd_requires)


def test_plugins_come_after_those_they_require() -> None:
    """However they are named, required plugins come first, so that migrations run in order."""
    known = entries(requiring("alpha", "beta"), requiring("beta", "gamma"), requiring("gamma"))
    registry = plugins.load(["alpha", "beta", "gamma"], known)
    assert [plugin.name for plugin in registry.plugins] == ["gamma", "beta", "alpha"]


def test_a_plugin_whose_requirement_is_missing_or_circular_is_broken() -> None:
    """What cannot be put in order is named with what it lacks; the others are loaded."""
    known = entries(requiring("alpha", "nowhere"), requiring("beta", "gamma"), requiring("gamma", "beta"), module("ok"))
    registry = plugins.load(["alpha", "beta", "gamma", "ok"], known)
    assert [plugin.name for plugin in registry.plugins] == ["ok"]
    assert "nowhere" in reasons(registry)["alpha"]
    assert set(reasons(registry)) == {"alpha", "beta", "gamma"}
