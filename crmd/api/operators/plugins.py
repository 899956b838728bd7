"""Plugins: what is loaded or broken, what each declares, how it is, and what its jobs did to the daemons."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from crmd.api.problem import Problem
from crmd.api.route import Call, Route, routed
from crmd.graded import Grade, counting, released
from crmd.plugins import installed
from crmd.store import blame, grades

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from crmd.graded import Graded
    from crmd.job_type import JobType
    from crmd.registry import BrokenPlugin, Plugin

DAYS = 7
CHECK_SECONDS = 5.0


class PluginJobType(msgspec.Struct, frozen=True, kw_only=True):
    """A job type that a plugin declares."""

    name: str
    description: str
    queue: str
    schedule: str | None


class Check(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a check of the plugin's own found."""

    name: str
    is_ok: bool
    text: str


class GradeView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How it did when `crmd plugin check` ran it."""

    name: Grade
    version: Annotated[str, Meta(description="name and version of what was run")]
    checked_at: datetime
    checked_for: Annotated[
        Literal["installation", "release"],
        Meta(description="`installation`: by `crmd plugin check --record`; `release`: as crmd's release was made"),
    ]
    is_outdated: Annotated[bool, Meta(description="another version is installed: it says nothing about that one")]


class QuarantineView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why its jobs rest."""

    reason: str
    since: datetime
    probe_at: Annotated[datetime, Meta(description="one of its jobs tries then")]


class Harm(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What its jobs did to the daemons within seven days."""

    crashes: int
    crash_reason: str | None
    stalls: Annotated[int, Meta(description="of the loop")]
    stall_seconds: Annotated[float | None, Meta(description="the longest")]
    stall_place: str | None
    abandoned: Annotated[int, Meta(description="jobs that could not be stopped")]
    held: Annotated[int, Meta(description="connections held for too long")]
    held_seconds: float | None
    memory_mib: int | None
    growth_mib: int | None
    errors: Annotated[dict[str, int], Meta(description="that were raised, by class")]


class PluginView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One plugin, as the daemon that answers knows it."""

    name: str
    distribution: Annotated[str | None, Meta(description="name and version of what is installed")]
    state: Annotated[Literal["loaded", "broken", "off"], Meta(description="`off`: installed and not enabled")]
    reason: Annotated[str | None, Meta(description="why it is broken")] = None
    requires: list[str] = []
    job_types: list[PluginJobType] = []
    health: Annotated[list[Check], Meta(description="its own checks, asked just now")] = []
    grade: Annotated[GradeView | None, Meta(description="null: never checked")] = None
    quarantine: QuarantineView | None = None
    blame: Harm | None = None


class Plugins(msgspec.Struct, frozen=True, kw_only=True):
    """All of them: loaded, then broken, then off."""

    plugins: list[PluginView]


class Released(msgspec.Struct, frozen=True, kw_only=True):
    """Its jobs run again."""

    success: bool


class Mended(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why it is let go on."""

    reason: Annotated[str, Meta(min_length=1, max_length=500)] = "by an operator over the API"


@routed("GET", "/api/plugins", scope="read", tag="plugins")
async def list_plugins(call: Call) -> Plugins:
    """List plugins with what they declare, how they are, and what their jobs did to the daemons."""
    registry = call.state.services.registry
    accounts = {row["plugin"]: dict(row) for row in await blame.listed(call.state.pool, DAYS)}
    here = await grades.recorded(call.state.pool)
    found = [
        _loaded(plugin, await _checked(call, plugin), _grade(plugin, here), accounts.get(plugin.name))
        for plugin in registry.plugins
    ]
    found += [_broken(broken, _grade(broken, here), accounts.get(broken.name)) for broken in registry.broken]
    known = {one.name for one in found}
    found += [PluginView(name=name, distribution=None, state="off") for name in sorted(set(installed()) - known)]
    return Plugins(plugins=found)


@routed("POST", "/api/plugins/{plugin}/release", scope="manage", tag="plugins", problems=(409,))
async def release_plugin(call: Call, body: Mended) -> Released:
    """Let the jobs of a quarantined plugin run again."""
    name = call.path["plugin"]
    async with call.state.acting(call.identity, "plugins.release", name, reason=body.reason):
        if not await blame.release(call.state.pool, name):
            raise Problem(409, "conflict", "There is no such plugin that is quarantined.")
    return Released(success=True)


async def _checked(call: Call, plugin: Plugin) -> list[Check]:
    """Its own checks. One that raises, or takes too long, is a finding like any other."""
    found = []
    for check in plugin.health_checks:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                sentence = await check.check(call.state.services.pools.plugins)
        except Exception as error:  # noqa: BLE001 - a plugin's own code; the others are still to be looked at
            sentence = f"The check itself failed ({type(error).__name__})."
        found.append(Check(name=check.name, is_ok=sentence is None, text=sentence or "All is well."))
    return found


def _grade(plugin: Plugin | BrokenPlugin, here: Mapping[str, Graded]) -> GradeView | None:
    """Of what is installed, if that was ever run, and otherwise the newest."""
    known = [one[plugin.name] for one in (here, released()) if plugin.name in one]
    graded = counting(plugin.distribution, known)
    if graded is None:
        return None
    return GradeView(
        name=graded.grade,
        version=graded.distribution,
        checked_at=graded.checked_at,
        checked_for="installation" if graded is here.get(plugin.name) else "release",
        is_outdated=graded.distribution != plugin.distribution,
    )


def _loaded(
    plugin: Plugin, health: list[Check], grade: GradeView | None, account: Mapping[str, Any] | None
) -> PluginView:
    return PluginView(
        name=plugin.name,
        distribution=plugin.distribution,
        state="loaded",
        requires=list(plugin.requires),
        job_types=_job_types(plugin.job_types),
        health=health,
        grade=grade,
        quarantine=_quarantine(account),
        blame=_harm(account),
    )


def _broken(plugin: BrokenPlugin, grade: GradeView | None, account: Mapping[str, Any] | None) -> PluginView:
    return PluginView(
        name=plugin.name,
        distribution=plugin.distribution,
        state="broken",
        reason=plugin.reason,
        grade=grade,
        quarantine=_quarantine(account),
        blame=_harm(account),
    )


def _job_types(known: Iterable[JobType]) -> list[PluginJobType]:
    return [
        PluginJobType(
            name=one.name,
            description=one.description.partition("\n")[0],
            queue=one.queue,
            schedule=None if one.schedule is None else one.schedule.expression,
        )
        for one in known
    ]


def _quarantine(account: Mapping[str, Any] | None) -> QuarantineView | None:
    if account is None or account["quarantine_reason"] is None:
        return None
    return QuarantineView(
        reason=account["quarantine_reason"], since=account["quarantined_at"], probe_at=account["probe_at"]
    )


def _harm(account: Mapping[str, Any] | None) -> Harm | None:
    if account is None:
        return None
    return Harm(**{name: account[name] for name in Harm.__struct_fields__})


ROUTES: tuple[Route, ...] = (list_plugins, release_plugin)
