"""The OAuth endpoints of a fake provider: authorize, token, device code, revoke."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

from crmd.testing.sandbox.consents import OAuthRefused, PendingCode
from crmd.testing.sandbox.exchange import Call, Reply, json_reply
from crmd.testing.sandbox.grants import CODE_LIFE

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.testing.sandbox.clock import Now
    from crmd.testing.sandbox.consents import Tokens
    from crmd.testing.sandbox.grants import Grants
    from crmd.testing.sandbox.recording import RequestLog

FORM_TYPE = "application/x-www-form-urlencoded"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

AUTHORIZE_PATH = "/o/oauth2/v2/auth"
TOKEN_PATH = "/token"  # noqa: S105 - a path
DEVICE_PATH = "/device/code"
REVOKE_PATH = "/revoke"


class OAuthEndpoints:
    """Answers the four OAuth paths.

    Args:
        grants: The consents.
        log: Where violations go.
        subjects: Gives the accounts that could sign in; the first one is the default.
        now: The clock.
    """

    def __init__(self, grants: Grants, log: RequestLog, subjects: Callable[[], list[str]], now: Now) -> None:
        self.grants = grants
        self.is_consent_denied = False
        self._log = log
        self._subjects = subjects
        self._now = now
        self._consented: set[str] = set()

    def answer(self, call: Call) -> Reply | None:
        """Answer an OAuth call, or give None for any other path."""
        match call.path:
            case "/o/oauth2/v2/auth":
                return self._authorize(call)
            case "/token":
                return self._posted(call, self._token)
            case "/device/code":
                return self._posted(call, self._device)
            case "/revoke":
                return self._posted(call, self._revoke)
            case "/device":
                return self._agree_on_device(call)
            case _:
                return None

    def _posted(self, call: Call, act: Callable[[Call, dict[str, str]], Reply]) -> Reply:
        if call.method != "POST":
            self._log.violated(call, "this endpoint takes POST only")
            return _error(OAuthRefused("invalid_request", "POST required.", 405))
        if call.media_type() != FORM_TYPE:
            self._log.violated(call, f"Content-Type must be {FORM_TYPE}")
            return _error(OAuthRefused("invalid_request", "Bad content type."))
        form = dict(parse_qsl(call.body.decode("utf-8", "replace"), keep_blank_values=True))
        try:
            return act(call, form)
        except OAuthRefused as refused:
            return _error(refused)

    def _authorize(self, call: Call) -> Reply:
        """Agree at once in the user's name, with the account in `login_hint` or the first one."""
        wrong = _wrong_authorize(call, self.grants.rules.client_id)
        if wrong:
            self._log.violated(call, wrong)
            return Reply(400, f"Error 400: invalid_request: {wrong}".encode(), "text/plain; charset=utf-8")
        answer = {"state": call.value("state")} if call.value("state") else {}
        subject = call.value("login_hint") or next(iter(self._subjects()), "")
        if self.is_consent_denied or subject not in self._subjects():
            return _redirect(call, {"error": "access_denied", **answer})
        return _redirect(call, {"code": self.grants.begin_code(self._pending(call, subject)), **answer})

    def _pending(self, call: Call, subject: str) -> PendingCode:
        """Google gives a refresh token for offline access only, and again only after `prompt=consent`."""
        is_asked_again = "consent" in call.value("prompt").split()
        is_offline = call.value("access_type") == "offline" and (is_asked_again or subject not in self._consented)
        self._consented.add(subject)
        return PendingCode(
            subject=subject,
            scopes=frozenset(call.value("scope").split()),
            redirect_uri=call.value("redirect_uri"),
            challenge=call.value("code_challenge"),
            is_offline=is_offline,
            expires_at=self._now() + CODE_LIFE,
        )

    def _token(self, call: Call, form: dict[str, str]) -> Reply:
        client_id, client_secret = _credentials(call, form)
        self.grants.check_client(client_id, client_secret)
        match form.get("grant_type", ""):
            case "refresh_token":
                return _tokens_reply(self.grants.refresh(self._need(call, form, "refresh_token")))
            case "authorization_code":
                code = self._need(call, form, "code")
                uri = self._need(call, form, "redirect_uri")
                return _tokens_reply(self.grants.redeem_code(code, uri, form.get("code_verifier", "")))
            case grant_type if grant_type == DEVICE_GRANT:
                return _tokens_reply(self.grants.poll_device(self._need(call, form, "device_code")))
            case grant_type:
                self._log.violated(call, f"unknown grant_type {grant_type[:60]!r}")
                raise OAuthRefused("unsupported_grant_type", f"Invalid grant_type: {grant_type[:60]}")

    def _need(self, call: Call, form: dict[str, str], name: str) -> str:
        if not form.get(name):
            self._log.violated(call, f"missing parameter {name}")
            raise OAuthRefused("invalid_request", f"Missing required parameter: {name}")
        return form[name]

    def _device(self, call: Call, form: dict[str, str]) -> Reply:
        if form.get("client_id") != self.grants.rules.client_id:
            raise OAuthRefused("invalid_client", "The OAuth client was not found.", 401)
        scopes = frozenset(self._need(call, form, "scope").split())
        code, device = self.grants.start_device(scopes)
        url = f"http://{call.headers.get('host', 'localhost')}/device"
        answer = {
            "device_code": code,
            "user_code": device.user_code,
            "verification_url": url,
            "expires_in": self.grants.rules.device_seconds,
            "interval": self.grants.rules.device_interval_seconds,
        }
        return json_reply(answer)

    def _agree_on_device(self, call: Call) -> Reply:
        """Agree, or refuse, for the user who opens the verification page with `?user_code=`."""
        subject = call.value("login_hint") or next(iter(self._subjects()), "")
        is_agreed = not self.is_consent_denied and subject in self._subjects()
        try:
            self.grants.decide_device(call.value("user_code"), subject if is_agreed else None)
        except KeyError:
            return Reply(404, b"That code is unknown.", "text/plain; charset=utf-8")
        return Reply(200, b"Agreed." if is_agreed else b"Refused.", "text/plain; charset=utf-8")

    def _revoke(self, call: Call, form: dict[str, str]) -> Reply:
        if not self.grants.revoke(self._need(call, form, "token")):
            raise OAuthRefused("invalid_token", "Token expired or revoked")
        return json_reply({})


def _wrong_authorize(call: Call, client_id: str) -> str:
    checks = (
        (call.method == "GET", "authorize takes GET only"),
        (call.value("client_id") == client_id, "unknown client_id"),
        (call.value("response_type") == "code", "response_type must be code"),
        (bool(call.value("redirect_uri")), "redirect_uri is missing"),
        (bool(call.value("scope")), "scope is missing"),
        (_is_s256(call), "code_challenge needs code_challenge_method=S256"),
    )
    return next((wrong for is_right, wrong in checks if not is_right), "")


def _is_s256(call: Call) -> bool:
    return not call.value("code_challenge") or call.value("code_challenge_method") == "S256"


def _credentials(call: Call, form: dict[str, str]) -> tuple[str, str]:
    """Take the client's credentials from the form, or from Basic authentication (RFC 6749, section 2.3.1)."""
    scheme, _, value = call.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        decoded = base64.b64decode(value, validate=True).decode("utf-8", "replace")
    except binascii.Error:
        return "", ""
    client_id, _, client_secret = decoded.partition(":")
    return client_id, client_secret


def _redirect(call: Call, answer: dict[str, str]) -> Reply:
    uri = call.value("redirect_uri")
    joint = "&" if "?" in uri else "?"
    return Reply(302, b"", "text/html; charset=utf-8", (("Location", f"{uri}{joint}{urlencode(answer)}"),))


def _tokens_reply(tokens: Tokens) -> Reply:
    answer: dict[str, object] = {
        "access_token": tokens.access_token,
        "expires_in": tokens.expires_seconds,
        "scope": " ".join(sorted(tokens.scopes)),
        "token_type": "Bearer",
    }
    if tokens.refresh_token is not None:
        answer["refresh_token"] = tokens.refresh_token
    return json_reply(answer, headers=(("Cache-Control", "no-store"),))


def _error(refused: OAuthRefused) -> Reply:
    return json_reply({"error": refused.error, "error_description": refused.description}, refused.status)
