"""Migrates only once per server."""
