"""What a plugin gets instead of a token: a client that authorises, limits and refreshes by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict, Unpack
from urllib.parse import urlsplit

from crmd.errors import FailJob
from crmd.http.verdict import AuthExpired
from crmd.store import connections as store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from crmd.connections.account import Account, AccountState
    from crmd.connections.provider import Endpoint, Provider
    from crmd.connections.token import Token
    from crmd.connections.tokens import Tokens
    from crmd.context import Statements
    from crmd.http.client import GuardedClient
    from crmd.http.gate import SharedGate
    from crmd.http.limiter import Limiter
    from crmd.http.request import Params, Parts
    from crmd.http.response import Response


class RequestParts(TypedDict, total=False):
    """What a request to a provider may have besides its method and path.

    Keys:
        params: Added to the query.
        json: Sent as a JSON body.
        data: A body as it is, or a form's fields.
        headers: Further headers; `Authorization` is ours.
        is_idempotent: Whether it may be sent twice; by default as the method says.
        deadline_seconds: For the whole call; by default a minute.
    """

    params: Params | None
    json: object
    data: bytes | Mapping[str, str] | None
    headers: Mapping[str, str] | None
    is_idempotent: bool | None
    deadline_seconds: float | None


class ConnectionClient:
    """The client of one connection, made by `ctx.connection(id)` for the time of a job."""

    def __init__(
        self,
        account: Account,
        provider: Provider,
        *,
        database: Statements,
        http: GuardedClient,
        tokens: Tokens,
        limiter: Limiter,
    ) -> None:
        self._account = account
        self._provider = provider
        self._database = database
        self._http = http
        self._tokens = tokens
        self._limiter = limiter
        self._token: Token | None = None

    def __repr__(self) -> str:
        return f"<ConnectionClient {self.provider} {self.id}>"

    @property
    def id(self) -> UUID:
        """Of the connection."""
        return self._account.id

    @property
    def workspace_id(self) -> UUID:
        """The tenant it belongs to."""
        return self._account.workspace_id

    @property
    def user_id(self) -> UUID | None:
        """The user who consented, if known."""
        return self._account.user_id

    @property
    def provider(self) -> str:
        """Name of the provider."""
        return self._account.provider

    @property
    def account(self) -> str:
        """The provider's name of the account, mostly an address."""
        return self._account.account

    @property
    def state(self) -> AccountState:
        """As of the job's start."""
        return self._account.state

    @property
    def scopes(self) -> tuple[str, ...]:
        """What was granted."""
        return self._account.scopes

    @property
    def limit_name(self) -> str:
        """The bucket that its requests draw on, over all daemons."""
        return f"{self.provider}/{self._account.client_id or 'default'}/{self.account}"

    async def request(
        self,
        method: str,
        path: str,
        *,
        endpoint: Endpoint = "api",
        cost: float = 1.0,
        **parts: Unpack[RequestParts],
    ) -> Response:
        """Ask the provider; every status but a passing fault, a pause or a rejected token is returned.

        Args:
            method: GET, POST …
            path: Appended to the endpoint's address; or a whole URL that the provider gave, at the same host.
            endpoint: `api`, or `batch`.
            cost: Units of the provider's quota that the request costs.
            **parts: See `RequestParts`.

        Raises:
            GateClosed: The provider asked for a pause, the quota is used up, or only a new consent helps.
            FailJob: It can never succeed.
            OutcomeUnknown: It was sent, must not be sent twice, and no answer came.
            RetryJob: A passing fault outlasted the attempts or the deadline.
        """
        url = self._url(endpoint, path)
        response = await self._authorised(method, url, cost, parts)
        if not self._is_rejected(response):
            return response
        self._token = await self._tokens.renewed(self._account, self._provider, await self._held_token())
        response = await self._authorised(method, url, cost, parts)
        if self._is_rejected(response):
            raise await self._tokens.mark_rejected(self._account)
        return response

    async def cursor(self, name: str) -> Any:  # noqa: ANN401 - JSON of any shape
        """How far the sync `name` has come; None when it has not begun. `ctx.transaction()` moves it."""
        return await store.cursor(self._database, self.workspace_id, self.id, name)

    async def probe(self) -> Response | None:
        """A cheap request that shows whether the connection works; None when the provider names none."""
        if not self._provider.probe_path:
            self._token = await self._tokens.current(self._account, self._provider)
            return None
        return await self.request("GET", self._provider.probe_path)

    async def _authorised(self, method: str, url: str, cost: float, parts: RequestParts) -> Response:
        gate = await self._admitted(cost)
        token = await self._held_token()
        sent: Parts = {
            **parts,
            "headers": {**(parts.get("headers") or {}), "Authorization": f"Bearer {token.text.reveal()}"},
            "classify": self._provider.classify,
            "gate": gate,
        }
        return await self._http.request(method, url, **sent)

    async def _admitted(self, cost: float) -> SharedGate:
        """Through the account's gate, and with the units that the request costs."""
        key, provider, rate = self._account.gate_key, self.provider, self._provider.rate
        if rate is None:
            return await self._limiter.pass_gate(key, provider=provider, on_close=self._throttle)
        return await self._limiter.admit(key, self.limit_name, rate, cost, provider=provider, on_close=self._throttle)

    async def _held_token(self) -> Token:
        if self._token is None or not self._token.is_fresh:
            self._token = await self._tokens.current(self._account, self._provider)
        return self._token

    async def _throttle(self, seconds: float, reason: str) -> None:
        await store.throttle(self._database, self.workspace_id, self.id, seconds=seconds, reason=reason)

    def _is_rejected(self, response: Response) -> bool:
        verdict = self._provider.classify(response.status, response.headers, response.body)
        return isinstance(verdict, AuthExpired)

    def _url(self, endpoint: Endpoint, path: str) -> str:
        """The address to ask; the token goes to the provider's own hosts and nowhere else."""
        root = self._provider.api_url if endpoint == "api" else self._provider.batch_url
        if not root:
            raise FailJob(f"{self.provider} has no {endpoint} address.")
        if "://" not in path.partition("?")[0]:
            return f"{root.rstrip('/')}/{path.lstrip('/')}" if path else root
        origin = _origin(path)
        if origin is None or origin not in {_origin(self._provider.api_url), _origin(self._provider.batch_url)}:
            raise FailJob(f"The address is not one of {self.provider}'s.")
        return path


def _origin(url: str) -> tuple[str, str | None, int | None] | None:
    """What must be equal for two URLs to be the same host; None for one that is unreadable or not to be trusted."""
    try:
        parts = urlsplit(url)
        origin = (parts.scheme, parts.hostname, parts.port)
    except ValueError:
        return None
    return None if "@" in parts.netloc else origin
