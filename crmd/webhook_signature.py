"""Signatures of webhooks by Standard Webhooks 1.0: what crmd signs with, and how a plugin checks what it is sent. Pure.

What is signed is `{id}.{timestamp}.{body}`, the body as it was sent: whoever reads it first and writes it again has
other bytes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from crmd.errors import FailJob, UsageError
from crmd.secret import Secret
from crmd.wallclock import utc_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
NEW_SECRET_BYTES = 32
TOLERANCE_SECONDS = 300.0
BODY_BYTES_MAX = 256 * 1024
HEADER_LENGTH_MAX = 4096
# A sender that rotates signs with two or three secrets; whoever sends more wants many guesses at one.
SIGNATURES_MAX = 10
# Without the dot, so that no part of what is signed can be read as another part.
_ID = re.compile(r"[A-Za-z0-9_:/+=@-]{1,200}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{1,11}", re.ASCII)


class WebhookRefused(FailJob):
    """What was received is not a webhook that the sender signed just now; answer 401 and do nothing."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook that is what its sender sent.

    Args:
        id: The same over all tries of one message: make it the unique key of the job that it starts.
        sent_at: When this try was signed.
    """

    id: str
    sent_at: datetime


def key_of(secret: str | Secret) -> bytes:
    """The key in a secret, which is written as `whsec_` and base64.

    Raises:
        UsageError: It is none.
    """
    text = secret.reveal() if isinstance(secret, Secret) else secret
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) not in SECRET_BYTES:
        raise UsageError(
            f"This is no secret of a webhook: {SECRET_BYTES.start} to {SECRET_BYTES.stop - 1} bytes in base64 are one.",
            hint=f"Copy it whole; mostly it begins with {PREFIX}.",
        )
    return key


def secret_of(octets: bytes) -> Secret:
    """Random bytes as a secret is written."""
    return Secret(PREFIX + base64.b64encode(octets).decode())


def signatures(secrets: Sequence[str | Secret], message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: one signature for each secret, so that a receiver may know either."""
    return " ".join(f"v1,{_signature(key_of(secret), message_id, str(timestamp), body)}" for secret in secrets)


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    secrets: Sequence[str | Secret],
    *,
    now: datetime | None = None,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> Webhook:
    """Check a webhook by its signature, before anything in it is read.

    That a sender repeats one is usual: the answer to a repeated `id` is the same 2xx, and nothing is done again.

    Args:
        headers: Of the request; their names in any case.
        body: The bytes as they came, not decoded and encoded again.
        secrets: Of the sender, `whsec_…`; several while it rotates.
        now: For tests.
        tolerance_seconds: How old or how far ahead the timestamp may be.

    Raises:
        WebhookRefused: A header is missing, the timestamp is stale, or nobody who knows a secret has signed this.
        UsageError: A secret is none.
    """
    message_id, timestamp, given = _headers(headers)
    if len(body) > BODY_BYTES_MAX:
        raise WebhookRefused(f"The webhook has more than {BODY_BYTES_MAX} bytes.")
    sent_at = datetime.fromtimestamp(int(timestamp), UTC)
    if abs(utc_of(now or datetime.now(UTC)) - sent_at) > timedelta(seconds=tolerance_seconds):
        raise WebhookRefused("The timestamp of the webhook is too old or too far ahead.")
    wanted = [_signature(key_of(secret), message_id, timestamp, body).encode() for secret in secrets]
    # All pairs are compared, so that the time says nothing about which was nearest.
    matches = [hmac.compare_digest(one, mine) for one in given for mine in wanted]
    if not any(matches):
        raise WebhookRefused("No signature of the webhook was made with a secret that is known here.")
    return Webhook(message_id, sent_at)


def _headers(headers: Mapping[str, str]) -> tuple[str, str, list[bytes]]:
    """Id, timestamp, and the signatures of the kind that is checked here."""
    found = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp = found.get("webhook-id", ""), found.get("webhook-timestamp", "")
    listed = found.get("webhook-signature", "")
    if not _ID.fullmatch(message_id) or not _TIMESTAMP.fullmatch(timestamp):
        raise WebhookRefused("The webhook has no usable webhook-id or webhook-timestamp.")
    if len(listed) > HEADER_LENGTH_MAX or listed.count(" ") >= SIGNATURES_MAX:
        raise WebhookRefused("The webhook has more signatures than a sender has secrets.")
    return message_id, timestamp, [one[3:].encode() for one in listed.split(" ") if one.startswith("v1,")]


def _signature(key: bytes, message_id: str, timestamp: str, body: bytes) -> str:
    signed = f"{message_id}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
