"""Runs attempts inside spans of OpenTelemetry."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import msgspec
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from crmd.engine.counting import word_of
from crmd.engine.handling import handle
from crmd.outcome import Forgotten
from crmd.tracing.place import checked_traceparent, span_id_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor

    from crmd.engine.run import Run
    from crmd.engine.services import Services
    from crmd.outcome import Outcome

TROUBLE = {"failed", "dead", "retried", "lease_lost"}
_PROPAGATOR = TraceContextTextMapPropagator()
_wanted: ContextVar[tuple[int, int] | None] = ContextVar("crmd_span_ids", default=None)


class _Ids(IdGenerator):
    """Random ids, but those of an attempt's span, which follow from the job."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()

    def generate_trace_id(self) -> int:
        wanted = _wanted.get()
        return self._random.generate_trace_id() if wanted is None else wanted[0]

    def generate_span_id(self) -> int:
        wanted = _wanted.get()
        return self._random.generate_span_id() if wanted is None else wanted[1]


class Tracer:
    """Makes the spans of a daemon.

    Args:
        processor: Takes them.
        service_name: Of the daemon.
        version: Of crmd.
        sample_share: Of the traces that begin here.
    """

    def __init__(self, processor: SpanProcessor, *, service_name: str, version: str, sample_share: float) -> None:
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(sample_share)),
            resource=Resource.create({"service.name": service_name, "service.version": version}),
            id_generator=_Ids(),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("crmd", version)

    def close(self) -> None:
        """Send what is not sent yet; it may take as long as the collector does."""
        self._provider.shutdown()

    async def handle(self, run: Run, services: Services) -> Outcome:
        """As `crmd.engine.handling.handle`, inside a span that the handler's own are below."""
        span = self._begun(run)
        run.trace = _traceparent(span)
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                outcome = await handle(run, services)
            _tell(span, outcome)
        finally:
            span.end()
        return outcome

    def _begun(self, run: Run) -> trace.Span:
        row, fence = run.row, run.token.fence
        parent = _context(run)
        carried = trace.get_current_span(parent).get_span_context()
        trace_id = carried.trace_id if carried.is_valid else run.token.id.int
        reset = _wanted.set((trace_id, span_id_of(run.token.id, fence)))
        try:
            return self._tracer.start_span(
                run.job_type.name,
                context=parent,
                kind=trace.SpanKind.CONSUMER,
                attributes={
                    "messaging.system": "crmd",
                    "messaging.operation.type": "process",
                    "messaging.destination.name": row["queue"],
                    "messaging.message.id": str(run.token.id),
                    "crmd.job.type": run.job_type.name,
                    "crmd.job.plugin": run.job_type.plugin,
                    "crmd.job.attempt": row["attempt"],
                },
                links=_links(run, trace_id, carried),
            )
        finally:
            _wanted.reset(reset)


def _links(run: Run, trace_id: int, carried: trace.SpanContext) -> Sequence[trace.Link]:
    """To the claim before: the attempt that failed, was given back or was lost."""
    if run.token.fence == 1:
        return ()
    flags = carried.trace_flags if carried.is_valid else trace.TraceFlags(trace.TraceFlags.SAMPLED)
    before = trace.SpanContext(
        trace_id, span_id_of(run.token.id, run.token.fence - 1), is_remote=True, trace_flags=flags
    )
    return (trace.Link(before, {"crmd.link": "previous attempt"}),)


def _context(run: Run) -> Context:
    """What the job brings along; a trace around the daemon's own loops is none of its."""
    meta: Any = run.claimed["meta"]
    text = msgspec.json.decode(meta).get("traceparent") if meta is not None and b"traceparent" in meta else None
    carried = checked_traceparent(text)
    alone = trace.set_span_in_context(trace.INVALID_SPAN)
    return alone if carried is None else _PROPAGATOR.extract({"traceparent": carried}, context=alone)


def _traceparent(span: trace.Span) -> str:
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context=trace.set_span_in_context(span))
    return carrier["traceparent"]


def _tell(span: trace.Span, outcome: Outcome) -> None:
    """What became of it. Of an error only its class: its text may quote anything."""
    word = word_of(outcome)
    span.set_attribute("crmd.job.outcome", word)
    error = None if isinstance(outcome, Forgotten) else outcome.error
    if word in TROUBLE:
        name = "LeaseLost" if error is None else error.name
        span.set_attribute("error.type", name)
        span.set_status(trace.Status(trace.StatusCode.ERROR, name))
