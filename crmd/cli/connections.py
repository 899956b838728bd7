"""`crmd connections`: list, test, stop and remove accounts at providers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crmd.cli.acting import acting
from crmd.cli.asking import bounds_of, only_one, workspace_of
from crmd.cli.attached import on_database
from crmd.cli.probing import probe
from crmd.cli.screen import show_record, show_rows
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.composition import opened
from crmd.connections import keeping
from crmd.connections.account import Account
from crmd.connections.account import listed as accounts_of
from crmd.errors import CrmdError, ExitCode

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Awaitable, Callable

    from crmd.config.loading import Config
    from crmd.store.pools import Pool

COLUMNS = {
    "id": "id",
    "provider": "provider",
    "account": "account",
    "state": "state",
    "workspace_id": "workspace",
    "last_synced_at": "last synced",
    "last_error": "last error",
}


def listed(arguments: Namespace) -> int:
    """List connections with their state."""

    async def work(pool: Pool, _config: Config) -> int:
        workspace_id = workspace_of(arguments.workspace)
        found = await accounts_of(pool, workspace_id=workspace_id, provider=arguments.provider)
        rows = [as_record(account) for account in found]
        show_rows(rows, COLUMNS, is_json=arguments.is_json, empty="No connections yet: crmd connections add --help")
        return ExitCode.OK

    return on_database(arguments, work)


def test(arguments: Namespace) -> int:
    """Ask the provider whether a connection works."""
    log_quietly(arguments)
    config = configured(arguments)

    async def work() -> int:
        async with opened(config) as everything:
            account = await _account(everything.pools.control, arguments.id)
            told = await probe(everything, account)
            record = {"id": account.id, "account": account.account, "works": True, "provider_says": told}
            show_record(record, is_json=arguments.is_json)
            return ExitCode.OK

    return in_loop(config, work)


def disable(arguments: Namespace) -> int:
    """Stop a connection: its jobs wait."""

    async def work(pool: Pool, account: Account) -> str:
        await keeping.disable(pool, account)
        return "disabled"

    return _change(arguments, "connections.disable", work)


def enable(arguments: Namespace) -> int:
    """Let a disabled connection work again."""

    async def work(pool: Pool, account: Account) -> str:
        if not await keeping.enable(pool, account):
            again = f"crmd connections add {account.provider} --workspace {account.workspace_id} --account"
            hint = f"Consent again: {again} {account.account}" if account.state == "needs_reauth" else ""
            raise CrmdError(f"Connection {account.id} is not disabled, it is {account.state}.", hint=hint)
        return "active"

    return _change(arguments, "connections.enable", work)


def remove(arguments: Namespace) -> int:
    """Forget a connection."""

    async def work(pool: Pool, account: Account) -> str:
        await keeping.forget(pool, account)
        return "removed"

    return _change(arguments, "connections.remove", work)


def as_record(account: Account) -> dict[str, Any]:
    """The account as rows are shown."""
    record: dict[str, Any] = msgspec.to_builtins(account)
    return record | {"last_synced_at": account.last_synced_at}


def _change(arguments: Namespace, action: str, work: Callable[[Pool, Account], Awaitable[str]]) -> int:
    async def reach(pool: Pool, _config: Config) -> int:
        account = await _account(pool, arguments.id)
        async with acting(pool, action, account.id, workspace_id=account.workspace_id):
            state = await work(pool, account)
        show_record({"id": account.id, "account": account.account, "state": state}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, reach)


async def _account(pool: Pool, prefix: str) -> Account:
    first, last = bounds_of(prefix, "connection")
    found = [account for account in await accounts_of(pool) if first <= account.id <= last]
    return only_one(found, prefix, "connection")
