"""A plugin as a third party would ship it, whose jobs keep a ledger outside the database."""

from ledger_jobs import entry

__all__ = ["entry"]
