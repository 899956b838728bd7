"""Tries every rule on a plugin and its job types, in an order in which the cheap ones come first."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from crmd.plugins import samples_of
from crmd.sample import Sample
from crmd.testing.conformance import declared
from crmd.testing.conformance.disturbing import (
    run_cancelled,
    run_in_standstill,
    run_killed,
    run_twice,
    run_while_clock_jumps,
)
from crmd.testing.conformance.memory import forgets
from crmd.testing.conformance.place import folder_of, place_of_handler
from crmd.testing.conformance.refusing import refuses_payloads
from crmd.testing.conformance.rule import RULES, Finding, grade_of
from crmd.testing.conformance.storm import run_in_storm
from crmd.testing.conformance.trespass import keeps_to_its_workspace
from crmd.testing.conformance.trial import Trials
from crmd.testing.conformance.undisturbed import Undisturbed, run_undisturbed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from crmd.graded import Grade
    from crmd.job_type import JobType
    from crmd.registry import Plugin
    from crmd.testing.arena import Arena

KILLS_MAX = 24
_OF_THE_PLUGIN = frozenset({"loads", "declares", "migrates", "row-security", "sampled"})
JOB_RULES = tuple(rule.name for rule in RULES if rule.name not in _OF_THE_PLUGIN)


@dataclass(frozen=True, slots=True)
class Report:
    """How a plugin did."""

    plugin: str
    grade: Grade
    findings: tuple[Finding, ...]
    seconds: float


async def check_plugin(
    name: str, arena: Arena, *, kills_max: int = KILLS_MAX, on_progress: Callable[[str], None] = lambda _: None
) -> Report:
    """Grade a plugin.

    Args:
        name: Of one of the arena's plugins; the others are there since it requires them.
        arena: Where databases come from.
        kills_max: At how many of a job's steps it is killed, at the most.
        on_progress: Told what is being tried.
    """
    began = time.monotonic()
    on_progress("loads")
    plugin, loaded = declared.loads(name, arena)
    findings = [loaded]
    if plugin is not None:
        findings += [finding async for finding in _checked(plugin, arena, kills_max, on_progress)]
    return Report(name, grade_of(findings), tuple(findings), time.monotonic() - began)


async def _checked(
    plugin: Plugin, arena: Arena, kills_max: int, on_progress: Callable[[str], None]
) -> AsyncIterator[Finding]:
    for finding in declared.declares(plugin, arena):
        yield finding
    on_progress("migrates")
    migrated = await declared.migrates(plugin, arena)
    yield migrated
    if migrated.outcome != "pass":
        return
    for finding in await declared.guards_rows(plugin, arena):
        yield finding
    samples = _samples(plugin)
    for job_type in plugin.job_types:
        yield _sampled(job_type, is_sampled=job_type.name in samples)
        given = samples.get(job_type.name) or _implied(job_type)
        if not given:
            for rule in JOB_RULES:
                yield Finding(rule, "skip", job_type.name, "it has no sample and its payload has no default")
        for sample in given:
            trials = Trials(arena, plugin.name, folder_of(plugin.module), sample)
            async for finding in _tried(trials, job_type, kills_max, on_progress):
                yield finding


async def _tried(
    trials: Trials, job_type: JobType, kills_max: int, on_progress: Callable[[str], None]
) -> AsyncIterator[Finding]:
    on_progress(f"{job_type.name}: runs")
    try:
        base = await run_undisturbed(trials, job_type)
    except Exception as error:  # noqa: BLE001 - a seed is the plugin's own code, and told as its fault
        place = place_of_handler(job_type)
        yield Finding("runs", "fail", job_type.name, f"the sample cannot be run: {error!r}", place)
        return
    for finding in base.findings:
        yield finding
    if not base.is_good:
        seen = {finding.rule for finding in base.findings}
        for rule in JOB_RULES:
            if rule not in seen:
                yield Finding(rule, "skip", job_type.name, "it does not run undisturbed")
        return
    for rule, attempt in _rules(trials, base, kills_max, on_progress).items():
        on_progress(f"{job_type.name}: {rule}")
        yield await _safely(rule, base, attempt)


def _rules(
    trials: Trials, base: Undisturbed, kills_max: int, on_progress: Callable[[str], None]
) -> Mapping[str, Callable[[], Awaitable[Finding]]]:
    def on_step(text: str) -> None:
        on_progress(f"{base.job_type.name}: {text}")

    return {
        "payload": partial(refuses_payloads, trials, base),
        "duplicate": partial(run_twice, trials, base),
        "workspace": partial(keeps_to_its_workspace, trials, base),
        "cancel": partial(run_cancelled, trials, base),
        "rate-limit": partial(run_in_storm, trials, base),
        "time-limit": partial(run_in_standstill, trials, base),
        "clock": partial(run_while_clock_jumps, trials, base),
        "memory": partial(forgets, trials, base),
        "kill": partial(run_killed, trials, base, kills_max, on_step),
    }


async def _safely(rule: str, base: Undisturbed, attempt: Callable[[], Awaitable[Finding]]) -> Finding:
    """What keeps a rule from being tried is told, and the others go on."""
    try:
        return await attempt()
    except Exception as error:  # noqa: BLE001 - it becomes the finding
        return Finding(rule, "skip", base.job_type.name, f"it could not be tried: {error!r}")


def _samples(plugin: Plugin) -> dict[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in samples_of(plugin):
        found.setdefault(sample.job_type, []).append(sample)
    return found


def _sampled(job_type: JobType, *, is_sampled: bool) -> Finding:
    if is_sampled:
        return Finding("sampled", "pass", job_type.name)
    what = "crmd_samples() has none for it, so it is tried in an empty database at best"
    return Finding("sampled", "fail", job_type.name, what, place_of_handler(job_type))


def _implied(job_type: JobType) -> list[Sample]:
    """A job type that asks for nothing can be tried without a sample."""
    if any(field.required for field in msgspec.structs.fields(job_type.payload_type)):
        return []
    return [Sample(job_type=job_type.name, has_workspace=job_type.schedule is None)]
