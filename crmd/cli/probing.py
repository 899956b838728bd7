"""Asks a provider whether an account works and whose it is; what goes wrong becomes an operator error."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from crmd.errors import ConfigError, CrmdError, ExitCode, FailJob, GateClosed, JobError, UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crmd.composition import Opened
    from crmd.connections.account import Account
    from crmd.connections.oauth import Grant
    from crmd.connections.provider import Provider
    from crmd.http.client import GuardedClient
    from crmd.http.response import Response

# What providers call the account in the answer to their probe.
_ACCOUNT_FIELDS = ("emailAddress", "email", "mail", "userPrincipalName", "login")
_UNAUTHORIZED, _FORBIDDEN = 401, 403


async def probe(everything: Opened, account: Account) -> str | None:
    """What the provider says whose account it is, if it can tell.

    Raises:
        CrmdError: It does not work, and why.
    """
    with job_errors_told(account):
        response = await everything.services.connections.client_of(account).probe()
    if response is not None:
        _check(account.provider, response)
    return None if response is None else account_in(response)


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
    _check(provider.name, response)
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


def _check(name: str, response: Response) -> None:
    if response.is_ok:
        return
    if response.status in {_UNAUTHORIZED, _FORBIDDEN}:
        raise CrmdError(
            f"The API of {name} refuses the access (status {response.status}).",
            hint="Check that the grant covers the scopes that crmd needs, and consent again.",
        )
    raise UnreachableError(f"The API of {name} answered with status {response.status}.", hint="Check api_url.")


@contextlib.contextmanager
def job_errors_told(account: Account) -> Iterator[None]:
    """What would decide about a job, as a sentence for whoever sits at the command line."""
    try:
        yield
    except GateClosed as error:
        again = f"crmd connections add {account.provider} --workspace {account.workspace_id} --account"
        hint = "Try again later." if error.after_seconds is not None else f"Consent again: {again} {account.account}"
        code = ExitCode.TRY_AGAIN if error.after_seconds is not None else ExitCode.FAILED
        raise CrmdError(f"{account.account} does not work: {error.reason}.", hint=hint, exit_code=code) from None
    except FailJob as error:
        raise ConfigError(f"{account.account} cannot be used: {error}", hint="See `crmd check`.") from None
    except JobError as error:
        raise UnreachableError(f"{account.provider} gave no answer: {error}.", hint="Try again in a moment.") from None
