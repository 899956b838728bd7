"""Settings of the REST API: `[api]` of crmd.toml."""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from crmd.allowed import URL
from crmd.secret import Secret

Count = Annotated[int, Meta(ge=1)]
Url = Annotated[str, Meta(pattern=URL, max_length=2000)]


class Api(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The REST API, the live streams and the dashboard."""

    listen: Annotated[
        str,
        Meta(
            description="address and port, or `off`. A public address needs `tls_cert_path` or `behind_proxy`",
        ),
    ] = "127.0.0.1:8471"
    tls_cert_path: Annotated[Path | None, Meta(description="certificate chain (PEM), for https")] = None
    tls_key_path: Annotated[Path | None, Meta(description="its private key (PEM)")] = None
    behind_proxy: Annotated[
        bool, Meta(description="a reverse proxy in front does TLS, so a public address is fine")
    ] = False
    public_url: Annotated[
        Url | None, Meta(description="where browsers reach the API, for the way back from a consent; unset: as asked")
    ] = None
    requests_per_minute: Annotated[Count, Meta(description="requests of one key or user, per daemon")] = 600
    jobs_running_max: Annotated[
        Count, Meta(description="unfinished jobs that callers of one workspace may have made through the API")
    ] = 5
    jobs_per_hour_max: Annotated[Count, Meta(description="jobs that one user may make in an hour")] = 10
    ids_max: Annotated[Count, Meta(description="ids in one list of a payload")] = 1000
    streams_per_key_max: Annotated[Count, Meta(description="open live streams of one key or user, per daemon")] = 100
    streams_max: Annotated[Count, Meta(description="open live streams of one daemon")] = 5000
    metrics: Annotated[
        Literal["loopback", "key", "open"],
        Meta(description="who reads /metrics without a key: this machine (unless `behind_proxy`), nobody, everybody"),
    ] = "loopback"
    jwt_secret: Annotated[Secret | None, Meta(description="shared secret of tokens signed with HS256")] = None
    jwks_url: Annotated[Url | None, Meta(description="where the public keys of tokens are (RS256, ES256)")] = None
    jwt_issuer: Annotated[str | None, Meta(description="`iss` that tokens must have")] = None
    jwt_audience: Annotated[str | None, Meta(description="`aud` that tokens must have")] = None
    jwt_workspace_claim: Annotated[
        str, Meta(description="claim that holds the workspace; dots lead inside: `app_metadata.workspace_id`")
    ] = "workspace_id"
    jwt_scopes: Annotated[
        tuple[Literal["read", "enqueue", "manage"], ...], Meta(description="what users with a token may do")
    ] = ("read", "enqueue")
    jwt_job_types: Annotated[
        tuple[str, ...] | None, Meta(description="job types that users with a token may start; none is all")
    ] = None
