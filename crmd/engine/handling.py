"""Runs one handler under its scope and says what becomes of the job."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import math
import random
from contextvars import ContextVar
from typing import TYPE_CHECKING

import anyio

from crmd.clock import boot_seconds
from crmd.engine.fault_record import words_of
from crmd.engine.job_context import JobContext
from crmd.errors import FailJob, UsageError
from crmd.log.fields import fields_from
from crmd.model import NoPayload
from crmd.outcome import (
    DONE,
    Decided,
    Ended,
    Fault,
    Forgotten,
    Happened,
    Raised,
    Requeued,
    Returned,
    Stop,
    Stopped,
    Try,
    decide,
)
from crmd.stored_text import encode_bounded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.engine.run import Run
    from crmd.engine.services import Services
    from crmd.outcome import Outcome

_LOG = logging.getLogger("crmd.jobs")

current_run: ContextVar[Run | None] = ContextVar("crmd_run", default=None)
"""The job that the running task works for; log lines read it."""


def _fields_of_run() -> Mapping[str, object]:
    run = current_run.get()
    if run is None:
        return {}
    row = run.row
    return {
        "job_id": row.get("id"),
        "job_type": run.job_type.name,
        "attempt": row.get("attempt"),
        "plugin": run.job_type.plugin,
        "workspace_id": row.get("workspace_id"),
    }


fields_from(_fields_of_run)


async def handle(run: Run, services: Services) -> Outcome:
    """Run the handler of `run`, unless it was stopped before it began. Raises only when cancelled from outside.

    The scope in which `run` can be cancelled is the caller's; it may serve many jobs, one after the other.
    """
    current_run.set(run)
    if run.stop is not None:
        return _outcome(run, services, Stopped(run.stop, run.reason))
    job_type = run.job_type
    run.started = run.started or boot_seconds()
    run.deadline = run.started + job_type.timeout_seconds
    try:
        context = JobContext(run, services)
        if job_type.payload_type is NoPayload:
            value = await job_type.handler(context)
        else:
            value = await job_type.handler(context, job_type.decode(run.claimed["payload"], run.claimed["meta"]))
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:
        if _is_cancelled_from_outside(run, error):
            raise
        return _outcome(run, services, _raised(run, error))
    if value is None and run.stop is None:  # as most do
        return DONE
    return _outcome(run, services, value if isinstance(value, Decided) else Returned(value))


def _raised(run: Run, error: BaseException) -> Happened:
    """Whatever a plugin raises is the job's outcome, sys.exit() and a cancellation of its own making too.

    Unless it was told to stop: then the error is but the noise of its stopping.
    """
    if isinstance(error, UsageError):  # a payload that does not fit never will
        return Raised(FailJob(str(error)))
    return Raised(error) if run.stop is None else Stopped(run.stop, run.reason)


def _outcome(run: Run, services: Services, happened: Happened) -> Outcome:
    if isinstance(happened, Decided):  # and told, where it was decided
        outcome = Forgotten() if run.stop is Stop.LEASE_LOST else happened.outcome
        _charge(outcome, run, services)
        return outcome
    try:
        outcome = services.pardons.outcome(run, happened) or decided(run, happened)
    except Exception as error:  # noqa: BLE001 - an order without sense, as Snooze("soon"), must not end the daemon
        outcome = Ended("failed", error=Fault("OutcomeNotUsable", f"what it answered is of no use: {error!r}"))
    _report(outcome, happened)
    _charge(outcome, run, services)
    return outcome


def _is_cancelled_from_outside(run: Run, error: BaseException) -> bool:
    """Whether a scope around the job is cancelled. A handler's own cancellation would end the drainer unnoticed."""
    is_cancelled = run.stop is None and isinstance(error, asyncio.CancelledError)
    return is_cancelled and anyio.current_effective_deadline() == -math.inf


def decided(run: Run, happened: Happened) -> Outcome:
    """What becomes of `run`; a result is encoded."""
    if run.stop is Stop.LEASE_LOST:
        happened = Stopped(Stop.LEASE_LOST)
    outcome = decide(
        happened,
        Try(
            attempt=run.row["attempt"],
            max_attempts=run.row["max_attempts"],
            backoff=run.job_type.backoff,
            chance=random.random(),  # noqa: S311 - jitter, not a secret
            timeout_seconds=run.job_type.timeout_seconds,
        ),
    )
    if not isinstance(outcome, Ended) or outcome.result is None:
        return outcome
    try:
        return dataclasses.replace(outcome, result=encode_bounded(outcome.result))
    except (TypeError, ValueError, RecursionError) as error:
        return Ended("failed", error=Fault("ResultNotStorable", f"the handler's result has no JSON form: {error}"))


def _charge(outcome: Outcome, run: Run, services: Services) -> None:
    """A failed attempt is the plugin's, by the class of its error; what the job was told from outside is not."""
    is_failed = isinstance(outcome, Ended) and outcome.status in {"failed", "dead"}
    is_again = isinstance(outcome, Requeued) and not outcome.is_attempt_given_back
    if (is_failed or is_again) and not isinstance(outcome, Forgotten) and outcome.error is not None:
        services.blame.failed(run.job_type.plugin, outcome.error.name)


def _report(outcome: Outcome, happened: Happened) -> None:
    """One line for what an operator should know; nothing for a job that went well."""
    error = happened.error if isinstance(happened, Raised) else None
    expected = error is None or isinstance(error, FailJob)
    if isinstance(outcome, Ended) and outcome.status in {"failed", "dead"} and outcome.error is not None:
        name, words = outcome.error.name, words_of(outcome.error)
        _LOG.error("%s: %s: %s", outcome.status, name, words, exc_info=None if expected else error)
    elif isinstance(outcome, Requeued) and not outcome.is_attempt_given_back and outcome.error is not None:
        name, words = outcome.error.name, words_of(outcome.error)
        _LOG.warning("tries again in %.1f s: %s: %s", outcome.delay_seconds, name, words)
