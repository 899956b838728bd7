"""A provider: where its users consent, where tokens come from and where its API answers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from crmd.errors import ConfigError
from crmd.http.verdict import Classify, classify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.http.limiter import Rate
    from crmd.secret import Secret

Endpoint: TypeAlias = Literal["api", "batch"]
URL_SETTINGS = ("authorize_url", "token_url", "device_url", "revoke_url", "api_url", "batch_url")
"""What the settings of a provider, and of a single connection, may replace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Declared by a plugin; every address can be replaced by a setting.

    Args:
        name: As in `crmd connections add NAME`.
        token_url: Where tokens are made and refreshed.
        api_url: Root that paths of requests are appended to.
        batch_url: Address of batch requests; empty when there are none.
        authorize_url: Where a user consents in a browser; empty when that is not offered.
        device_url: Where a device code is made; empty when that is not offered.
        revoke_url: Where a token is revoked; empty when that is not offered.
        scopes: What is asked for.
        extra_authorize_params: Further parameters of the consent page, as `access_type=offline`.
        rate: Units per connection that the provider grants; None: nobody counts.
        classify: How its answers are read.
        probe_path: A cheap path of the API that shows whether a connection works.
    """

    name: str
    token_url: str
    api_url: str
    batch_url: str = ""
    authorize_url: str = ""
    device_url: str = ""
    revoke_url: str = ""
    scopes: tuple[str, ...] = ()
    extra_authorize_params: Mapping[str, str] = field(default_factory=dict)
    rate: Rate | None = None
    classify: Classify = classify
    probe_path: str = ""


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """The OAuth client that an operator registered at the provider.

    Args:
        client_id: Public.
        client_secret: None for clients without one (device code, PKCE).
    """

    client_id: str
    client_secret: Secret | None = None


def with_endpoints(provider: Provider, endpoints: Mapping[str, str | None]) -> Provider:
    """The provider with some addresses replaced; empty ones and None replace nothing.

    Raises:
        ConfigError: One of the names is no address of a provider.
    """
    for name in endpoints:
        if name not in URL_SETTINGS:
            raise ConfigError(
                f"{name!r} is no address of provider {provider.name}.", hint=f"Choose from {', '.join(URL_SETTINGS)}."
            )
    given = {name: url for name, url in endpoints.items() if url}
    return replace(provider, **given)  # type: ignore[arg-type]  # the names were checked to be text fields
