from __future__ import annotations

import base64
import importlib
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crmd
from crmd.errors import UsageError
from crmd.secret import Secret
from crmd.webhook_signature import signatures

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"another secret of 32 bytes, so.."[:32]).decode()
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIMESTAMP = 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
SENT_AT = datetime.fromtimestamp(TIMESTAMP, UTC)


def headers(**changed: str) -> dict[str, str]:
    """Those of the published example, some of them changed."""
    given = {"webhook_id": ID, "webhook_timestamp": str(TIMESTAMP), "webhook_signature": SIGNATURE, **changed}
    return {name.replace("_", "-"): value for name, value in given.items()}


def verify(sent: dict[str, str], body: bytes = BODY, *secrets: str | Secret, after_seconds: float = 0) -> crmd.Webhook:
    """Check it so long after it was signed."""
    now = SENT_AT + timedelta(seconds=after_seconds)
    return crmd.verify_webhook(sent, body, secrets or [SECRET], now=now)


def test_the_published_example() -> None:
    """The example of Standard Webhooks has the published signature, and is accepted by it."""
    assert signatures([SECRET], ID, TIMESTAMP, BODY) == SIGNATURE
    assert verify(headers()) == crmd.Webhook(ID, SENT_AT)
    assert verify({name.title(): value for name, value in headers().items()}, BODY, Secret(SECRET)).id == ID


@given(body=st.binary(max_size=200), key=st.binary(min_size=24, max_size=64), timestamp=st.integers(0, 2**33))
def test_the_reference_library_signs_alike(body: bytes, key: bytes, timestamp: int) -> None:
    """Whatever is signed, the reference library gives the same signature."""
    try:
        reference: Any = importlib.import_module("standardwebhooks")
    except ImportError:
        pytest.skip("standardwebhooks, with which signatures are compared, is not installed")
    secret, text = "whsec_" + base64.b64encode(key).decode(), body.hex()
    expected = reference.Webhook(secret).sign(ID, datetime.fromtimestamp(timestamp, UTC), text)
    assert signatures([secret], ID, timestamp, text.encode()) == expected


@pytest.mark.parametrize(
    "sent",
    [
        headers(webhook_id="msg_another"),
        headers(webhook_timestamp=str(TIMESTAMP + 1)),
        headers(webhook_signature=SIGNATURE.replace("v1,", "v1a,")),
        headers(webhook_signature=SIGNATURE[:-2] + "A="),
        headers(webhook_signature=""),
        headers(webhook_signature="v1,"),
        headers(webhook_signature="v1,\u00e9"),
        headers(webhook_signature=SIGNATURE.replace("v1,", "")),
        headers(webhook_timestamp="-1"),
        headers(webhook_timestamp="1e9"),
        headers(webhook_timestamp="9" * 50),
        headers(webhook_timestamp="\u0661\u0662"),
        headers(webhook_id=""),
        headers(webhook_id="a" * 201),
        {},
    ],
)  # fmt: skip
def test_what_was_changed_is_refused(sent: dict[str, str]) -> None:
    """Another id, another timestamp, another kind of signature or none: nothing of it is a webhook."""
    with pytest.raises(crmd.WebhookRefused):
        verify(sent)


def test_a_stale_one_is_refused() -> None:
    """A webhook that was recorded is of no use five minutes later, nor is one from the future."""
    for seconds in (301, -301, 86_400):
        with pytest.raises(crmd.WebhookRefused, match="timestamp"):
            verify(headers(), after_seconds=seconds)
    assert verify(headers(), after_seconds=299).sent_at == SENT_AT


def test_a_body_that_was_written_anew_is_refused() -> None:
    """The same JSON in other bytes is not what was signed."""
    again = msgspec.json.encode(msgspec.json.decode(BODY))
    assert msgspec.json.decode(again) == msgspec.json.decode(BODY)
    with pytest.raises(crmd.WebhookRefused):
        verify(headers(), again)


def test_either_secret_is_enough_while_they_change() -> None:
    """With two secrets on either side one that is known to both suffices; with none it does not."""
    both = headers(webhook_signature=signatures([OTHER, SECRET], ID, TIMESTAMP, BODY))
    assert both["webhook-signature"].count(" ") == 1
    assert verify(both, BODY, SECRET).id == verify(both, BODY, OTHER).id == verify(headers(), BODY, OTHER, SECRET).id
    with pytest.raises(crmd.WebhookRefused):
        verify(headers(), BODY, OTHER)


def test_a_list_of_guesses_is_refused() -> None:
    """Nobody gets more guesses by listing many signatures: not even when one of them is right."""
    padded = " ".join(["v1," + "A" * 43 + "="] * 10 + [SIGNATURE])
    with pytest.raises(crmd.WebhookRefused, match="more signatures"):
        verify(headers(webhook_signature=padded))
    with pytest.raises(crmd.WebhookRefused, match="more signatures"):
        verify(headers(webhook_signature=" " * 1_000_000))


def test_parts_cannot_be_shifted() -> None:
    """What is signed cannot be cut into other parts: no id holds the dot that stands between them."""
    body = b"1614265330.rest"
    signed = signatures([SECRET], ID, TIMESTAMP, body)
    shifted = headers(webhook_id=f"{ID}.{TIMESTAMP}", webhook_signature=signed)
    assert signatures([SECRET], f"{ID}.{TIMESTAMP}", TIMESTAMP, b"rest") == signed
    with pytest.raises(crmd.WebhookRefused, match="webhook-id"):
        verify(shifted, b"rest")


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "whsec_" + "A" * 88, "whsec_" + "\u00e9" * 32])
def test_a_secret_that_is_none_is_named(secret: str) -> None:
    """A secret that is too short, too long or not base64 is an operator's error, not an attack."""
    with pytest.raises(UsageError, match="no secret"):
        verify(headers(), BODY, secret)
