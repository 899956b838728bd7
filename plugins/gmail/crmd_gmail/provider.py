"""Google as a provider: where its users consent, where its API answers and what it grants."""

from __future__ import annotations

import crmd
from crmd_gmail.settings import DECLARED_UNITS_PER_MINUTE
from crmd_gmail.verdict import read_verdict

GOOGLE = crmd.Provider(
    name="google",
    authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
    token_url="https://oauth2.googleapis.com/token",  # noqa: S106 - an address, not a secret
    device_url="https://oauth2.googleapis.com/device/code",
    revoke_url="https://oauth2.googleapis.com/revoke",
    api_url="https://gmail.googleapis.com",
    batch_url="https://gmail.googleapis.com/batch/gmail/v1",
    scopes=("https://www.googleapis.com/auth/gmail.modify",),
    # A refresh token comes only with offline access, and again only when consent is asked for again.
    extra_authorize_params={"access_type": "offline", "prompt": "consent"},
    # Google counts the units of any 60 seconds. A full bucket that is emptied at once and refilled meanwhile must not
    # come to more than that: so a fifth may be taken at once, and four fifths flow in.
    rate=crmd.Rate(DECLARED_UNITS_PER_MINUTE * 0.8, per_seconds=60.0, burst=DECLARED_UNITS_PER_MINUTE * 0.2),
    classify=read_verdict,
    probe_path="/gmail/v1/users/me/profile",
)
