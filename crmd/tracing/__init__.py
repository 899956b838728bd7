"""Spans of attempts. Nothing of OpenTelemetry is imported unless the settings name a collector."""
