"""What figures mean: findings from the server's facts, the engine's status and a folder. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from crmd.store.gates import Closed

VERSION_MIN = 150_000
CLOCK_SECONDS_MAX = 5.0
LATENCY_SECONDS_MAX = 0.05
SNAPSHOT_SECONDS_MAX = 900.0
DISK_BYTES_LOW = 2 * 1024**3
DISK_BYTES_MIN = 256 * 1024**2
# Besides the plugins' pool: the control pool, the listener, the heartbeat and one to spare.
OWN_CONNECTIONS = 7
MIB = 1024**2
GATES_SHOWN = 10


def of_server(
    facts: Mapping[str, Any], *, here: datetime, latency_seconds: float, pool_max: int, daemons: int
) -> Iterator[Finding]:
    """What the database server is like.

    Args:
        facts: A row of server_facts.sql.
        here: This machine's clock.
        latency_seconds: Of one round trip.
        pool_max: Connections of the plugins' pool.
        daemons: How many are alive.
    """
    major = facts["version"] // 10_000
    if facts["version"] < VERSION_MIN:
        yield Finding("version", "broken", f"PostgreSQL {major} is too old.", "Upgrade it to 15 or later.")
    else:
        yield Finding("version", "ok", f"PostgreSQL {major}.")
    if facts["is_standby"]:
        yield Finding("role", "broken", "The server is a standby and can't be written.", "Name the primary in the DSN.")
    milliseconds = latency_seconds * 1000
    if latency_seconds > LATENCY_SECONDS_MAX:
        fix = "Move the daemon nearer to its database."
        yield Finding("latency", "warning", f"A round trip takes {milliseconds:.0f} ms.", fix)
    else:
        yield Finding("latency", "ok", f"A round trip takes {milliseconds:.1f} ms.")
    apart = abs((facts["now"] - here).total_seconds())
    if apart > CLOCK_SECONDS_MAX:
        fix = "Let both keep time with NTP; the database's clock decides when jobs run."
        yield Finding("clock", "warning", f"The database's clock and ours are {apart:.0f} s apart.", fix)
    else:
        yield Finding("clock", "ok", "The database's clock agrees with ours.")
    yield _of_room(facts, pool_max, daemons)
    if facts["oldest_snapshot_seconds"] > SNAPSHOT_SECONDS_MAX:
        minutes = facts["oldest_snapshot_seconds"] / 60
        fix = "End it (pg_stat_activity, the oldest backend_xmin): it keeps dead rows and slows every claim."
        yield Finding("old snapshot", "warning", f"A transaction has been open for {minutes:.0f} minutes.", fix)


def _of_room(facts: Mapping[str, Any], pool_max: int, daemons: int) -> Finding:
    needed = (pool_max + OWN_CONNECTIONS) * max(daemons, 1)
    most = facts["connections_max"]
    told = f"The server takes {most} connections, {max(daemons, 1)} daemon(s) may need {needed}."
    if needed > most:
        return Finding("connections", "broken", told, "Raise max_connections, or lower database.pool_max.")
    return Finding("connections", "ok", told)


def of_status(status: Mapping[str, Any]) -> Iterator[Finding]:
    """How the engine stands, from overview_status.sql."""
    alive = [daemon for daemon in status["daemons"] if daemon["is_alive"]]
    if alive:
        yield Finding("daemons", "ok", f"{len(alive)} alive: {', '.join(sorted({d['host'] for d in alive}))}.")
    else:
        yield Finding("daemons", "warning", "No daemon is alive, so no job runs.", "Start one: crmd run")
    due = sum(queue["due"] for queue in status["queues"])
    yield Finding("jobs", "ok", f"{due} due, {status['running']} running.")
    if status["orphaned"]:
        found = f"{status['orphaned']} jobs belong to a daemon that is gone."
        fix = "" if alive else "Start a daemon, which takes them back: crmd run"
        yield Finding("leases", "ok" if alive else "warning", found, fix)
    for dead in status["dead_last_day"]:
        found = f"{dead['jobs']} of {dead['type']} {dead['status']} in the last day: {dead['example']}"
        fix = f"See crmd jobs list --status {dead['status']} --type {dead['type']}; then crmd jobs retry ID"
        yield Finding("dead jobs", "warning", found, fix)
    if status["effects_unknown"]:
        found = f"Of {status['effects_unknown']} nobody knows whether they took place."
        yield Finding("effects", "warning", found, "See crmd effects list --unknown")
    for plugin in status["quarantined"]:
        found = f"{plugin['plugin']} is quarantined, since its jobs crash: {plugin['reason']}"
        fix = f"Mend it and install the new version, or let it try: crmd plugins release {plugin['plugin']}"
        yield Finding("quarantine", "broken", found, fix)
    for name in status["unknown_types"]:
        fix = "Enable its plugin in plugins.enabled, upgrade the daemons, or cancel its jobs."
        found = f"Jobs of {name} wait: no daemon that met them knows it, or the version of their payload."
        yield Finding("job types", "warning", found, fix)
    for schedule in status["schedules_broken"]:
        found = f"{schedule['id']} is set aside: {schedule['error']}"
        yield Finding("schedules", "broken", found, "Mend its expression in [jobs.<name>].")
    if status["schedules_late"] and alive:
        found = f"{status['schedules_late']} are more than five minutes late."
        yield Finding("schedules", "warning", found, "See the daemon's log.")


def of_failovers(status: Mapping[str, Any]) -> Iterator[Finding]:
    """What the failovers of the last day cost, as the daemons found out."""
    for one in status["failovers"]:
        lost = one["claims_lost"] + one["outcomes_lost"] + one["jobs_lost"]
        found = f"To timeline {one['timeline']} at {one['seen_at']}: {one['stopped']} jobs began again"
        if lost == 0:
            yield Finding("failover", "ok", f"{found}, nothing that the daemons knew was lost.")
            continue
        found += f"; lost are {one['claims_lost']} claims, {one['outcomes_lost']} outcomes and {one['jobs_lost']} jobs"
        found += "." if one["is_complete"] else ", and what came before them."
        until = one["kept_until"] or "the failover"
        fix = f"See crmd.failover for their ids. What was enqueued after {until} may be lost, too: enqueue it again."
        yield Finding("failover", "warning", found, fix)


def of_pooler(*, is_pooled: bool, has_cache: bool, has_direct: bool, is_bounded: bool) -> Iterator[Finding]:
    """What lies between here and the server.

    Args:
        is_pooled: Whether `database.dsn` leads through a pooler.
        has_cache: `database.statement_cache`.
        has_direct: Whether `database.listen_dsn` is set.
        is_bounded: Whether statements have a bound on the server.
    """
    if not is_pooled:
        return
    if has_cache:
        found = "The DSN leads through a pooler, and prepared statements are kept."
        yield Finding("pooler", "broken", found, "Set database.statement_cache = false.")
        return
    if has_direct:
        yield Finding("pooler", "ok", "The DSN leads through a pooler, database.listen_dsn past it.")
    else:
        found = "The DSN leads through a pooler, so wake-ups come by polling."
        yield Finding("pooler", "warning", found, "Give database.listen_dsn a direct URL.")
    if not is_bounded:
        found = "Statements have no bound on the server, and a pooler lets no client set one."
        yield Finding("pooler", "warning", found, "Give the role some: see docs/operations.md, behind PgBouncer.")


def of_projections(status: Mapping[str, Any]) -> Iterator[Finding]:
    """Tables that follow from events, and no longer do."""
    for one in status["projections_stalled"]:
        found = f"{one['name']} stands still: {one['error']}"
        yield Finding("projections", "broken", found, "Mend its fold and install the new version of its plugin.")


def of_gates(closed: Sequence[Closed]) -> Iterator[Finding]:
    """What keeps jobs and requests back; the connections tell of their own gates."""
    for gate in [gate for gate in closed if not gate.key.startswith("connection/")][:GATES_SHOWN]:
        until = "until somebody opens it" if gate.wait_seconds is None else f"for {gate.wait_seconds:.0f} s"
        yield Finding(f"gate {gate.key}", "warning", f"It is closed {until}: {gate.reason}.", "See crmd rates gates")


def of_connections(status: Mapping[str, Any]) -> Iterator[Finding]:
    """The accounts at providers."""
    for account in status["connections"]:
        name = f"{account['provider']} {account['account']}"
        again = f"crmd connections add {account['provider']} --workspace {account['workspace_id']}"
        match account["state"]:
            case "needs_reauth":
                fix = f"Consent again: {again} --account {account['account']}"
                yield Finding(name, "broken", f"It needs a new consent: {account['last_error']}.", fix)
            case "disabled":
                fix = f"Let it work again: crmd connections enable {account['id']}"
                yield Finding(name, "warning", "It is disabled.", fix)
            case state:
                ago = account["synced_seconds"]
                synced = "never synced" if ago is None else f"synced {ago // 60} minutes ago"
                yield Finding(name, "ok", f"It is {state}, {synced}.")


def of_disk(place: str, free_bytes: int) -> Finding:
    """The room where the data is kept."""
    found = f"{free_bytes // MIB:,} MiB free at {place}."
    if free_bytes < DISK_BYTES_MIN:
        return Finding("disk", "broken", found, "Make room: PostgreSQL stops when none is left.")
    if free_bytes < DISK_BYTES_LOW:
        return Finding("disk", "warning", found, "Make room soon.")
    return Finding("disk", "ok", found)
