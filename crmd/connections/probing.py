"""Whose account a grant is for, and whether the provider's API accepts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from crmd.errors import CrmdError, JobError, UnreachableError

if TYPE_CHECKING:
    from crmd.connections.oauth import Grant
    from crmd.connections.provider import Provider
    from crmd.http.client import GuardedClient
    from crmd.http.response import Response

# What providers call the account in the answer to their probe.
_ACCOUNT_FIELDS = ("emailAddress", "email", "mail", "userPrincipalName", "login")
_UNAUTHORIZED, _FORBIDDEN = 401, 403


async def account_of_grant(http: GuardedClient, provider: Provider, grant: Grant) -> str | None:
    """Whose account a fresh grant is for, if the provider can tell.

    Raises:
        CrmdError: The provider's API does not accept the grant, or does not answer.
    """
    if not provider.probe_path:
        return None
    url = f"{provider.api_url.rstrip('/')}/{provider.probe_path.lstrip('/')}"
    headers = {"Authorization": f"Bearer {grant.access_token.reveal()}"}
    try:
        response = await http.request("GET", url, headers=headers)
    except JobError as error:
        raise UnreachableError(f"The API of {provider.name} gave no answer: {error}.", hint="Check api_url.") from None
    check_answer(provider.name, response)
    return account_in(response)


def account_in(response: Response) -> str | None:
    """The account that an answer names, or None."""
    try:
        answer = msgspec.json.decode(response.body)
    except (msgspec.DecodeError, RecursionError):
        return None
    if not isinstance(answer, dict):
        return None
    found = next((answer[name] for name in _ACCOUNT_FIELDS if isinstance(answer.get(name), str)), None)
    return found or None


def check_answer(name: str, response: Response) -> None:
    """Go on only where the provider of that name has let us in.

    Raises:
        CrmdError: It refuses the access, or does not work.
    """
    if response.is_ok:
        return
    if response.status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise CrmdError(
            f"The API of {name} refuses the access (status {response.status}).",
            hint="Check that the grant covers the scopes that crmd needs, and consent again.",
        )
    raise UnreachableError(f"The API of {name} answered with status {response.status}.", hint="Check api_url.")
