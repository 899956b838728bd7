"""Gmail for crmd: mailboxes synced in full, then change by change, inside Google's quota."""

from __future__ import annotations

from typing import TYPE_CHECKING

import crmd
from crmd_gmail.batch_job import ProcessEmailBatch, process_email_batch
from crmd_gmail.incremental import SyncEmailsIncremental, sync_emails_incremental
from crmd_gmail.initial import Listed, SyncEmailsInitial, sync_emails_initial
from crmd_gmail.mailboxes import Started, sync_gmail
from crmd_gmail.provider import GOOGLE
from crmd_gmail.samples import SAMPLES
from crmd_gmail.settings import GmailSettings, Units
from crmd_gmail.synced import Synced
from crmd_gmail.tally import Tally

if TYPE_CHECKING:
    import msgspec

__all__ = [
    "GOOGLE",
    "GmailSettings",
    "Listed",
    "ProcessEmailBatch",
    "Started",
    "SyncEmailsIncremental",
    "SyncEmailsInitial",
    "Synced",
    "Tally",
    "Units",
    "process_email_batch",
    "sync_emails_incremental",
    "sync_emails_initial",
    "sync_gmail",
]


@crmd.hookimpl
def crmd_requires() -> tuple[str, ...]:
    """Mail is stored in the CRM's tables."""
    return ("crm",)


@crmd.hookimpl
def crmd_settings() -> type[msgspec.Struct]:
    """The table `[plugins.gmail]`."""
    return GmailSettings


@crmd.hookimpl
def crmd_providers() -> tuple[crmd.Provider, ...]:
    """Google; its addresses can be replaced in `[providers.google]`."""
    return (GOOGLE,)


@crmd.hookimpl
def crmd_samples() -> tuple[crmd.Sample, ...]:
    """How `crmd plugin check` tries the jobs."""
    return SAMPLES
