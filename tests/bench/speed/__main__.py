"""`python -m speed`: the figures of `make bench`, of `make bench STEADY=1`, or the soak.

No table is printed, and the exit code is 1, when a check of the figures' own fails. It is 2 when one misses its bar.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from speed.database import NEWEST, prepared_ground
from speed.drawing import drawn
from speed.failure import BenchError
from speed.figure import lines_of
from speed.plan import ROWS, chosen
from speed.record import about, machine, write_json, written
from speed.rounds import run_rounds, tell
from speed.sizes import scaled
from speed.soak.run import run_soak
from speed.steady.judging import judge
from speed.steady.report import checks, kept, report
from speed.steady.run import run_steady
from speed.table import show

if TYPE_CHECKING:
    from argparse import Namespace

FAILED = 1
MISSED = 2


def main(arguments: list[str]) -> int:
    """Measure and print."""
    given = _parser().parse_args(arguments)
    try:
        return _measured(given)
    except BenchError as error:
        tell(f"no table, since a check failed: {error}")
        return FAILED
    except KeyboardInterrupt:
        tell("stopped")
        return FAILED


def _measured(given: Namespace) -> int:
    if given.soak is not None:
        return _soak(given)
    return _steady(given) if given.steady else _table(given)


def _soak(given: Namespace) -> int:
    with prepared_ground({NEWEST}) as ground:
        samples, musts = asyncio.run(run_soak(ground, given.soak))
        told = about(ground)
    sys.stdout.write(checks(musts))
    if given.json is not None:
        write_json(
            given.json, {**told, "looks": [one.kept() for one in samples], "musts": [asdict(one) for one in musts]}
        )
    return 0 if all(must.holds for must in musts) else MISSED


def _steady(given: Namespace) -> int:
    with prepared_ground({NEWEST}) as ground:
        measured, account = asyncio.run(run_steady(ground, given.seconds))
        told = about(ground)
    musts = judge(measured, account)
    sys.stdout.write(report(measured, musts))
    if given.json is not None:
        write_json(given.json, {**told, **kept(measured, musts, account)})
    return 0 if all(must.holds for must in musts) else MISSED


def _table(given: Namespace) -> int:
    only = [name for name in given.only.split(",") if name]
    figures, sizes = chosen(only), scaled(given.jobs)
    with prepared_ground({version for figure in figures for version in figure.versions}) as ground:
        rounds = asyncio.run(run_rounds(ground, figures, sizes, given.rounds))
        told = about(ground)
    lines = lines_of(ROWS, rounds)
    show(lines)
    if given.json is not None:
        write_json(given.json, {**told, "table": written(lines), "rounds": rounds})
    if given.svg is not None:
        there = machine()
        title = f"crmd on {there['processors']} processors, {there['model']}, PostgreSQL {NEWEST}"
        given.svg.write_text(drawn(lines, title))
    return MISSED if any(line.is_reached is False for line in lines) else 0


def _at_least_one(text: str) -> int:
    """A whole number for an option; of none there would be a table of nothing."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    jobs = os.environ.get("BENCH_JOBS")
    parser = argparse.ArgumentParser(prog="make bench", description="Measure crmd on this machine.")
    parser.add_argument("--only", default="", help="names of figures, separated by commas; all by default")
    parser.add_argument("--rounds", type=_at_least_one, default=3, help="how often each is measured; the median counts")
    parser.add_argument("--jobs", type=_at_least_one, default=jobs, help="of a drain; the others in proportion")
    parser.add_argument("--steady", action="store_true", help="a steady offer of jobs while things go wrong")
    parser.add_argument("--soak", type=_at_least_one, metavar="SECONDS", help="all kinds of work for so long")
    parser.add_argument("--seconds", type=_at_least_one, default=25, help="how long each phase of that takes")
    parser.add_argument("--json", type=Path, help="file for every value")
    parser.add_argument("--svg", type=Path, help="file for a drawing")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os.kill(os.getpid(), signal.SIGINT))  # the one that lets us clean up
    sys.exit(main(sys.argv[1:]))
