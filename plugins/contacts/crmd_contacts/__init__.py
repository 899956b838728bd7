"""Contacts for crmd: people, their companies, titles and phones, taken from the mail that was synced."""

from __future__ import annotations

import crmd
from crmd_contacts.extract import ExtractContacts, Extracted, extract_contacts
from crmd_contacts.samples import SAMPLES
from crmd_contacts.stats import CONTACT_STATS

__all__ = ["CONTACT_STATS", "ExtractContacts", "Extracted", "extract_contacts"]


@crmd.hookimpl
def crmd_requires() -> tuple[str, ...]:
    """The CRM's tables must exist before this plugin's."""
    return ("crm",)


@crmd.hookimpl
def crmd_samples() -> tuple[crmd.Sample, ...]:
    """How `crmd plugin check` tries the jobs."""
    return SAMPLES
