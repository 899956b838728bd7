"""Opens the clients of connections for jobs, and shows operators the accounts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from crmd.connections.account import Account, find, listed
from crmd.connections.client import ConnectionClient
from crmd.connections.keeping import keep
from crmd.connections.provider import with_endpoints
from crmd.connections.rotation import rotate_once, rotate_webhooks_once
from crmd.connections.tokens import Tokens
from crmd.errors import FailJob, GateClosed
from crmd.store import gates, limits

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    import asyncpg

    from crmd.connections.keeping import Consent
    from crmd.connections.provider import ClientCredentials, Provider
    from crmd.connections.vault import Vault
    from crmd.http.client import GuardedClient
    from crmd.http.limiter import Limiter, Rate


class Connections:
    """All connections, as the engine reaches them.

    Args:
        pool: The engine's; plugins' statements never run on it.
        http: Client for the operator's addresses (`guard="none"`).
        vault: Opens and seals the secrets.
        limiter: Shared limits and gates.
        providers: By name, with the addresses of the settings already in place.
        credentials: The settings' OAuth clients by provider name.
        rates: The settings' rates by provider name, in place of the declared ones.
    """

    def __init__(
        self,
        pool: asyncpg.Pool[asyncpg.Record],
        *,
        http: GuardedClient,
        vault: Vault,
        limiter: Limiter,
        providers: Mapping[str, Provider],
        credentials: Mapping[str, ClientCredentials],
        rates: Mapping[str, Rate] | None = None,
    ) -> None:
        self._pool = pool
        self._http = http
        self._vault = vault
        self._limiter = limiter
        self._providers = providers
        self._credentials = credentials
        self._rates = rates or {}
        self._tokens = Tokens(pool, http=http, vault=vault, credentials=credentials)

    @property
    def providers(self) -> frozenset[str]:
        """The names of the providers that loaded plugins bring."""
        return frozenset(self._providers)

    async def open(self, workspace_id: UUID, connection_id: UUID) -> ConnectionClient:
        """The client of a connection of that workspace.

        Raises:
            FailJob: There is none, or its provider's plugin is not loaded.
            GateClosed: It is disabled, or needs a new consent.
        """
        account = await find(self._pool, workspace_id, connection_id)
        if account is None:
            raise FailJob(f"The workspace has no connection {connection_id}.")
        if account.state in {"needs_reauth", "disabled"}:
            raise GateClosed(account.gate_key, after_seconds=None, reason=account.last_error or account.state)
        return self.client_of(account)

    def client_of(self, account: Account) -> ConnectionClient:
        """The client of an account, whatever its state.

        Raises:
            FailJob: The plugin of its provider is not loaded.
        """
        provider = self._providers.get(account.provider)
        if provider is None:
            raise FailJob(f"No loaded plugin declares the provider {account.provider}.")
        provider = with_endpoints(provider, account.endpoints)
        return ConnectionClient(
            account,
            replace(provider, rate=self._rates.get(account.provider, provider.rate)),
            database=self._pool,
            http=self._http,
            tokens=self._tokens,
            limiter=self._limiter,
        )

    def offered(self) -> Mapping[str, Provider]:
        """The providers of the loaded plugins by name, with the addresses of the settings."""
        return self._providers

    @property
    def vault(self) -> Vault:
        """Opens and seals the secrets."""
        return self._vault

    async def keep(self, consent: Consent) -> UUID:
        """Make the connection of a consent, or bring the same account back to work; answers its id."""
        return await keep(self._pool, self._vault, consent)

    def credentials_of(self, provider: str) -> ClientCredentials | None:
        """The OAuth client of the settings; None when there is none."""
        return self._credentials.get(provider)

    async def upkeep_once(self, *, batch_max: int = 100) -> int:
        """Seal secrets of older master keys again, and forget gates that opened and buckets that filled long ago.

        Returns:
            How many secrets were sealed; as many as `batch_max` means that there may be more.

        Raises:
            SealBroken: A secret was sealed with a key that is gone.
            ConfigError: There are secrets and no key.
        """
        await gates.sweep(self._pool)
        await limits.sweep(self._pool)
        sealed = await rotate_once(self._pool, self._vault, batch_max=batch_max)
        return sealed or await rotate_webhooks_once(self._pool, self._vault, batch_max=batch_max)

    async def active(self, provider: str, *, workspace_id: UUID | None = None) -> list[Account]:
        """Accounts that can be worked with, of a workspace (None: of all)."""
        accounts = await listed(self._pool, workspace_id=workspace_id, provider=provider)
        return [account for account in accounts if account.state in {"active", "throttled"}]
