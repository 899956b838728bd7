"""What is said of faults, as a webhook and as a mail. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from email.message import EmailMessage
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from crmd.config.alert_settings import Alerts
    from crmd.store.alerts import Alert


@dataclass(frozen=True, slots=True)
class News:
    """The beginning or the end of a fault."""

    alert: Alert
    is_end: bool

    @property
    def id(self) -> str:
        """The same whenever it is told again."""
        return f"{self.alert.id}-{'recovered' if self.is_end else 'opened'}"


def news_for(way: str, alerts: Sequence[Alert]) -> list[News]:
    """What has not been told on that way yet; of a fault that is over, its beginning first."""
    opened = [News(alert, is_end=False) for alert in alerts if way not in alert.told_open]
    ended = [
        News(alert, is_end=True) for alert in alerts if alert.recovered_at is not None and way not in alert.told_end
    ]
    return opened + ended


def webhook_body(one: News) -> bytes:
    """The JSON that is posted, in the form of Standard Webhooks."""
    alert = one.alert
    at = alert.recovered_at if one.is_end and alert.recovered_at is not None else alert.opened_at
    return msgspec.json.encode(
        {
            "type": "alert.recovered" if one.is_end else "alert.opened",
            "timestamp": at,
            "data": {
                "id": alert.id,
                "fault": alert.fault,
                "kind": alert.kind,
                "sentence": alert.sentence,
                "hint": alert.hint,
                "openedAt": alert.opened_at,
                "recoveredAt": alert.recovered_at if one.is_end else None,
            },
        }
    )


def mail(news: Sequence[News], settings: Alerts, at: datetime) -> EmailMessage:
    """One mail for all of it. Its headers hold nothing but counts, addresses of the settings and a hash."""
    opened = [one.alert for one in news if not one.is_end]
    ended = [one.alert for one in news if one.is_end]
    message = EmailMessage()
    message["Subject"] = f"crmd: {_subject(len(opened), len(ended))}"
    message["From"] = settings.email_from
    message["To"] = ", ".join(settings.email_to)
    message["Date"] = at
    digest = hashlib.sha256("\n".join(sorted(one.id for one in news)).encode()).hexdigest()[:32]
    message["Message-ID"] = f"<{digest}@{settings.email_from.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"
    lines = [f"{alert.sentence}\n    {alert.hint}\n    since {_when(alert.opened_at)}\n" for alert in opened]
    if ended:
        lines += ["Over:", ""] if opened else []
        lines += [f"Recovered: {alert.fault}\n    it was: {alert.sentence}\n    {_span(alert)}\n" for alert in ended]
    message.set_content("\n".join(lines))
    return message


def _subject(opened: int, ended: int) -> str:
    parts = [f"{opened} fault{'s' * (opened != 1)}"] * (opened > 0) + [f"{ended} recovered"] * (ended > 0)
    return ", ".join(parts)


def _span(alert: Alert) -> str:
    end = "" if alert.recovered_at is None else f" to {_when(alert.recovered_at)}"
    return f"from {_when(alert.opened_at)}{end}"


def _when(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
