"""Accounts at providers: consent, sealed tokens, refresh, and the client that plugins get instead of a token."""
