"""Makes a tracer where the settings name a collector."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

import crmd
from crmd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.config import tracing_settings
    from crmd.engine.services import Tracing
    from crmd.tracing.tracer import Tracer

_LOG = logging.getLogger("crmd.tracing")
EXPORT_SECONDS = 5.0
CLOSE_SECONDS = 5.0


def tracer_of(settings: tracing_settings.Tracing) -> Tracer | None:
    """The tracer; None: nothing is traced, and nothing of OpenTelemetry is loaded.

    Raises:
        ConfigError: It is not installed, or the headers are none.
    """
    if settings.endpoint is None:
        return None
    headers = headers_of(settings)
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - only who traces pays for it
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 - the same

        from crmd.tracing.tracer import Tracer  # noqa: PLC0415 - the same
    except ImportError as error:
        raise ConfigError(
            "tracing.endpoint is set, and OpenTelemetry is not installed.", hint="pip install 'crmd[otel]'"
        ) from error
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.endpoint.rstrip('/')}/v1/traces", headers=dict(headers), timeout=EXPORT_SECONDS
    )
    return Tracer(
        BatchSpanProcessor(exporter),
        service_name=settings.service_name,
        version=crmd.__version__,
        sample_share=settings.sample_share,
    )


def headers_of(settings: tracing_settings.Tracing) -> Mapping[str, str]:
    """The headers, by name.

    Raises:
        ConfigError: They are not written as `name=value,name=value`.
    """
    text = "" if settings.headers is None else settings.headers.reveal()
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if any(not (name.strip() and middle and value.isprintable()) for name, middle, value in pairs):
        raise ConfigError("tracing.headers is not written as name=value,name=value.")
    return {name.strip(): value.strip() for name, _, value in pairs}


async def closed(tracer: Tracing) -> None:
    """Send what is left, though not for long: the daemon is to end."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(CLOSE_SECONDS) as limit:
        await anyio.to_thread.run_sync(tracer.close, abandon_on_cancel=True)
    if limit.cancelled_caught:
        _LOG.warning("the last spans were not sent; the collector did not take them in time")
