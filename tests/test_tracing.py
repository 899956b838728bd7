from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import pytest
import sample_jobs
from aiohttp import web
from api_server import api_over
from hypothesis import given
from hypothesis import strategies as st

from crmd.config.tracing_settings import Tracing
from crmd.errors import ConfigError
from crmd.secret import Secret
from crmd.tracing.place import checked_traceparent, span_id_of
from crmd.tracing.setup import closed, headers_of, tracer_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from crmd.testing import Workbench

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is not installed: pip install 'crmd[otel]'")
pytestmark = pytest.mark.crmd_plugins(sample_jobs)
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def spans(workbench: Workbench) -> Iterator[InMemorySpanExporter]:
    """The spans of the workbench's attempts, as they end."""
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: PLC0415 - where it is installed
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: PLC0415 - the same

    from crmd.tracing.tracer import Tracer  # noqa: PLC0415 - the same

    exporter = InMemorySpanExporter()
    tracer = Tracer(SimpleSpanProcessor(exporter), service_name="test", version="1", sample_share=1.0)
    workbench.everything.services.tracer = tracer
    yield exporter
    tracer.close()


def ids(span: ReadableSpan) -> tuple[str, str, str | None]:
    """Trace, span and parent, in hexadecimal."""
    context = span.get_span_context()
    assert context is not None
    parent = None if span.parent is None else f"{span.parent.span_id:016x}"
    return f"{context.trace_id:032x}", f"{context.span_id:016x}", parent


async def test_a_trace_goes_from_the_request_through_the_job_to_its_children(
    workbench: Workbench, spans: InMemorySpanExporter
) -> None:
    """A job of the API is below the request's span, and what it starts is below its own, all in one trace."""
    async with api_over(workbench) as api:
        body = {"type": "fans-out", "payload": {"number": 2}}
        made = await api.ask("POST", f"/api/workspaces/{uuid4()}/jobs", body, traceparent=f"00-{TRACE}-{SPAN}-01")
        assert made.status == 201
    await workbench.drain()
    [parent] = [ids(span) for span in spans.get_finished_spans() if span.name == "fans-out"][:1]
    children = [ids(span) for span in spans.get_finished_spans() if span.name == "add-one"]
    assert (parent[0], parent[2]) == (TRACE, SPAN)
    assert len(children) == 2
    assert {(trace, below) for trace, _, below in children} == {(TRACE, parent[1])}


async def test_attempts_of_a_job_are_one_trace_and_linked(workbench: Workbench, spans: InMemorySpanExporter) -> None:
    """A job without a trace has its own id as one; each attempt links to the one before, and says how it ended."""
    job_id = (await workbench.enqueue("fails-twice")).id
    await workbench.drain(is_time_moved=True)
    found = spans.get_finished_spans()
    assert [ids(span)[0] for span in found] == [job_id.hex] * 3
    assert [ids(span)[2] for span in found] == [None] * 3
    assert [int(ids(span)[1], 16) for span in found] == [span_id_of(job_id, fence) for fence in (1, 2, 3)]
    links = [[f"{link.context.span_id:016x}" for link in span.links] for span in found]
    assert links == [[], [ids(found[0])[1]], [ids(found[1])[1]]]
    told = [dict(span.attributes or {}) for span in found]
    assert [one["crmd.job.outcome"] for one in told] == ["retried", "retried", "completed"]
    assert [one["crmd.job.attempt"] for one in told] == [1, 2, 3]
    assert [span.status.is_ok for span in found] == [False, False, True]


async def test_no_text_of_a_job_is_in_a_span(workbench: Workbench, spans: InMemorySpanExporter) -> None:
    """Of an error a span has its class, and neither its text nor the payload nor the workspace."""
    await workbench.enqueue("always-fails")
    await workbench.run_job("add-one", {"number": 987654321})
    await workbench.drain()
    text = "".join(span.to_json() for span in spans.get_finished_spans())
    [failed] = [span for span in spans.get_finished_spans() if span.name == "always-fails"]
    assert failed.status.description == (failed.attributes or {})["error.type"]
    assert not failed.events
    row = await workbench.everything.pools.plugins.fetchrow("SELECT errors FROM crmd.job WHERE type = 'always-fails'")
    assert row is not None
    for secret in ("987654321", str(workbench.workspace_id), row["errors"][0]["message"]):
        assert secret not in text


def test_nothing_is_loaded_where_nothing_is_traced() -> None:
    """A daemon without a collector in its settings never imports OpenTelemetry."""
    code = "import sys, crmd.daemon, crmd.cli.run; print([one for one in sys.modules if 'opentelemetry' in one])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert tracer_of(Tracing()) is None


async def test_spans_arrive_at_a_collector(workbench: Workbench) -> None:
    """Spans are posted to the collector's /v1/traces with the headers of the settings, at the latest at the end."""
    taken: list[tuple[str, str | None, bytes]] = []

    async def take(request: web.Request) -> web.Response:
        taken.append((request.path, request.headers.get("x-team"), await request.read()))
        return web.Response(body=b"", content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    tracer = tracer_of(Tracing(endpoint=url, headers=Secret("x-team=crm"), service_name="crm-daemon"))
    assert tracer is not None
    workbench.everything.services.tracer = tracer
    await workbench.run_job("add-one", {"number": 1})
    await closed(tracer)
    await runner.cleanup()
    [(path, team, body)] = taken
    assert (path, team) == ("/v1/traces", "crm")
    assert b"crm-daemon" in body
    assert b"add-one" in body


@pytest.mark.parametrize("text", ["x", "a=b,c", "=b", "a=b\nc: d"])
def test_headers_that_are_none_are_refused(text: str) -> None:
    """Headers have to be pairs without line breaks; the error does not repeat them."""
    with pytest.raises(ConfigError) as caught:
        headers_of(Tracing(endpoint="http://x", headers=Secret(text)))
    assert text not in str(caught.value)


@given(st.text(max_size=80))
def test_only_a_traceparent_is_taken_for_one(text: str) -> None:
    """Whatever a caller writes there, only a header of W3C's form with ids goes into a job."""
    assert checked_traceparent(text) is None
    assert checked_traceparent(f"00-{TRACE}-{SPAN}-01") is not None
    assert checked_traceparent(f"00-{'0' * 32}-{SPAN}-01") is None
    assert checked_traceparent(f"00-{TRACE}-{SPAN}-01\n{text}") is None


def test_ids_of_spans_differ_by_claim() -> None:
    """Each claim of each job has an id of its own, which every daemon finds alike."""
    made = {span_id_of(UUID(int=job), fence) for job in range(50) for fence in range(1, 20)}
    assert len(made) == 50 * 19
    assert span_id_of(UUID(int=1), 1) == span_id_of(UUID(int=1), 1)
