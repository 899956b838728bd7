"""crmd, the background half of a CRM in one daemon: the front door, which is all that a plugin may import.

import crmd

@crmd.job("say-hello", schedule="*/5 * * * *")
async def say_hello(ctx: crmd.Context) -> None:
    ctx.log.info("hello")
"""

from importlib import import_module
from typing import TYPE_CHECKING

from crmd.awaited import AwaitedEvent, ChildFailed, ChildOutcome
from crmd.backoff import Backoff
from crmd.context import Context, Enqueuing, Statements, Transaction
from crmd.durable import Durable
from crmd.effecting import Effect, Effecting
from crmd.emitting import Emitting
from crmd.enqueue_options import EnqueueOptions
from crmd.errors import (
    CrmdError,
    EffectRefused,
    EffectUnknown,
    FailJob,
    GateClosed,
    JobError,
    LeaseLost,
    NotAccepted,
    RetryJob,
    Veto,
)
from crmd.event import Event, EventMetadata
from crmd.event_handler import SyncHandler, on_event
from crmd.health_check import HealthCheck
from crmd.hookspecs import hookimpl
from crmd.isolation import Isolation
from crmd.job_type import JobType, job
from crmd.model import (
    At,
    Cancel,
    Concurrency,
    Enqueued,
    Job,
    NoPayload,
    Payload,
    Priority,
    Schedule,
    Snooze,
    Status,
    Unique,
)
from crmd.projection import Projection
from crmd.sample import Sample, Scene
from crmd.scheduling import NewSchedule, Schedules, Scheduling
from crmd.store.queries import Queries, load_queries
from crmd.trigger import Trigger

if TYPE_CHECKING:
    from crmd.client import cancel, emit, enqueue, enqueue_many
    from crmd.connections.account import Account
    from crmd.connections.client import ConnectionClient
    from crmd.connections.provider import Provider
    from crmd.http.gate import Gate
    from crmd.http.limiter import Rate
    from crmd.http.posting import posting
    from crmd.http.response import Response, served_at
    from crmd.http.retry import OutcomeUnknown
    from crmd.http.verdict import AuthExpired, Final, RateLimited, Retryable, Verdict, classify
    from crmd.store.schedules import move_subject, schedule, unschedule
    from crmd.webhook_signature import Webhook, WebhookRefused, verify_webhook

__version__ = "0.1.0"

# Imported when asked for: they bring the HTTP stack, which no command needs before its first output.
_LATER = {
    "Account": "crmd.connections.account",
    "AuthExpired": "crmd.http.verdict",
    "ConnectionClient": "crmd.connections.client",
    "Final": "crmd.http.verdict",
    "Gate": "crmd.http.gate",
    "OutcomeUnknown": "crmd.http.retry",
    "Provider": "crmd.connections.provider",
    "Rate": "crmd.http.limiter",
    "RateLimited": "crmd.http.verdict",
    "Response": "crmd.http.response",
    "Retryable": "crmd.http.verdict",
    "Verdict": "crmd.http.verdict",
    "Webhook": "crmd.webhook_signature",
    "WebhookRefused": "crmd.webhook_signature",
    "cancel": "crmd.client",
    "classify": "crmd.http.verdict",
    "emit": "crmd.client",
    "enqueue": "crmd.client",
    "enqueue_many": "crmd.client",
    "move_subject": "crmd.store.schedules",
    "posting": "crmd.http.posting",
    "schedule": "crmd.store.schedules",
    "served_at": "crmd.http.response",
    "unschedule": "crmd.store.schedules",
    "verify_webhook": "crmd.webhook_signature",
}

__all__ = [
    "Account",
    "At",
    "AuthExpired",
    "AwaitedEvent",
    "Backoff",
    "Cancel",
    "ChildFailed",
    "ChildOutcome",
    "Concurrency",
    "ConnectionClient",
    "Context",
    "CrmdError",
    "Durable",
    "Effect",
    "EffectRefused",
    "EffectUnknown",
    "Effecting",
    "Emitting",
    "EnqueueOptions",
    "Enqueued",
    "Enqueuing",
    "Event",
    "EventMetadata",
    "FailJob",
    "Final",
    "Gate",
    "GateClosed",
    "HealthCheck",
    "Isolation",
    "Job",
    "JobError",
    "JobType",
    "LeaseLost",
    "NewSchedule",
    "NoPayload",
    "NotAccepted",
    "OutcomeUnknown",
    "Payload",
    "Priority",
    "Projection",
    "Provider",
    "Queries",
    "Rate",
    "RateLimited",
    "Response",
    "RetryJob",
    "Retryable",
    "Sample",
    "Scene",
    "Schedule",
    "Schedules",
    "Scheduling",
    "Snooze",
    "Statements",
    "Status",
    "SyncHandler",
    "Transaction",
    "Trigger",
    "Unique",
    "Verdict",
    "Veto",
    "Webhook",
    "WebhookRefused",
    "cancel",
    "classify",
    "emit",
    "enqueue",
    "enqueue_many",
    "hookimpl",
    "job",
    "load_queries",
    "move_subject",
    "on_event",
    "posting",
    "schedule",
    "served_at",
    "unschedule",
    "verify_webhook",
]


def __getattr__(name: str) -> object:
    if name not in _LATER:
        raise AttributeError(f"crmd has no {name}")
    value = getattr(import_module(_LATER[name]), name)
    globals()[name] = value
    return value
