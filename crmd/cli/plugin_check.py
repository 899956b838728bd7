"""`crmd plugin check`: grades plugins by running them, on a database that is made for it and gone afterwards."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from crmd.cli.acting import acting
from crmd.cli.attached import database
from crmd.cli.live import live
from crmd.cli.screen import emit_json, say, show_rows
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.errors import ExitCode, UsageError
from crmd.plugins import distribution_of
from crmd.store import grades
from crmd.testing.arena import Arena
from crmd.testing.conformance.checking import Report, check_plugin
from crmd.testing.conformance.rule import BY_NAME, GRADES, RULES, Finding
from crmd.testing.conformance.target import PROJECT, entry_named, with_required
from crmd.testing.databases import TestServer

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.plugins import Entry

COLUMNS = {"rule": "rule", "grade": "grade", "outcome": "", "about": "job type", "what": "what", "place": "place"}
# The first and the last step of a job.
KILLS_MIN = 2
_WORST = ("fail", "skip", "pass")


def run(arguments: Namespace) -> int:
    """Grade the plugin that is named, or that is here, or every enabled one."""
    log_quietly(arguments, "critical")
    if arguments.kills_max < KILLS_MIN:
        raise UsageError(f"--kills is {KILLS_MIN} or more: a job that is never killed shows nothing.")
    entries = _wanted(arguments)
    if arguments.is_recorded:
        _refuse_to_record(entries)
    with TestServer() as server, tempfile.TemporaryDirectory(prefix="crmd-check-") as folder:
        reports = [anyio.run(_report, entry, server, Path(folder), arguments.kills_max) for entry in entries]
    versions = {entry.name: distribution_of(entry) for entry in entries}
    if arguments.is_json:
        emit_json([{**asdict(report), "distribution": versions[report.plugin]} for report in reports])
    else:
        for report in reports:
            _show(report)
    if arguments.is_recorded:
        _record(arguments, reports, versions)
    least = GRADES.index(arguments.min_grade)
    return ExitCode.OK if all(GRADES.index(report.grade) >= least for report in reports) else ExitCode.FAILED


def _wanted(arguments: Namespace) -> list[Entry]:
    if arguments.targets:
        return [entry_named(target) for target in arguments.targets]
    if Path(PROJECT).is_file() and "crmd.plugins" in Path(PROJECT).read_text("utf-8"):
        return [entry_named(".")]
    return [entry_named(name) for name in configured(arguments).plugins.enabled]


def _refuse_to_record(entries: list[Entry]) -> None:
    """A folder that is not installed is no plugin of this installation: what is kept about it would mislead."""
    for entry in entries:
        if getattr(entry, "dist", None) is None:
            raise UsageError(
                f"The plugin {entry.name} is not installed, so its grade is not kept.",
                hint="Install it first, or leave out --record.",
            )


def _record(arguments: Namespace, reports: list[Report], versions: dict[str, str]) -> None:
    """Keep the grades in the configured database, where the dashboard finds them."""
    config = configured(arguments)

    async def keep() -> None:
        async with database(config) as pool:
            for report in reports:
                version = versions[report.plugin]
                async with acting(pool, "plugins.grade", report.plugin, grade=report.grade, version=version):
                    await grades.record(pool, report.plugin, version, report.grade)

    in_loop(config, keep)


async def _report(entry: Entry, server: TestServer, folder: Path, kills_max: int) -> Report:
    with live() as screen:

        def on_progress(text: str) -> None:
            screen.update(entry.name, text, None)

        async with Arena(server, with_required(entry), folder) as arena:
            return await check_plugin(entry.name, arena, kills_max=kills_max, on_progress=on_progress)


def _show(report: Report) -> None:
    """A line for each rule, and one for each job type that does not hold it."""
    rows: list[dict[str, Any]] = []
    for rule in RULES:
        findings = [finding for finding in report.findings if finding.rule == rule.name]
        bad = [finding for finding in findings if finding.outcome != "pass"]
        rows += [_row(finding) for finding in sorted(bad, key=lambda finding: _WORST.index(finding.outcome))]
        if findings and not bad:
            rows.append(_row(Finding(rule.name, "pass", _count(findings))))
    show_rows(rows, COLUMNS, is_json=False)
    say(f"{report.plugin}: {report.grade}, in {report.seconds:.0f} s.")


def _row(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "grade": BY_NAME[finding.rule].grade}


def _count(findings: list[Finding]) -> str:
    tried = {finding.about for finding in findings if finding.about}
    return f"{len(tried)} job types" if len(tried) > 1 else next(iter(tried), "")
