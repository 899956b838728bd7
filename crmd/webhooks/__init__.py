"""Webhooks that tell other systems of events: what is sent, to where, and what follows from the answer."""
