"""Plugins with one planted fault each, which `crmd plugin check` must name."""
