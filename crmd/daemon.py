"""One daemon, from its first signal handler to its last: start, serve, reload, drain."""

from __future__ import annotations

import gc
import logging
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from crmd.api.server import serving
from crmd.clock import boot_seconds
from crmd.composition import engine_options, opened, renewed
from crmd.engine.engine import Engine
from crmd.errors import ConfigError, CrmdError
from crmd.lone_error import lone_error
from crmd.onlooker import look_on
from crmd.providing import known_plugins
from crmd.store.pools import UNREACHABLE
from crmd.systemd import (
    Notifier,
    extend_timeout_message,
    notifier_from,
    ready_message,
    reloading_message,
    status_message,
    stopping_message,
    watchdog_message,
    watchdog_seconds,
)
from crmd.tracing.setup import tracer_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from crmd.composition import Opened
    from crmd.config.api_settings import Api
    from crmd.config.loading import Config
    from crmd.plugins import Entry

_LOG = logging.getLogger("crmd.daemon")
STARTUP_SECONDS_MAX = 120.0
STATUS_SECONDS = 5.0
RETRY_FIRST_SECONDS = 30.0
RETRY_MAX_SECONDS = 600.0
# The watchdog is fed only while the loop's own watcher has turned within this time.
TURN_SECONDS_MAX = 5.0
# A batch of jobs makes so many objects that live until it is settled; a collection in between finds nothing.
YOUNG_OBJECTS_MAX = 50_000
# Beyond the drain: the clean-up of handlers, the last outcomes, the pools, the embedded server.
EXIT_SECONDS = 25.0


@dataclass(slots=True)
class Daemon:
    """One run of the daemon.

    Args:
        load: Reads the configuration; called again by a reload.
        environ: Tells about systemd.
        beside: Runs next to the engine until it ends; its end stops the daemon.
        entries: Where plugins come from; None: those installed.
    """

    load: Callable[[], Config]
    environ: Mapping[str, str]
    beside: Callable[[Opened, Engine], Awaitable[None]] | None = None
    entries: Mapping[str, Entry] | None = None
    stop: anyio.Event = field(default_factory=anyio.Event)
    engine: Engine | None = None
    _opened: Opened | None = None
    _outage: str = ""
    _notifier: Notifier = field(default_factory=Notifier)

    async def run(self) -> None:
        """Serve until a signal asks to stop, and drain.

        Raises:
            CrmdError: It could not start; one sentence says why.
        """
        self._notifier = notifier_from(self.environ)
        self._notifier.send(extend_timeout_message(STARTUP_SECONDS_MAX))
        with lone_error():
            async with anyio.create_task_group() as tasks:
                with anyio.CancelScope() as serving:
                    ready = anyio.Event()
                    tasks.start_soon(self._obey_signals, serving, ready)
                    await ready.wait()
                    await self._serve()
                tasks.cancel_scope.cancel()

    async def _serve(self) -> None:
        config = self.load()
        async with opened(config, is_daemon=True, entries=self.entries) as everything:
            self._opened = everything
            _name_broken(everything)
            everything.services.tracer = tracer_of(config.tracing)
            engine = Engine(everything.services, engine_options(config, everything.loaded), on_outage=self._note_outage)
            self.engine = engine
            async with (
                serving(everything.services, engine, everything.provider_http, self._api_settings, self._tick_days),
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(self._feed_watchdog, engine)
                tasks.start_soon(self._tell_status, engine)
                tasks.start_soon(self._retry_broken, engine)
                tasks.start_soon(look_on, everything.services, everything.provider_http, self._config)
                if self.beside is not None:
                    tasks.start_soon(self._run_beside, everything, engine)
                await engine.run(self.stop, self._ready)
                tasks.cancel_scope.cancel()

    def _api_settings(self) -> Api:
        assert self._opened is not None  # noqa: S101 - the API is served behind it
        return self._opened.config.api

    def _config(self) -> Config:
        assert self._opened is not None  # noqa: S101 - faults are looked for behind it
        return self._opened.config

    def _tick_days(self) -> int:
        assert self._opened is not None  # noqa: S101 - the API is served behind it
        return self._opened.config.retention.tick_days

    def _ready(self) -> None:
        assert self._opened is not None  # noqa: S101 - the engine begins behind it
        names = ", ".join(plugin.name for plugin in self._opened.loaded.registry.plugins) or "none"
        _LOG.info("ready; plugins: %s", names)
        self._notifier.send(ready_message("ready"))
        _spare_what_stays()

    async def _run_beside(self, everything: Opened, engine: Engine) -> None:
        assert self.beside is not None  # noqa: S101 - checked by the caller
        await self.beside(everything, engine)
        self.stop.set()

    async def _obey_signals(self, serving: anyio.CancelScope, ready: anyio.Event) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            ready.set()
            async for number in signals:
                if number == signal.SIGHUP:
                    await self._reload()
                elif self.engine is None:
                    _LOG.info("stopped before it was ready")
                    serving.cancel()
                elif not self.stop.is_set():
                    self._begin_to_stop(number)
                else:
                    _LOG.warning("asked twice to stop; running jobs are given back now")
                    self.engine.hurry()

    def _begin_to_stop(self, number: int) -> None:
        assert self.engine is not None  # noqa: S101 - checked by the caller
        drain = self.engine.options.drain_seconds
        _LOG.info("asked to stop by %s; running jobs may finish for %g s", signal.Signals(number).name, drain)
        self._notifier.send(stopping_message("draining"))
        self._notifier.send(extend_timeout_message(drain + EXIT_SECONDS))
        self.stop.set()
        timer = threading.Timer(drain + EXIT_SECONDS, _give_up)
        timer.daemon = True
        timer.start()

    async def _reload(self) -> None:
        """Read the configuration again. Anything wrong with it leaves everything as it is."""
        if self.engine is None or self._opened is None:
            return
        self._notifier.send(reloading_message(time.monotonic()))
        try:
            await self._take(self.load(), self._opened, self.engine)
        except CrmdError as error:
            _LOG.error("not reloaded: %s", error)
        except UNREACHABLE as error:
            _LOG.error("not reloaded: the database does not answer (%s)", type(error).__name__)
        except Exception:  # noqa: BLE001 - whatever is wrong with a reload must not end the daemon; it is logged whole
            _LOG.exception("not reloaded")
        else:
            _LOG.info("reloaded")
        self._notifier.send(ready_message("ready"))

    async def _take(self, config: Config, before: Opened, engine: Engine) -> None:
        """Work by another configuration from now on, unless it breaks a plugin that works now."""
        loaded = known_plugins(config, self.entries)
        working = {plugin.name for plugin in before.loaded.registry.plugins}
        for broken in loaded.registry.broken:
            if broken.name in working:
                raise ConfigError(f"The plugin {broken.name} would not work: {broken.reason}")
        self._opened = await renewed(before, config, loaded)
        engine.reconfigure(engine_options(config, self._opened.loaded))
        _name_broken(self._opened)

    async def _retry_broken(self, engine: Engine) -> None:
        """Load plugins again that could not be used, as `on_start_error = retry` asks, with a wait that grows."""
        pause = RETRY_FIRST_SECONDS
        while True:
            await anyio.sleep(pause)
            before = self._opened
            if before is None or before.config.plugins.on_start_error != "retry" or not before.loaded.registry.broken:
                pause = RETRY_FIRST_SECONDS
                continue
            pause = min(pause * 2, RETRY_MAX_SECONDS)
            try:
                await self._take(before.config, before, engine)
            except (CrmdError, *UNREACHABLE) as error:
                _LOG.warning("broken plugins were not loaded again: %s", error)

    async def _feed_watchdog(self, engine: Engine) -> None:
        """Fed from the loop, and only while the engine's watcher turns; a database outage never starves it."""
        period = watchdog_seconds(self.environ, os.getpid())
        if period is None:
            return
        while True:
            if boot_seconds() - engine.turned_at < TURN_SECONDS_MAX:
                self._notifier.send(watchdog_message())
            await anyio.sleep(period)

    async def _tell_status(self, engine: Engine) -> None:
        while True:
            await anyio.sleep(STATUS_SECONDS)
            running = len(engine.executor.runs)
            abandoned = len(engine.executor.abandoned.runs)
            state = self._outage or f"{running} running, {engine.settled_count} settled"
            state += f", {abandoned} abandoned" if abandoned else ""
            self._notifier.send(status_message(state))

    def _note_outage(self, sentence: str) -> None:
        self._outage = sentence


def _name_broken(everything: Opened) -> None:
    for broken in everything.loaded.registry.broken:
        _LOG.error("plugin %s (%s) is not used: %s", broken.name, broken.distribution, broken.reason)


def _spare_what_stays() -> None:
    """Code and declarations live as long as the process: the garbage collector need not walk over them again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS_MAX, 20, 20)


def _give_up() -> None:
    """A handler that does not let itself be cancelled must not keep the process: its lease runs out by itself."""
    _LOG.critical("the drain took too long; the process ends at once")
    os._exit(1)
