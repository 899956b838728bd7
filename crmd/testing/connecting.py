"""Connects accounts of fake providers to a workbench, as a user's consent would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.connections.keeping import Consent, keep
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from crmd.testing.sandbox import Account, GmailSandbox
    from crmd.testing.workbench import Workbench


async def connect_account(
    workbench: Workbench,
    provider: str,
    account: str,
    *,
    endpoints: Mapping[str, str],
    refresh_token: str = "a refresh token",  # noqa: S107 - made up, for a fake provider
    client_id: str = "a client",
    client_secret: str | None = None,
    workspace_id: UUID | None = None,
) -> UUID:
    """Connect an account at any fake provider; answers the connection's id.

    Args:
        workbench: Whose database and vault keep the consent.
        provider: Name of a provider that a loaded plugin declares.
        account: Mostly an address.
        endpoints: Where the fake answers: `token_url`, `api_url` and whatever else it has.
        refresh_token: What the fake's token address takes.
        client_id: The OAuth client that it knows.
        client_secret: Its secret, if it has one.
        workspace_id: The tenant; None: the workbench's own.
    """
    consent = Consent(
        workspace_id=workspace_id or workbench.workspace_id,
        provider=provider,
        account=account,
        refresh_token=Secret(refresh_token),
        endpoints=endpoints,
        client_id=client_id,
        client_secret=None if client_secret is None else Secret(client_secret),
    )
    return await keep(workbench.everything.pools.control, workbench.everything.vault, consent)


async def connect_sandbox(
    workbench: Workbench, sandbox: GmailSandbox, account: Account, *, workspace_id: UUID | None = None
) -> UUID:
    """Connect an account of the Gmail sandbox to the provider `google`; answers the connection's id.

    Args:
        workbench: Whose database and vault keep the consent.
        sandbox: Where the account is; all addresses of the connection lead there.
        account: Whose consent it is.
        workspace_id: The tenant; None: the workbench's own.
    """
    rules = sandbox.grants.rules
    return await connect_account(
        workbench,
        "google",
        account.email,
        endpoints={name: getattr(sandbox, name) for name in ("token_url", "api_url", "batch_url", "revoke_url")},
        refresh_token=account.refresh_token,
        client_id=rules.client_id,
        client_secret=rules.client_secret,
        workspace_id=workspace_id,
    )
