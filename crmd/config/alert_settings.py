"""Settings of alerts: `[alerts]` of crmd.toml."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from crmd.allowed import MAIL_ADDRESS
from crmd.secret import Secret

Count = Annotated[int, Meta(ge=1)]
Minutes = Annotated[float, Meta(gt=0)]
Address = Annotated[str, Meta(pattern=MAIL_ADDRESS, max_length=254)]


class Alerts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whom crmd tells by itself when something needs a person, and from when on."""

    webhook_url: Annotated[Secret | None, Meta(description="where alerts are posted; an `https://` URL")] = None
    webhook_secret: Annotated[
        Secret | None, Meta(description="`whsec_…`: they are signed with it, as Standard Webhooks are")
    ] = None
    email_to: Annotated[tuple[Address, ...], Meta(description="who gets mail; needs `smtp_host`")] = ()
    email_from: Annotated[Address, Meta(description="sender of the mail")] = "crmd@localhost.localdomain"
    smtp_host: Annotated[str | None, Meta(description="mail server")] = None
    smtp_port: Annotated[int, Meta(ge=1, le=65535, description="its port")] = 587
    smtp_security: Annotated[
        Literal["starttls", "tls", "none"], Meta(description="how the way to it is kept private")
    ] = "starttls"
    smtp_user: Annotated[str | None, Meta(description="login there; none: without one")] = None
    smtp_password: Annotated[Secret | None, Meta(description="its password")] = None
    dead_jobs: Annotated[Count, Meta(description="dead jobs of one type within a day")] = 1
    failing_jobs: Annotated[Count, Meta(description="jobs of one type that failed within an hour or keep failing")] = 10
    waiting_minutes: Annotated[Minutes, Meta(description="a due job has waited for so long")] = 30.0
    schedule_minutes: Annotated[Minutes, Meta(description="a schedule is late by so much")] = 15.0
    stale_minutes: Annotated[Minutes, Meta(description="an active connection has not synced for so long")] = 1440.0

    def __post_init__(self) -> None:
        if self.email_to and self.smtp_host is None:
            raise ValueError("email_to needs smtp_host")
        if self.smtp_user is not None and self.smtp_security == "none":
            raise ValueError("smtp_user needs smtp_security, or the password could be read on its way")
        if self.webhook_url is not None and not self.webhook_url.reveal().startswith(("https://", "http://")):
            raise ValueError("webhook_url is no http address")
