"""Connects accounts of fake providers to a workbench, as a user's consent would."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.connections.keeping import Consent, keep
from crmd.secret import Secret

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.testing.sandbox import Account, GmailSandbox
    from crmd.testing.workbench import Workbench


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
    consent = Consent(
        workspace_id=workspace_id or workbench.workspace_id,
        provider="google",
        account=account.email,
        refresh_token=Secret(account.refresh_token),
        endpoints={name: getattr(sandbox, name) for name in ("token_url", "api_url", "batch_url", "revoke_url")},
        client_id=rules.client_id,
        client_secret=Secret(rules.client_secret),
    )
    return await keep(workbench.everything.pools.control, workbench.everything.vault, consent)
