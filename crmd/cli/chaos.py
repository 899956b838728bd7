"""`crmd chaos`: lets everything fail around real daemons on a scratch database, and checks what is left."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import tempfile
from dataclasses import asdict, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from crmd.chaos.options import Options
from crmd.chaos.scratch import refuse_address
from crmd.chaos.storm import run_chaos
from crmd.cli.live import live
from crmd.cli.screen import emit_json, say, show_rows
from crmd.cli.session import log_quietly
from crmd.errors import ExitCode, UsageError
from crmd.lone_error import lone_error

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from crmd.chaos.report import Report
    from crmd.chaos.watch import Watch
    from crmd.cli.live import Screen

SEED_MAX = 1_000_000
DAEMONS = range(2, 10)
SECONDS_MIN = 5.0
RATE_MAX = 2000.0
_VERDICTS = {"code": "invariant", "title": "what must hold", "breaches": "breaches"}
_RECOVERIES = {
    "kind": "fault",
    "what": "time from",
    "count": "times",
    "p50": "p50 s",
    "p99": "p99 s",
    "most": "most s",
    "wall_p99": "wall p99 s",
}
_BARS = {"what": "figure", "figure": "was", "wanted": "at most", "is_met": "met"}


def run(arguments: Namespace) -> int:
    """Run it, and tell; 1 when something that must hold does not."""
    log_quietly(arguments, "critical")
    options = _options(arguments)
    if arguments.is_plan_only:
        return _show_plan(options, arguments)
    say("A database and daemons are being set up; nothing of yours is touched.")
    say(f"Seed {options.seed}, {options.seconds:g} s, {options.daemons} daemons.")
    with live() as screen, lone_error(), _kept_if_broken() as folder:
        work = partial(run_chaos, replace(options, folder=folder), _Teller(screen, options.seconds))
        report = anyio.run(work, backend_options=_loop())
        if report.holds:
            shutil.rmtree(folder, ignore_errors=True)
    if arguments.is_json:
        emit_json({**asdict(report), "holds": report.holds})
    else:
        _show(report)
    return ExitCode.OK if report.holds else ExitCode.FAILED


@contextlib.contextmanager
def _kept_if_broken() -> Iterator[Path]:
    """A folder for logs and ledger, which stays when there is something to look into."""
    folder = Path(tempfile.mkdtemp(prefix="crmd-chaos-"))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    if folder.exists():
        say(f"The logs of the daemons and the ledger are in {folder}.")


class _Teller:
    """Says how far a run is."""

    def __init__(self, screen: Screen, seconds: float) -> None:
        self._screen = screen
        self._seconds = seconds

    def __call__(self, phase: str, watch: Watch, faults: int) -> None:
        state = f"{watch.running} running, {watch.waiting} waiting, {faults} faults"
        self._screen.update(f"{phase} ({self._seconds:g} s)", state, {"done": watch.ended})


def _options(arguments: Namespace) -> Options:
    if arguments.daemons not in DAEMONS:
        raise UsageError(f"--daemons {arguments.daemons} is not from {DAEMONS[0]} to {DAEMONS[-1]}.")
    if not (arguments.seconds >= SECONDS_MIN and 1 <= arguments.rate <= RATE_MAX):
        raise UsageError(f"--seconds is {SECONDS_MIN:g} or more, --rate from 1 to {RATE_MAX:g}.")
    if arguments.dsn is not None:
        refuse_address(arguments.dsn)
    seed = random.randrange(SEED_MAX) if arguments.seed is None else arguments.seed  # noqa: S311 - a name, not a secret
    return Options(
        seconds=arguments.seconds,
        daemons=arguments.daemons,
        seed=seed,
        rate=arguments.rate,
        dsn=arguments.dsn,
        word=os.environ.get("PGPASSWORD"),
    )


def _loop() -> dict[str, Any]:
    """The faster loop where it is installed: every byte of the daemons goes through this process."""
    return {"use_uvloop": find_spec("uvloop") is not None}


def _show_plan(options: Options, arguments: Namespace) -> int:
    plan = options.planned()
    if arguments.is_json:
        emit_json({"seed": options.seed, "plan": [asdict(fault) for fault in plan]})
        return ExitCode.OK
    say(f"Seed {options.seed}: {len(plan)} faults.")
    show_rows([{"fault": str(fault)} for fault in plan], {"fault": "fault"}, is_json=False)
    return ExitCode.OK


def _show(report: Report) -> None:
    verdicts = [
        {"code": verdict.code, "title": verdict.title, "breaches": verdict.count or "none"}
        for verdict in report.verdicts
    ]
    show_rows(verdicts, _VERDICTS, is_json=False)
    times = [{**asdict(one), "wall_p99": "", **_rounded(asdict(one))} for one in report.recoveries if one.count]
    show_rows(times, _RECOVERIES, is_json=False)
    show_rows([_bar(asdict(bar)) for bar in report.bars], _BARS, is_json=False)
    for name, lines in report.timelines.items():
        say(f"-- {name}")
        for line in lines:
            say(f"   {line}")
    _sum_up(report)


def _sum_up(report: Report) -> None:
    facts = report.facts
    ended = ", ".join(f"{count} {status}" for status, count in report.jobs.items())
    faults = ", ".join(f"{count} {kind}" for kind, count in report.faults.items())
    say(
        f"{sum(report.jobs.values())} jobs ({ended}), {report.claims} claims, {report.jobs_per_second:.0f} jobs/s; the"
        f" client was in doubt {facts.doubts} times."
    )
    say(f"{sum(report.faults.values())} faults: {faults}; {facts.skipped} found nobody to hit.")
    say(f"Everything had ended {facts.settle_seconds:.1f} s after the last fault.")
    if report.holds:
        say(f"Nothing lost, nothing doubled, nothing stale. Seed {facts.seed}.")
        return
    for verdict in report.verdicts:
        for breach in verdict.breaches:
            say(f"{verdict.code}: {breach.job_id or ''} {breach.sentence}")
    say(f"Something is broken. Repeat it with: crmd chaos --seconds {facts.seconds:g} --seed {facts.seed}")


def _rounded(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: f"{value:.2f}" for name, value in fields.items() if isinstance(value, float)}


def _bar(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "is_met": {None: "-", True: "yes", False: "no"}[fields["is_met"]]}
