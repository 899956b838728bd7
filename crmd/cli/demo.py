"""`crmd demo`: the real daemon, on a database of its own, syncs a made-up mailbox from a provider of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from crmd.cli.demo_account import connect_demo, demo_provider, demo_workspace, start_sync
from crmd.cli.demo_stay import PLUGIN, entries, free_address, invite, show
from crmd.cli.demo_view import Standing, view
from crmd.cli.screen import emit_json, say, show_rows
from crmd.cli.session import in_loop, log_quietly
from crmd.config.api_settings import Api
from crmd.config.loading import Config
from crmd.config.settings import Daemon as DaemonSettings
from crmd.config.settings import Plugins
from crmd.daemon import Daemon
from crmd.embedded.parameters import THROWAWAY
from crmd.errors import ExitCode, PluginError
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from crmd.cli.demo_account import DemoProvider
    from crmd.composition import Opened
    from crmd.engine.engine import Engine

_SQL = load_queries("crmd.cli")
LOOK_SECONDS = 0.25
PEOPLE = 8
NEEDED = ("crm", "gmail", "contacts")
PEOPLE_COLUMNS = {
    "full_name": "name",
    "title": "title",
    "company": "company",
    "address": "address",
    "phone": "phone",
}


@dataclass(slots=True)
class Demo:
    """One run.

    Attributes:
        seconds_max: End after so long.
        is_staying: Go on with the dashboard when the sync is through.
        standing: How far it came; None before the sync began.
        people: Some whom it found.
        is_through: Whether it came to its own end, not to Ctrl-C.
    """

    seconds_max: float
    is_staying: bool = False
    standing: Standing | None = None
    people: list[dict[str, Any]] = field(default_factory=list)
    is_through: bool = False

    async def beside(self, everything: Opened, _: Engine) -> None:
        """Next to the engine: the provider, the account, the first sync, and what is shown."""
        _check_plugins(everything)
        async with demo_provider() as provider:
            connected = await connect_demo(everything, provider)
            say(f"Connected {connected.account} with {provider.messages} messages; the first sync begins.")
            if self.is_staying:
                await invite(everything)
            await start_sync(everything, connected)
            with view() as screen, anyio.move_on_after(self.seconds_max):
                await self._follow(everything, provider, screen)
            rows = await everything.pools.plugins.fetch(_SQL.demo_people, demo_workspace(), PEOPLE)
            self.people = [dict(row) for row in rows]
            if self.is_staying:
                await show(everything)
                self.is_through = True
                await anyio.sleep_forever()
        self.is_through = True

    async def _follow(self, everything: Opened, provider: DemoProvider, screen: Any) -> None:  # noqa: ANN401 - a View
        begun = time.monotonic()
        pool = everything.pools.plugins
        while self.standing is None or not self.standing.is_over:
            crm = await pool.fetchrow(_SQL.demo_counts, demo_workspace())
            jobs = await pool.fetchrow(_SQL.demo_jobs)
            assert crm is not None and jobs is not None  # noqa: S101, PT018 - each statement always gives one row
            self.standing = Standing(
                seconds=time.monotonic() - begun,
                expected=provider.messages,
                crm=dict(crm),
                jobs=dict(jobs),
                troubles=provider.troubles,
            )
            screen.show(self.standing)
            await anyio.sleep(LOOK_SECONDS)


def run(arguments: Namespace) -> int:
    """Run the demo, and sum it up."""
    log_quietly(arguments, "critical")
    demo = Demo(arguments.seconds, is_staying=arguments.is_staying)
    with _folder(arguments) as folder:
        config = Config(
            state_dir=folder,
            embedded=THROWAWAY,
            daemon=DaemonSettings(drain_seconds=1.0),
            api=free_address() if demo.is_staying else Api(listen="off"),
            plugins=Plugins(enabled=(*Plugins().enabled, *((PLUGIN,) if demo.is_staying else ()))),
        )

        async def serve() -> None:
            await Daemon(lambda: config, {}, beside=demo.beside, entries=entries() if demo.is_staying else None).run()

        in_loop(config, serve)
    if not demo.is_through or demo.standing is None:
        raise KeyboardInterrupt
    _sum_up(demo, demo.standing, arguments)
    return ExitCode.OK if demo.standing.is_over else ExitCode.FAILED


@contextlib.contextmanager
def _folder(arguments: Namespace) -> Iterator[Path]:
    """Where the demo's database is: a folder that is named stays, another is gone afterwards."""
    if arguments.dir is not None:
        yield Path(arguments.dir).absolute()
        return
    folder = Path(tempfile.mkdtemp(prefix="crmd-demo-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)  # the server's own account must pass through
    try:
        yield folder
    finally:
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            say(f"The demo's database is in {folder}.")


def _check_plugins(everything: Opened) -> None:
    registry = everything.loaded.registry
    missing = set(NEEDED) - {plugin.name for plugin in registry.plugins}
    if missing:
        reasons = "; ".join(f"{broken.name}: {broken.reason}" for broken in registry.broken if broken.name in missing)
        raise PluginError(
            f"The demo needs the plugins {', '.join(sorted(missing))}. {reasons}", hint="Run: pip install 'crmd[all]'"
        )


def _sum_up(demo: Demo, standing: Standing, arguments: Namespace) -> None:
    if arguments.is_json:
        figures = {"crm": standing.crm, "jobs": standing.jobs, "troubles": standing.troubles}
        emit_json(
            {**figures, "seconds": round(standing.seconds, 1), "people": demo.people, "is_over": standing.is_over}
        )
        return
    crm, jobs, troubles = standing.crm, standing.jobs, standing.troubles
    show_rows(demo.people, PEOPLE_COLUMNS, is_json=False, empty="Nobody was found.")
    say(
        f"{crm['messages']} messages in {crm['threads']} threads, {crm['contacts']} people at {crm['companies']}"
        f" companies, {crm['bounces']} bounces recognised, in {standing.seconds:.1f} s."
    )
    say(
        f"{jobs['completed']} jobs done, {jobs['failed']} failed, {jobs['retried']} retried. Of the provider's answers"
        f" {troubles['throttled']} asked to slow down, {troubles['faulty']} failed, {troubles['cut off']} broke off."
    )
    if not standing.is_over:
        say(f"It did not finish within {demo.seconds_max:g} s: give it more with --seconds.")
    say("What to try next:")
    say("  crmd init                     a commented crmd.toml of your own")
    say("  crmd connections add google   your own mailbox (needs an OAuth client)")
    say("  crmd plugin new my-plugin     a job of your own, with a test")
