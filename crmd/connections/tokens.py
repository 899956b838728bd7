"""Access tokens: from the vault while they last, else refreshed, with one winner over all daemons.

The winner holds a lock on the connection's refresh token for as long as the provider takes to answer, and stores what
it got in the commit that frees the lock, before anybody uses it. Whoever comes second finds the new token and asks
nobody. A provider that rotates refresh tokens so never sees one twice.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never
from weakref import WeakValueDictionary

import anyio

from crmd.clock import boot_seconds
from crmd.connections import oauth
from crmd.connections.oauth import TOKEN_DEADLINE_SECONDS, Grant, Refusal, Trouble
from crmd.connections.provider import ClientCredentials
from crmd.connections.sealed import opened, put_grant
from crmd.connections.token import Token, lasts, token_of
from crmd.errors import FailJob, GateClosed, RetryJob
from crmd.store import connections as store
from crmd.store.pools import UNREACHABLE
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from crmd.connections.account import Account
    from crmd.connections.provider import Provider
    from crmd.connections.vault import Vault
    from crmd.http.client import GuardedClient
    from crmd.secret import Secret
    from crmd.store.pools import Connection, Pool

log = logging.getLogger(__name__)
LOCK_SECONDS = TOKEN_DEADLINE_SECONDS + 10.0
"""A refresh transaction lives no longer; the server ends it then, whatever has become of us."""
ACQUIRE_SECONDS = 10.0
RESCUE_DELAYS_SECONDS = (0.1, 0.5, 2.0, 5.0, 10.0)
REFRESHES_MAX = 2
"""Refreshes at a time per daemon: each holds a database connection while the provider answers."""


@dataclass(frozen=True, slots=True)
class Won:
    """What the provider has given and no commit holds yet.

    Args:
        grant: It.
        sent_at: Boot time in seconds at which it was asked for.
        replaced: The sealed refresh token that it replaces.
    """

    grant: Grant
    sent_at: float
    replaced: str


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
        pool: Pool,
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
        won: list[Won] = []
        try:
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
                outcome = await self._winner_or_second(connection, account, provider, is_good, won)
        except UNREACHABLE as error:
            if won:
                return await self._rescued(account, won[0])
            raise RetryJob(f"the token of {account.provider} waits ({type(error).__name__})") from None
        if isinstance(outcome, Token):
            return outcome
        raise outcome  # after the commit: what it says is stored

    async def _winner_or_second(
        self,
        connection: Connection,
        account: Account,
        provider: Provider,
        is_good: Callable[[Secret, float | None], bool],
        won: list[Won],
    ) -> Token | Exception:
        """Wait for the lock, look again, and refresh only if nobody has."""
        await self._lock(connection, account)
        stored = await store.secrets(connection, account.workspace_id, account.id)
        token = self._usable(account, stored, is_good=is_good)
        return token or await self._refresh_once(connection, account, provider, stored, won)

    async def _lock(self, connection: Connection, account: Account) -> str | None:
        """Take the refresh lock for this transaction; the sealed refresh token that it guards."""
        sql = load_queries("crmd.store")
        await connection.execute(sql.connection_refresh_bounds, str(int(LOCK_SECONDS * 1000)))
        ciphertext: str | None = await connection.fetchval(
            sql.connection_refresh_lock, account.workspace_id, account.id
        )
        return ciphertext

    async def _refresh_once(
        self,
        connection: Connection,
        account: Account,
        provider: Provider,
        stored: Mapping[str, store.SealedSecret],
        won: list[Won],
    ) -> Token | Exception:
        """One exchange under the lock. A lost grant is returned, since raising would undo the mark that it is lost."""
        refresh_token = opened(self._vault, account, stored, "refresh_token")
        sent_at = boot_seconds()
        answer: Grant | Refusal = Refusal(Trouble.NEEDS_CONSENT, "no_refresh_token")
        if refresh_token is not None:
            answer = await oauth.refresh(self._http, provider, self._client_of(account, stored), refresh_token)
        if isinstance(answer, Refusal):
            return await self._refused(connection, account, provider, answer)
        won.append(Won(answer, sent_at, stored["refresh_token"].ciphertext))
        return await put_grant(connection, self._vault, account, answer, sent_at)

    async def _refused(
        self,
        connection: Connection,
        account: Account,
        provider: Provider,
        refusal: Refusal,
    ) -> Exception:
        log.warning("connection %s: %s refuses to refresh (%s)", account.id, account.provider, refusal.code)
        match refusal.trouble:
            case Trouble.NEEDS_CONSENT:
                # Nobody else can have replaced the token meanwhile: the lock is ours since before it was read.
                reason = f"{account.provider} needs a new consent ({refusal.code})"
                await store.mark_needs_reauth(connection, account.workspace_id, account.id, reason)
                return GateClosed(account.gate_key, after_seconds=None, reason=reason)
            case Trouble.MISCONFIGURED:
                return FailJob(oauth.operator_fault(provider, refusal).sentence)
            case Trouble.TRY_AGAIN | Trouble.PENDING | Trouble.SLOW_DOWN:
                return RetryJob(f"{account.provider} cannot refresh now ({refusal.code})")
            case _:
                assert_never(refusal.trouble)

    async def _rescued(self, account: Account, won: Won) -> Token:
        """Store what the provider gave although the database went away before the commit.

        Nobody will ever be given this refresh token again; so it is kept as soon as the database is back, unless
        somebody has stored another one.
        """
        for delay_seconds in RESCUE_DELAYS_SECONDS:
            try:
                async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection, connection.transaction():
                    if await self._lock(connection, account) != won.replaced:
                        break
                    token = await put_grant(connection, self._vault, account, won.grant, won.sent_at)
            except UNREACHABLE:
                await anyio.sleep(delay_seconds)
            else:
                return token
        log.error("connection %s: a new token of %s could not be stored", account.id, account.provider)
        raise RetryJob(f"the new token of {account.provider} could not be stored")

    def _usable(
        self,
        account: Account,
        stored: Mapping[str, store.SealedSecret],
        *,
        is_good: Callable[[Secret, float | None], bool],
    ) -> Token | None:
        text = opened(self._vault, account, stored, "access_token")
        if text is None or not is_good(text, stored["access_token"].seconds_left):
            return None
        return token_of(text, stored["access_token"].seconds_left)

    def _client_of(self, account: Account, stored: Mapping[str, store.SealedSecret]) -> ClientCredentials:
        """The OAuth client that the connection was made with, else the one of the settings."""
        if account.client_id is not None:
            return ClientCredentials(account.client_id, opened(self._vault, account, stored, "client_secret"))
        if account.provider not in self._credentials:
            raise FailJob(f"No OAuth client is set in [providers.{account.provider}].")
        return self._credentials[account.provider]
