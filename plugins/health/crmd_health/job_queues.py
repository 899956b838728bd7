"""The job `check-job-queues`: how queues, leases, dead jobs and schedules stand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

import crmd
from crmd_health.finding import Finding, findings_of

if TYPE_CHECKING:
    from crmd_health.settings import HealthSettings


class QueuesChecked(msgspec.Struct, frozen=True, rename="camel"):
    """What was found, with the figures beside it."""

    findings: tuple[Finding, ...]
    due: int
    running: int


@crmd.job(
    "check-job-queues",
    queue="fast",
    priority="high",
    schedule=crmd.Schedule(expression="*/5 * * * *", catch_up="skip"),
    unique=crmd.Unique(scope="unfinished"),
)
async def check_job_queues(ctx: crmd.Context) -> QueuesChecked:
    """Look for queues that grow old, jobs that nobody runs, dead jobs and late schedules."""
    settings: HealthSettings = ctx.settings
    status = await ctx.status()
    findings = findings_of(status, settings)
    if findings:
        ctx.log.warning("the job queues are unhealthy: %s", "; ".join(finding.sentence for finding in findings))
        await ctx.emit("job.queue_unhealthy", {"findings": msgspec.to_builtins(findings)})
    due = sum(queue["due"] for queue in status["queues"])
    return QueuesChecked(findings=findings, due=due, running=status["running"])
