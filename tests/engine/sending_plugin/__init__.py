"""A plugin as a third party would ship it: it sends, and must send once."""

from sending_jobs import send_parked, send_probed

__all__ = ["send_parked", "send_probed"]
