"""The one way out: every outgoing HTTP request of the daemon and its plugins goes through this client."""

from __future__ import annotations

from crmd.http.address import AddressRefused, refusal
from crmd.http.client import GuardedClient
from crmd.http.gate import Gate, SharedGate
from crmd.http.limiter import Limiter, Rate
from crmd.http.policy import HttpPolicy
from crmd.http.request import Parts
from crmd.http.response import Response, served_at
from crmd.http.retry import OutcomeUnknown
from crmd.http.verdict import AuthExpired, Classify, Final, RateLimited, Retryable, Verdict, classify

__all__ = [
    "AddressRefused",
    "AuthExpired",
    "Classify",
    "Final",
    "Gate",
    "GuardedClient",
    "HttpPolicy",
    "Limiter",
    "OutcomeUnknown",
    "Parts",
    "Rate",
    "RateLimited",
    "Response",
    "Retryable",
    "SharedGate",
    "Verdict",
    "classify",
    "refusal",
    "served_at",
]
