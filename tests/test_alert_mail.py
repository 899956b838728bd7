"""Alerts by mail as real servers take it: over TLS, after a login, and to nobody who is not who he says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from mail_server import MailServer, certificate, serving_mail

from crmd.alerts.message import News
from crmd.alerts.ways import TellingError, tell
from crmd.config.alert_settings import Alerts
from crmd.http.client import GuardedClient
from crmd.secret import Secret
from crmd.store.alerts import Alert

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "canary-password"


async def mailed(server: MailServer, **more: Any) -> None:  # noqa: ANN401 - any setting
    """Tell one fault by mail."""
    settings = Alerts(
        email_to=("ops@example.com",), email_from="crmd@example.com", smtp_host="localhost", smtp_port=server.port,
        smtp_user="crmd", smtp_password=Secret(PASSWORD), **more,
    )  # fmt: skip
    fault = Alert(
        fault="dead/sync-mail", id=uuid4(), kind="dead", sentence="3 jobs died.", hint="crmd dead list",
        opened_at=datetime(2026, 1, 2, 3, 4, tzinfo=UTC), recovered_at=None, told_open=(), told_end=(),
    )  # fmt: skip
    async with GuardedClient("none") as http:
        await tell("mail", [News(fault, is_end=False)], settings, http)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_mail_goes_over_tls_after_a_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: str) -> None:
    """With TLS at once or after STARTTLS the mail arrives, and neither login nor mail is ever in the clear."""
    trusted, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with serving_mail(MailServer(context, PASSWORD), is_tls_at_once=security == "tls") as server:
        await mailed(server, smtp_security=security)
    [got] = server.mails
    assert (got["To"], "3 jobs died." in got.get_content()) == ("ops@example.com", True)
    words = [line.split()[0].upper() for line in server.clear]
    assert words == ([b"EHLO", b"STARTTLS"] if security == "starttls" else [])


async def test_a_wrong_password_is_told_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that is refused is a sentence without the password, the address, or what the server said."""
    trusted, context = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with serving_mail(MailServer(context, "another")) as server:
        with pytest.raises(TellingError) as refused:
            await mailed(server)
    assert str(refused.value) == "the mail server did not take the mail (SMTPAuthenticationError)"
    assert server.mails == []


@pytest.mark.parametrize("weakness", ["nobody vouches", "another name", "no starttls"])
async def test_nothing_is_sent_to_who_cannot_prove_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, weakness: str
) -> None:
    """A certificate of nobody or of another, or STARTTLS that somebody took out: no login and no mail is sent."""
    trusted, context = certificate(tmp_path, "elsewhere.example" if weakness == "another name" else "localhost")
    if weakness != "nobody vouches":
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    async with serving_mail(MailServer(context, PASSWORD, is_tls_offered=weakness != "no starttls")) as server:
        with pytest.raises(TellingError, match="did not take the mail"):
            await mailed(server)
    assert server.mails == []
    assert {line.split()[0].upper() for line in server.clear} <= {b"EHLO", b"STARTTLS", b"QUIT"}
