"""Access tokens: from the vault while they last, else refreshed, with one winner over all daemons.

The winner holds a lock on the connection's refresh token for as long as the provider takes to answer, and stores what
it got in the commit that frees the lock, before anybody uses it. Whoever comes second finds the new token and asks
nobody. A provider that rotates refresh tokens so never sees one twice.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, assert_never
from weakref import WeakValueDictionary

import anyio
import asyncpg

from crmd.clock import boot_seconds
from crmd.connections import oauth
from crmd.connections.oauth import TOKEN_DEADLINE_SECONDS, Grant, Refusal, Trouble
from crmd.connections.provider import ClientCredentials
from crmd.connections.token import Token, lasts, token_of
from crmd.connections.vault import secret_place
from crmd.errors import FailJob, GateClosed, RetryJob
from crmd.store import connections as store
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crmd.connections.account import Account
    from crmd.connections.provider import Provider
    from crmd.connections.vault import Vault
    from crmd.http.client import GuardedClient
    from crmd.secret import Secret

log = logging.getLogger(__name__)
LOCK_SECONDS = TOKEN_DEADLINE_SECONDS + 10.0
"""A refresh transaction lives no longer; the server ends it then, whatever has become of us."""
ACQUIRE_SECONDS = 10.0
REFRESHES_MAX = 2
"""Refreshes at a time per daemon: each holds a database connection while the provider answers."""


class Tokens:
    """Gives out access tokens of connections.

    Args:
        pool: The engine's.
        http: Client for the operator's addresses.
        vault: Opens and seals what is stored.
        credentials: The settings' OAuth clients by provider name, for connections without one of their own.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        *,
        http: GuardedClient,
        vault: Vault,
        credentials: Mapping[str, ClientCredentials],
    ) -> None:
        self._pool = pool
        self._http = http
        self._vault = vault
        self._credentials = credentials
        self._turns: WeakValueDictionary[str, anyio.Lock] = WeakValueDictionary()
        self._refreshes = anyio.Semaphore(REFRESHES_MAX)

    async def current(self, account: Account, provider: Provider) -> Token:
        """A token that is good for some minutes, refreshed first when it is not.

        Raises:
            GateClosed: Only a new consent helps.
            FailJob: An operator has to mend the OAuth client.
            RetryJob: The provider does not answer, or another daemon is at it.
        """
        stored = await store.secrets(self._pool, account.workspace_id, account.id)
        token = self._usable(account, stored, is_good=lasts)
        return token or await self._in_turn(account, provider, lasts)

    async def renewed(self, account: Account, provider: Provider, rejected: Token) -> Token:
        """Another token than one that the API rejected; whoever renewed it meanwhile saves us the refresh.

        Raises:
            GateClosed: Only a new consent helps.
            FailJob: An operator has to mend the OAuth client.
            RetryJob: The provider does not answer, or another daemon is at it.
        """

        def is_another(text: Secret, seconds_left: float | None) -> bool:
            return text != rejected.text and (seconds_left is None or seconds_left > 0)

        return await self._in_turn(account, provider, is_another)

    async def mark_rejected(self, account: Account) -> GateClosed:
        """The API rejects a token that was just made: parks the connection, and gives what the job is to raise."""
        reason = f"{account.provider} rejects a fresh access token"
        await store.mark_needs_reauth(self._pool, account.workspace_id, account.id, reason)
        return GateClosed(account.gate_key, after_seconds=None, reason=reason)

    async def _in_turn(
        self, account: Account, provider: Provider, is_good: Callable[[Secret, float | None], bool]
    ) -> Token:
        turn = self._turns.get(str(account.id))
        if turn is None:
            turn = self._turns[str(account.id)] = anyio.Lock()
        async with turn, self._refreshes:
            # A job that is cancelled in the middle must not throw away a token that the provider has just rotated;
            # deadlines bound every step in here.
            with anyio.CancelScope(shield=True):
                return await self._locked_refresh(account, provider, is_good)
        raise RuntimeError("unreachable: nobody cancels the shielded scope")

    async def _locked_refresh(
        self, account: Account, provider: Provider, is_good: Callable[[Secret, float | None], bool]
    ) -> Token:
        try:
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
                outcome = await self._winner_or_second(connection, account, provider, is_good)
        except (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError, TimeoutError):
            raise RetryJob(f"the token of {account.provider} is being refreshed elsewhere") from None
        if isinstance(outcome, Token):
            return outcome
        raise outcome  # after the commit: what it says is stored

    async def _winner_or_second(
        self,
        connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record],
        account: Account,
        provider: Provider,
        is_good: Callable[[Secret, float | None], bool],
    ) -> Token | Exception:
        """Wait for the lock, look again, and refresh only if nobody has."""
        sql = load_queries("crmd.store")
        await connection.execute(sql.connection_refresh_bounds, str(int(LOCK_SECONDS * 1000)))
        await connection.fetchval(sql.connection_refresh_lock, account.workspace_id, account.id)
        stored = await store.secrets(connection, account.workspace_id, account.id)
        token = self._usable(account, stored, is_good=is_good)
        return token or await self._refresh_once(connection, account, provider, stored)

    async def _refresh_once(
        self,
        connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record],
        account: Account,
        provider: Provider,
        stored: Mapping[str, store.SealedSecret],
    ) -> Token | Exception:
        """One exchange under the lock. A lost grant is returned, since raising would undo the mark that it is lost."""
        refresh_token = self._opened(account, stored, "refresh_token")
        sent_at = boot_seconds()
        answer: Grant | Refusal = Refusal(Trouble.NEEDS_CONSENT, "no_refresh_token")
        if refresh_token is not None:
            answer = await oauth.refresh(self._http, provider, self._client_of(account, stored), refresh_token)
        if isinstance(answer, Grant):
            return await self._kept(connection, account, answer, sent_at)
        log.warning("connection %s: %s refuses to refresh (%s)", account.id, account.provider, answer.code)
        match answer.trouble:
            case Trouble.NEEDS_CONSENT:
                # Nobody else can have replaced the token meanwhile: the lock is ours since before it was read.
                reason = f"{account.provider} needs a new consent ({answer.code})"
                await store.mark_needs_reauth(connection, account.workspace_id, account.id, reason)
                return GateClosed(account.gate_key, after_seconds=None, reason=reason)
            case Trouble.MISCONFIGURED:
                return FailJob(oauth.operator_fault(provider, answer).sentence)
            case Trouble.TRY_AGAIN | Trouble.PENDING | Trouble.SLOW_DOWN:
                return RetryJob(f"{account.provider} cannot refresh now ({answer.code})")
            case _:
                assert_never(answer.trouble)

    async def _kept(
        self,
        connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record],
        account: Account,
        grant: Grant,
        sent_at: float,
    ) -> Token:
        """Store a grant; the access token's life counts from the moment it was asked for."""
        left = None if grant.lifetime_seconds is None else grant.lifetime_seconds - (boot_seconds() - sent_at)
        await self._put(connection, account, "access_token", grant.access_token, left)
        if grant.refresh_token is not None:
            await self._put(connection, account, "refresh_token", grant.refresh_token, None)
        return token_of(grant.access_token, left)

    async def _put(
        self,
        connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record],
        account: Account,
        name: str,
        secret: Secret,
        seconds_left: float | None,
    ) -> None:
        sealed = self._vault.seal(secret_place(account.workspace_id, account.id, name), secret)
        await store.put_secret(
            connection, account.workspace_id, account.id, name, store.SealedSecret(sealed, seconds_left)
        )

    def _usable(
        self,
        account: Account,
        stored: Mapping[str, store.SealedSecret],
        *,
        is_good: Callable[[Secret, float | None], bool],
    ) -> Token | None:
        text = self._opened(account, stored, "access_token")
        if text is None or not is_good(text, stored["access_token"].seconds_left):
            return None
        return token_of(text, stored["access_token"].seconds_left)

    def _opened(self, account: Account, stored: Mapping[str, store.SealedSecret], name: str) -> Secret | None:
        if name not in stored:
            return None
        return self._vault.unseal(secret_place(account.workspace_id, account.id, name), stored[name].ciphertext)

    def _client_of(self, account: Account, stored: Mapping[str, store.SealedSecret]) -> ClientCredentials:
        """The OAuth client that the connection was made with, else the one of the settings."""
        if account.client_id is not None:
            return ClientCredentials(account.client_id, self._opened(account, stored, "client_secret"))
        if account.provider not in self._credentials:
            raise FailJob(f"No OAuth client is set in [providers.{account.provider}].")
        return self._credentials[account.provider]
