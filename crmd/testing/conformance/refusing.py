"""Rule `payload`: what does not fit is refused with its path; what a loose type lets through must not crash."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crmd.errors import UsageError
from crmd.outcome import Ended, Requeued
from crmd.testing.conformance.payload_faults import UNKNOWN, spoilt
from crmd.testing.conformance.place import place_of_handler
from crmd.testing.conformance.rule import Finding

if TYPE_CHECKING:
    from crmd.job_type import JobType
    from crmd.testing.conformance.trial import Trials
    from crmd.testing.conformance.undisturbed import Undisturbed

# Of payloads that fit although they should not, so many are tried.
TRIED_MAX = 4
# What a handler may raise on purpose.
ORDERS = frozenset({"RetryJob", "GateClosed", "OutcomeUnknown", "Snooze", "LeaseLost"})


async def refuses_payloads(trials: Trials, base: Undisturbed) -> Finding:
    """Try payloads that do not fit."""
    job_type = base.job_type
    async with trials.fresh() as trial:
        payload = msgspec.json.decode(job_type.encode(trial.payload))
    tried = 0
    for name, wrong in spoilt(job_type, payload):
        what = _refusal(job_type, name, wrong)
        if what is None and tried < TRIED_MAX:
            tried += 1
            what = await _crash(trials, name, wrong)
        if what:
            return Finding("payload", "fail", job_type.name, what, place_of_handler(job_type))
    return Finding("payload", "pass", job_type.name)


def _refusal(job_type: JobType, name: str, wrong: dict[str, Any]) -> str | None:
    """What is wrong with how it is refused; "" when it is refused well, None when it is taken."""
    try:
        job_type.encode(wrong)
    except UsageError as error:
        return "" if name in str(error) else f"the refusal of a wrong {name} does not name it: {error}"
    return (
        f"unknown fields are taken; derive {job_type.payload_type.__name__} from crmd.Payload"
        if name == UNKNOWN
        else None
    )


async def _crash(trials: Trials, name: str, wrong: dict[str, Any]) -> str:
    async with trials.fresh() as trial:
        if not await trial.enqueue(wrong):
            return ""
        attempt = await trial.attempt()
    match attempt.outcome:
        case Ended("dead", _, fault) | Requeued(error=fault) if fault is not None and fault.name not in ORDERS:
            return (
                f"{name}={msgspec.json.encode(wrong.get(name)).decode()[:60]} crashes it: {fault.name}: {fault.message}"
            )
        case _:
            return ""
