"""Settings of traces: `[tracing]` of crmd.toml."""

from typing import Annotated

from msgspec import Meta, Struct

from crmd.allowed import URL
from crmd.secret import Secret

Url = Annotated[str, Meta(pattern=URL, max_length=2000)]
Share = Annotated[float, Meta(ge=0, le=1)]


class Tracing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether attempts are traced by OpenTelemetry, and where the spans go. Read when the daemon starts."""

    endpoint: Annotated[
        Url | None, Meta(description="collector that takes OTLP over HTTP, as `http://localhost:4318`; none: no traces")
    ] = None
    headers: Annotated[Secret | None, Meta(description="headers that it wants, as `name=value,name=value`")] = None
    service_name: Annotated[str, Meta(min_length=1, max_length=200, description="how the daemon is called there")] = (
        "crmd"
    )
    sample_share: Annotated[
        Share, Meta(description="share of the traces that begin here which is kept; others are as their caller decided")
    ] = 1.0
