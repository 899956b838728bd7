"""`crmd keys`: keys of the REST API are made, listed and revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.cli.acting import acting, actor
from crmd.cli.asking import workspace_of
from crmd.cli.attached import on_database
from crmd.cli.enqueue import seconds_of
from crmd.cli.screen import say, show_record, show_rows
from crmd.errors import ExitCode, UsageError
from crmd.store import api_keys

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

COLUMNS = {
    "id": "id",
    "client": "client",
    "scopes": "scopes",
    "workspace_id": "workspace",
    "job_types": "job types",
    "last_used_at": "last used",
    "expires_at": "ends",
    "revoked_at": "revoked",
}
DEFAULT_SCOPES = ("read", "enqueue")
CLIENT_MAX = 100


def listed(arguments: Namespace) -> int:
    """List keys."""

    async def work(pool: Pool, _config: Config) -> int:
        rows = [dict(row) for row in await api_keys.listed(pool, is_all=getattr(arguments, "is_all", False))]
        show_rows(rows, COLUMNS, is_json=arguments.is_json, empty="There are no keys; make one: crmd keys create NAME")
        return ExitCode.OK

    return on_database(arguments, work)


def create(arguments: Namespace) -> int:
    """Make a key."""
    if not 0 < len(arguments.client) <= CLIENT_MAX:
        raise UsageError(f"A client's name has 1 to {CLIENT_MAX} characters.")
    new = api_keys.NewKey(
        client=arguments.client,
        scopes=arguments.scope or DEFAULT_SCOPES,
        workspace_id=workspace_of(arguments.workspace),
        job_types=arguments.job_types,
        seconds=None if arguments.lives is None else seconds_of(arguments.lives),
        created_by=actor(),
    )

    async def work(pool: Pool, _config: Config) -> int:
        async with acting(
            pool, "keys.create", new.client, workspace_id=new.workspace_id, scopes=list(new.scopes)
        ) as found:
            key = await api_keys.create(pool, new)
            found["key"] = key.split("_")[1]
        if arguments.is_json:
            show_record({"key": key, "id": key.split("_")[1], "client": new.client, "scopes": new.scopes}, is_json=True)
        else:
            print(key)  # noqa: T201 - the answer itself, for a pipe
            say("Keep it: it is not shown again.")
        return ExitCode.OK

    return on_database(arguments, work)


def revoke(arguments: Namespace) -> int:
    """End a key."""
    key_id = arguments.id.split("_")[1] if arguments.id.startswith("crmd_") and "_" in arguments.id else arguments.id

    async def work(pool: Pool, _config: Config) -> int:
        async with acting(pool, "keys.revoke", key_id) as found:
            client = await api_keys.revoke(pool, key_id)
            if client is None:
                raise UsageError(f"There is no key {key_id!r} that is alive.", hint="`crmd keys list` shows them.")
            found["client"] = client
        show_record({"id": key_id, "client": client, "is_revoked": True}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)
