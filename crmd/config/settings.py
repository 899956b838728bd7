"""Every setting of crmd.toml, written once: its name, type, bounds, default and what it means.

docs/configuration.md and the sample crmd.toml are tested against these classes, and the checks of
`crmd.config.validation` read them; nothing else states a default.
"""

from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta, Struct

from crmd.allowed import HOST, URL
from crmd.config.alert_settings import Alerts
from crmd.config.api_settings import Api
from crmd.config.tracing_settings import Tracing
from crmd.secret import Secret

Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0)]
Url = Annotated[str, Meta(pattern=URL, max_length=2000)]
Priority = Literal["critical", "high", "normal", "low"]


class Database(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where PostgreSQL is and how it is spoken to."""

    dsn: Annotated[
        Secret | None,
        Meta(
            description="URL of the database and its servers, `postgresql://…`; without one the embedded server is used"
        ),
    ] = None
    listen_dsn: Annotated[
        Secret | None, Meta(description="direct URL for LISTEN when `dsn` goes through a connection pooler")
    ] = None
    pool_max: Annotated[Count, Meta(description="connections of the plugins' pool, per daemon")] = 10
    connect_timeout_seconds: Annotated[Seconds, Meta(description="how long one connection attempt may take")] = 10.0
    statement_timeout_seconds: Annotated[Seconds, Meta(description="how long one statement may take")] = 10.0
    statement_cache: Annotated[
        bool, Meta(description="keep prepared statements; switch off behind PgBouncer in transaction mode")
    ] = True


class Daemon(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one daemon process behaves."""

    state_dir: Annotated[
        Path | None,
        Meta(
            description="folder for data and keys; default `$STATE_DIRECTORY`, else XDG state, for root /var/lib/crmd"
        ),
    ] = None
    event_loop: Annotated[
        Literal["auto", "asyncio", "uvloop"], Meta(description="auto takes uvloop when it is installed")
    ] = "auto"
    lease_seconds: Annotated[
        float, Meta(ge=3, description="a daemon silent for this long loses its jobs to the others")
    ] = 30.0
    drain_seconds: Annotated[float, Meta(ge=0, description="how long running jobs may finish after a stop request")] = (
        20.0
    )
    poll_max_seconds: Annotated[Seconds, Meta(description="longest wait between two looks at an idle queue")] = 5.0


class Queue(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Room for running jobs in one queue."""

    slots: Annotated[Count, Meta(description="jobs that one daemon runs at a time")] = 32
    slots_fleet: Annotated[
        Count | None, Meta(description="jobs that all daemons together run at a time; none is no bound")
    ] = None
    fair_turns: Annotated[
        bool, Meta(description="workspaces take turns; off: their jobs run in the order of the queue")
    ] = True


class ConcurrencyRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `max` running jobs of a type over all daemons, in all or for each value of a key."""

    max: Annotated[Count, Meta(description="running jobs at a time")]
    per: Annotated[
        str | None,
        Meta(description="`workspace`, `user` or a payload field; each of its values is counted on its own"),
    ] = None
    floor: Annotated[int, Meta(ge=0, description="while fewer run, the turn comes before all others; needs `per`")] = 0
    on_full: Annotated[
        Literal["queue", "cancel_running", "reject_new"], Meta(description="what becomes of new jobs of a full key")
    ] = "queue"


class JobOverride(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the operator changes about one job type; what is left out stays as its plugin declares it."""

    enabled: Annotated[bool, Meta(description="off: jobs of this type wait, its schedule does not fire")] = True
    queue: Annotated[str | None, Meta(description="queue that new jobs go to")] = None
    priority: Annotated[Priority | None, Meta(description="priority of new jobs")] = None
    max_attempts: Annotated[Count | None, Meta(description="attempts before a job is dead")] = None
    timeout_seconds: Annotated[Seconds | None, Meta(description="how long one attempt may run")] = None
    runs_in: Annotated[
        Literal["loop", "thread", "process"] | None, Meta(description="where its jobs run: see docs/isolation.md")
    ] = None
    memory_mib: Annotated[
        Annotated[int, Meta(ge=128)] | None, Meta(description="private memory of a job's process, MiB")
    ] = None
    schedule: Annotated[str | None, Meta(description="five-field cron expression")] = None
    concurrency: Annotated[
        tuple[ConcurrencyRule, ...] | None,
        Meta(description="bounds over all daemons, each `{max = N}` or `{max = N, per = …}`; all must pass"),
    ] = None
    concurrency_per_daemon: Annotated[Count | None, Meta(description="running jobs of this type in one daemon")] = None


class Plugins(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which plugins are loaded. The settings of one plugin stand in `[plugins.<name>]`."""

    enabled: Annotated[tuple[str, ...], Meta(description="names of the plugins to load; nothing else is loaded")] = (
        "crm",
        "gmail",
        "contacts",
        "health",
    )
    on_start_error: Annotated[
        Literal["retry", "disable", "fatal"], Meta(description="what to do with a plugin that does not start")
    ] = "retry"


class Retention(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long finished things are kept."""

    archive_days: Annotated[Count, Meta(description="finished jobs")] = 30
    payload_days: Annotated[Count | None, Meta(description="their payloads; unset: as long as the jobs")] = None
    result_days: Annotated[Count | None, Meta(description="their results; unset: as long as the jobs")] = None
    log_days: Annotated[Count | None, Meta(description="what jobs logged; unset: as long as the jobs")] = None
    event_days: Annotated[Count, Meta(description="events")] = 90
    tick_days: Annotated[Count, Meta(description="proofs that a schedule has fired")] = 30


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged and in which form."""

    format: Annotated[
        Literal["auto", "json", "text", "journald"],
        Meta(description="auto: journald under systemd, text on a terminal, else json"),
    ] = "auto"
    level: Annotated[
        Literal["debug", "info", "warning", "error"], Meta(description="least severity that is logged")
    ] = "info"


class RateLimit(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Changes the rate of one named limit, shared by all daemons."""

    units: Annotated[Count, Meta(description="units granted in each period")]
    per_seconds: Annotated[Seconds, Meta(description="length of the period")] = 1.0
    burst: Annotated[Count | None, Meta(description="units that may be taken at once; none means `units`")] = None


class Provider(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Client credentials at a provider, and its addresses where they differ from the built-in ones."""

    client_id: Annotated[str | None, Meta(description="OAuth client id")] = None
    client_secret: Annotated[Secret | None, Meta(description="OAuth client secret")] = None
    authorize_url: Annotated[Url | None, Meta(description="where a user consents")] = None
    token_url: Annotated[Url | None, Meta(description="where tokens are made and refreshed")] = None
    revoke_url: Annotated[Url | None, Meta(description="where a token is revoked")] = None
    device_url: Annotated[Url | None, Meta(description="where a device code is made")] = None
    api_url: Annotated[Url | None, Meta(description="root of the provider's API")] = None
    batch_url: Annotated[Url | None, Meta(description="address of batch requests")] = None


class Vault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The master key that seals the tokens of connections."""

    master_key: Annotated[
        Secret | None,
        Meta(description="the key itself; better as credential `crmd-master-key` or `$CRMD_MASTER_KEY`"),
    ] = None
    master_key_path: Annotated[Path | None, Meta(description="file that holds the key")] = None


class Webhooks(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Webhooks that tell other systems of events."""

    timeout_seconds: Annotated[
        float, Meta(gt=0, le=50, description="how long a receiver may take to accept a message")
    ] = 20.0
    private_hosts: Annotated[
        tuple[Annotated[str, Meta(pattern=HOST, max_length=260)], ...],
        Meta(description="hosts, as `crm.internal:8080`, that may be told though they are not public or not https"),
    ] = ()


SECTIONS: dict[str, type[Struct]] = {
    "database": Database,
    "daemon": Daemon,
    "log": Log,
    "plugins": Plugins,
    "retention": Retention,
    "vault": Vault,
    "alerts": Alerts,
    "api": Api,
    "webhooks": Webhooks,
    "tracing": Tracing,
}
"""Tables with fixed keys: `[section]`."""

NAMED_SECTIONS: dict[str, type[Struct]] = {
    "queues": Queue,
    "jobs": JobOverride,
    "limits": RateLimit,
    "providers": Provider,
}
"""Tables of tables: `[section.<name>]`, any name."""

FREE_SECTIONS = frozenset({"embedded"})
"""Tables whose keys crmd does not know: `[embedded]` holds PostgreSQL parameters."""

DEFAULT_QUEUES = {"fast": Queue(slots=2048), "normal": Queue(slots=128), "slow": Queue(slots=32)}
"""The queues that always exist; `[queues.<name>]` changes them or adds further ones."""
