"""Statements of the careless jobs."""
