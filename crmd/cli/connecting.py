"""`crmd connections add`: a consent, however it is obtained, becomes a connection that is proven to work."""

from __future__ import annotations

import os
import sys
import webbrowser
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.cli.acting import acting
from crmd.cli.asking import no_such, uuid_of, workspace_of
from crmd.cli.grammar_daily import URLS
from crmd.cli.screen import say, show_record
from crmd.cli.session import configured, in_loop, log_quietly
from crmd.composition import opened
from crmd.connections import oauth
from crmd.connections.consent import consent_in_browser
from crmd.connections.device import DeviceCode, consent_by_code
from crmd.connections.keeping import Consent, keep
from crmd.connections.oauth import Refusal, operator_fault
from crmd.connections.probing import account_of_grant
from crmd.connections.provider import ClientCredentials, with_endpoints
from crmd.errors import ConfigError, CrmdError, ExitCode, JobError, UnreachableError, UsageError
from crmd.http.client import GuardedClient
from crmd.secret import Secret

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from uuid import UUID

    from crmd.composition import Opened
    from crmd.connections.oauth import Grant
    from crmd.connections.provider import Provider

ENV_SECRET = "CRMD_CLIENT_SECRET"  # noqa: S105 - the variable's name
ENV_TOKEN = "CRMD_REFRESH_TOKEN"  # noqa: S105 - the variable's name


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The connection that is asked for.

    Args:
        account: None: the provider is asked.
        client: None: the client of the settings.
        refresh_token: None: the user consents now.
        endpoints: Addresses that differ from the provider's.
        is_by_device: Consent on another device, not in a browser here.
    """

    provider: str
    workspace_id: UUID
    user_id: UUID | None = None
    account: str | None = None
    client: ClientCredentials | None = None
    refresh_token: Secret | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    is_by_device: bool = False


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection that was made: its id, and whose it is."""

    id: UUID
    account: str


def connect(arguments: Namespace) -> int:
    """Connect an account, prove that it works, and say what to do with it."""
    log_quietly(arguments)
    config = configured(arguments)
    wanted = _wanted(arguments)

    async def work() -> int:
        async with opened(config) as everything:
            pool, workspace_id = everything.pools.plugins, wanted.workspace_id
            async with acting(pool, "connections.add", wanted.provider, workspace_id=workspace_id) as found:
                made = await add_connection(everything, wanted)
                found["connectionId"] = str(made.id)
            record = {
                "id": made.id,
                "provider": wanted.provider,
                "account": made.account,
                "workspace": wanted.workspace_id,
            }
            show_record(record, is_json=arguments.is_json)
            _say_next(everything, wanted, made)
            return ExitCode.OK

    return in_loop(config, work)


async def add_connection(everything: Opened, wanted: Wanted) -> Connected:
    """Obtain the consent, ask the provider whose account it is, and keep it.

    Raises:
        CrmdError: It was refused, or does not work; nothing was kept.
    """
    connections = everything.services.connections
    known = connections.offered().get(wanted.provider)
    if known is None:
        hint = "The plugin of a provider declares it: see `crmd plugins`."
        raise no_such("provider", wanted.provider, connections.offered(), hint)
    provider = with_endpoints(known, wanted.endpoints)
    client = wanted.client or connections.credentials_of(wanted.provider)
    if client is None:
        raise ConfigError(
            f"There is no OAuth client for {wanted.provider}.",
            hint=f"Set client_id in [providers.{wanted.provider}], or give --client-id and ${ENV_SECRET}.",
        )
    async with GuardedClient("none") as http:
        grant = await _grant(http, provider, client, wanted)
        told = await account_of_grant(http, provider, grant)
    account = _account(wanted, told)
    consent = Consent(
        workspace_id=wanted.workspace_id,
        provider=wanted.provider,
        account=account,
        refresh_token=grant.refresh_token or wanted.refresh_token or Secret(""),
        user_id=wanted.user_id,
        scopes=grant.scopes or provider.scopes,
        endpoints=wanted.endpoints,
        client_id=None if wanted.client is None else client.client_id,
        client_secret=None if wanted.client is None else client.client_secret,
        grant=grant,
    )
    return Connected(await keep(everything.pools.control, everything.vault, consent), account)


async def _grant(http: GuardedClient, provider: Provider, client: ClientCredentials, wanted: Wanted) -> Grant:
    if wanted.refresh_token is not None:
        try:
            answer = await oauth.refresh(http, provider, client, wanted.refresh_token)
        except JobError as error:
            raise UnreachableError(f"{provider.name} gave no token: {error}.", hint="Check token_url.") from None
        if isinstance(answer, Refusal):
            raise operator_fault(provider, answer)
        return answer
    if wanted.is_by_device:
        return await consent_by_code(http, provider, client, show=_show_code)
    return await consent_in_browser(http, provider, client, show=_show_address, login_hint=wanted.account or "")


def _show_code(code: DeviceCode) -> None:
    say(f"Open {code.verification_uri} on any device and type {code.user_code}")


def _show_address(address: str) -> None:
    say(f"Consent on this page: {address}")
    webbrowser.open(address)


def _account(wanted: Wanted, told: str | None) -> str:
    """The account as the provider tells it; the one that was given where it tells nothing."""
    if told is None and wanted.account is None:
        raise UsageError(
            f"{wanted.provider} does not tell whose account this is.", hint="Give it: --account address@example.com"
        )
    if told is not None and wanted.account is not None and told.lower() != wanted.account.lower():
        raise CrmdError(f"The grant is for {told}, not for {wanted.account}.", hint="Consent with the other account.")
    return (told or wanted.account or "").lower()


def _wanted(arguments: Namespace) -> Wanted:
    """The arguments, read; secrets come from files, the environment or standard input, never from a flag."""
    given = {f"{name}_url": getattr(arguments, f"{name}_url") for name in URLS}
    endpoints = {name: url for name, url in given.items() if url}
    for name, url in endpoints.items():
        if not url.startswith(("https://", "http://")):
            raise UsageError(f"--{name.replace('_', '-')} is no URL: {url!r}.", hint="It begins with https://.")
    client = None
    if arguments.client_id:
        client = ClientCredentials(arguments.client_id, secret_from(arguments.client_secret_file, ENV_SECRET))
    workspace_id = workspace_of(arguments.workspace)
    if workspace_id is None:
        raise UsageError("--workspace is empty.", hint="Give an id, or a name that stands for one.")
    refuses_token = arguments.is_by_device or arguments.is_by_browser
    return Wanted(
        provider=arguments.provider,
        workspace_id=workspace_id,
        user_id=uuid_of(arguments.user, "a user"),
        account=arguments.account,
        client=client,
        refresh_token=None if refuses_token else secret_from(arguments.refresh_token_file, ENV_TOKEN),
        endpoints=endpoints,
        is_by_device=arguments.is_by_device,
    )


def secret_from(file: str | None, variable: str) -> Secret | None:
    """A secret from a file, from standard input (`-`), else from the environment; None when there is none.

    Raises:
        UsageError: The file cannot be read, or is empty.
    """
    if file is None:
        return Secret(os.environ[variable].strip()) if os.environ.get(variable, "").strip() else None
    try:
        text = (sys.stdin.read() if file == "-" else Path(file).read_text("utf-8")).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(f"The file {file} cannot be read: {reason}.") from None
    if not text:
        raise UsageError(f"There is no secret in {'standard input' if file == '-' else file}.")
    return Secret(text)


def _say_next(everything: Opened, wanted: Wanted, made: Connected) -> None:
    """The next command: a job of the provider's own plugin that works on a connection, the first sync if it has one."""
    plugins = everything.loaded.registry.plugins
    owner = next((p for p in plugins if wanted.provider in {provider.name for provider in p.providers}), None)
    fitting = [job for job in (owner.job_types if owner else ()) if job.connection is not None]
    fitting.sort(key=lambda job: "initial" not in job.name)
    if fitting:
        payload = f'{{"{fitting[0].connection}": "{made.id}"}}'
        say(f"Next: crmd run-once {fitting[0].name} --workspace {wanted.workspace_id} --payload '{payload}'")
