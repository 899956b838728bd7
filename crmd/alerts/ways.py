"""The ways on which faults are told: a webhook, and mail."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread

from crmd.alerts.message import mail, webhook_body
from crmd.errors import JobError
from crmd.webhook_signature import signatures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import EmailMessage

    from crmd.alerts.message import News
    from crmd.config.alert_settings import Alerts
    from crmd.http.client import GuardedClient

SMTP_SECONDS = 20.0
WEBHOOK_SECONDS = 15.0


class TellingError(JobError):
    """It could not be told; the sentence holds neither an address nor a secret."""


def ways_of(settings: Alerts) -> list[str]:
    """The ways that are set up."""
    webhook = ["webhook"] if settings.webhook_url is not None else []
    return webhook + (["mail"] if settings.email_to else [])


async def tell(way: str, news: Sequence[News], settings: Alerts, http: GuardedClient) -> list[News]:
    """Tell it; answers what has surely arrived, since a webhook may take one and not the next.

    Raises:
        TellingError: Nothing has.
    """
    if way == "mail":
        message = mail(news, settings, datetime.now(UTC))
        await anyio.to_thread.run_sync(partial(_send_mail, message, settings), abandon_on_cancel=True)
        return list(news)
    done: list[News] = []
    for one in news:
        try:
            await _post(one, settings, http)
        except TellingError:
            if done:
                break
            raise
        done.append(one)
    return done


async def _post(one: News, settings: Alerts, http: GuardedClient) -> None:
    assert settings.webhook_url is not None  # noqa: S101 - else it is none of the ways
    body, timestamp = webhook_body(one), int(time.time())
    headers = {"Content-Type": "application/json", "webhook-id": one.id, "webhook-timestamp": str(timestamp)}
    if settings.webhook_secret is not None:
        headers["webhook-signature"] = signatures([settings.webhook_secret], one.id, timestamp, body)
    try:
        answer = await http.request(
            "POST",
            settings.webhook_url.reveal(),
            data=body,
            headers=headers,
            is_idempotent=True,  # its receiver knows it by its id
            deadline_seconds=WEBHOOK_SECONDS,
        )
    except JobError as error:
        raise TellingError(f"the webhook was not taken ({type(error).__name__})") from None
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - HTTP's class of success
        raise TellingError(f"the webhook answered {answer.status}")


def _send_mail(message: EmailMessage, settings: Alerts) -> None:
    """In a thread. What a server says is not repeated: it may quote addresses."""
    import smtplib  # noqa: PLC0415 - a library that only who sends mail needs

    assert settings.smtp_host is not None  # noqa: S101 - the settings refuse recipients without it
    context = ssl.create_default_context()
    try:
        if settings.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.smtp_host, settings.smtp_port, timeout=SMTP_SECONDS, context=context
            )
        else:
            server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=SMTP_SECONDS)
        with server:
            if settings.smtp_security == "starttls":
                server.starttls(context=context)
            if settings.smtp_user is not None and settings.smtp_password is not None:
                server.login(settings.smtp_user, settings.smtp_password.reveal())
            refused = server.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        raise TellingError(f"the mail server did not take the mail ({type(error).__name__})") from None
    if refused:
        raise TellingError(f"the mail server refused {len(refused)} of the recipients")
