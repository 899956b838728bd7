"""The Gmail sandbox: OAuth, mailboxes, quota and faults behind one loopback address."""

from __future__ import annotations

import base64
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import msgspec

from crmd.testing.sandbox import oauth
from crmd.testing.sandbox.account import FULL, Account
from crmd.testing.sandbox.batch import WrongBatchError, batch_reply, batched_calls
from crmd.testing.sandbox.clock import Now, wall_now
from crmd.testing.sandbox.consents import OAuthRules
from crmd.testing.sandbox.exchange import Call, RefusedCall, Reply, json_reply
from crmd.testing.sandbox.faults import FaultPlan
from crmd.testing.sandbox.field_mask import WrongMaskError, masked, parse_mask
from crmd.testing.sandbox.google_errors import (
    fault_reply,
    forbidden,
    google_error,
    invalid,
    not_found,
    overdrawn,
    unauthenticated,
)
from crmd.testing.sandbox.grants import Grants
from crmd.testing.sandbox.mailbox import Mailbox
from crmd.testing.sandbox.mailbox_routes import MAILBOX_ROUTES
from crmd.testing.sandbox.message_routes import MESSAGE_ROUTES
from crmd.testing.sandbox.quota import Quota, QuotaMeter
from crmd.testing.sandbox.recording import RequestLog
from crmd.testing.sandbox.routing import COMMON_PARAMETERS, PREFIX, Route, Visit, find_route
from crmd.testing.sandbox.server import ProviderServer, serving, spoiled_body

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

ROUTES: tuple[Route, ...] = (*MESSAGE_ROUTES, *MAILBOX_ROUTES)
BATCH_PATHS = frozenset({"/batch", "/batch/gmail/v1"})


class GmailSandbox:
    """A Google of one's own. Open it with `running`; fill it with `add_account` and `account.mailbox.add`.

    Attributes:
        accounts: The accounts by address.
        faults: What shall go wrong next.
        log: What was asked, and what was wrong with it.
        grants: Tokens and consents: expire, revoke, decide.
        oauth: The OAuth endpoints; `is_consent_denied` makes users refuse.
        quota: What users spent.
        shuffles_batches: Whether parts of a batch answer come in a random order.
    """

    def __init__(self, url: str, rules: OAuthRules, quota: Quota, faults: FaultPlan, now: Now) -> None:
        self.url = url
        self.accounts: dict[str, Account] = {}
        self.faults = faults
        self.log = RequestLog()
        self.grants = Grants(rules, now)
        self.oauth = oauth.OAuthEndpoints(self.grants, self.log, lambda: list(self.accounts), now)
        self.quota = QuotaMeter(quota, now)
        self.shuffles_batches = True
        self._parts_max: int | None = None
        self._now = now
        self._dice = random.Random(7)  # noqa: S311 - a repeatable order, not a secret
        self._push_serial = 0

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        *,
        rules: OAuthRules | None = None,
        quota: Quota | None = None,
        concurrent_max: int | None = None,
        now: Now = wall_now,
        port: int = 0,
    ) -> AsyncIterator[GmailSandbox]:
        """Serve on the loopback address until the block ends.

        Args:
            rules: The OAuth client and how tokens behave.
            quota: Units per user and minute; None gives 15,000 with the older costs.
            concurrent_max: Open requests, and parts of one batch, allowed at once for a token; None for no limit.
            now: The clock of token expiry, quota and new mail.
            port: Where to listen; 0 takes a free port.
        """
        sandbox = cls("", rules or OAuthRules(), quota or Quota(), FaultPlan(), now)
        sandbox._parts_max = concurrent_max
        server = ProviderServer(sandbox.answer, fault_reply, sandbox.faults, sandbox.log, concurrent_max)
        async with serving(server, sandbox.faults, port) as url:
            sandbox.url = url
            yield sandbox

    @property
    def api_url(self) -> str:
        """Base of the API, in place of https://gmail.googleapis.com."""
        return self.url

    @property
    def batch_url(self) -> str:
        """The batch endpoint."""
        return f"{self.url}/batch/gmail/v1"

    @property
    def authorize_url(self) -> str:
        """Where a user is sent to agree; the sandbox agrees at once."""
        return self.url + oauth.AUTHORIZE_PATH

    @property
    def token_url(self) -> str:
        """The token endpoint."""
        return self.url + oauth.TOKEN_PATH

    @property
    def device_url(self) -> str:
        """Where a device code is asked for."""
        return self.url + oauth.DEVICE_PATH

    @property
    def revoke_url(self) -> str:
        """Where a token is given back."""
        return self.url + oauth.REVOKE_PATH

    def add_account(
        self,
        email: str,
        *,
        name: str = "",
        signature: str = "",
        aliases: Iterable[str] = (),
        scopes: Iterable[str] = (FULL,),
        seed: int = 0,
    ) -> Account:
        """Give a new account with an empty mailbox and a refresh token of these scopes."""
        token = self.grants.consent(email, frozenset(scopes))
        account = Account(Mailbox(email, aliases, seed), name or email, signature, token)
        self.accounts[email] = account
        return account

    def push_body(self, account: Account) -> dict[str, object]:
        """Give what Pub/Sub would post now to tell that this mailbox changed."""
        self._push_serial += 1
        told = {"emailAddress": account.email, "historyId": account.mailbox.history_id}
        data = base64.b64encode(msgspec.json.encode(told)).decode("ascii")
        published = self._now().strftime("%Y-%m-%dT%H:%M:%S.000Z")
        serial = str(self._push_serial)
        message = {"data": data, "messageId": serial, "message_id": serial, "publishTime": published}
        return {"message": message, "subscription": "projects/sandbox/subscriptions/gmail"}

    def answer(self, call: Call) -> Reply:
        """Answer one whole request."""
        by_oauth = self.oauth.answer(call)
        if by_oauth is not None:
            return by_oauth
        if call.path in BATCH_PATHS:
            return self._batch(call)
        return self._gmail(call)

    def _batch(self, call: Call) -> Reply:
        if call.method != "POST":
            self.log.violated(call, "batch takes POST only")
            raise invalid("POST required")
        try:
            calls = batched_calls(call)
        except WrongBatchError as wrong:
            self.log.violated(call, str(wrong))
            raise RefusedCall(google_error(400, "badRequest", "Failed to parse batch request.")) from None
        answers = [(content_id, self._part(inner, at)) for at, (content_id, inner) in enumerate(calls)]
        return batch_reply(answers, self._dice if self.shuffles_batches else None)

    def _part(self, call: Call, at: int) -> Reply:
        fault = self.faults.take(call)
        if fault is not None and fault.status is not None:
            reply = fault_reply(fault)
        elif self._parts_max is not None and at >= self._parts_max:
            reply = google_error(429, "rateLimitExceeded", "Too many concurrent requests for user.")
        else:
            try:
                reply = spoiled_body(self._gmail(call), fault)
            except RefusedCall as refused:
                reply = refused.reply
        self.log.answered(call, reply.status)
        return reply

    def _gmail(self, call: Call) -> Reply:
        found = PREFIX.fullmatch(call.path)
        match = find_route(ROUTES, call.method, found.group(2)) if found else None
        if found is None or match is None:
            self.log.violated(call, "no such method")
            raise not_found()
        route, ids = match
        account, scopes = self._authorised(call, found.group(1))
        self._mind_parameters(call, route)
        if not scopes & route.scopes:
            raise forbidden("insufficientPermissions", "Request had insufficient authentication scopes.")
        retry_at = self.quota.charge(account.email, route.cost)
        if retry_at is not None:
            raise overdrawn(self.quota.quota.refusal_status, retry_at)
        return self._wanted_fields(call, route.answer(Visit(call, account, ids, scopes, self._now(), self.log)))

    def _wanted_fields(self, call: Call, reply: Reply) -> Reply:
        if not call.value("fields") or not reply.body:
            return reply
        try:
            mask = parse_mask(call.value("fields"))
        except WrongMaskError as wrong:
            self.log.violated(call, str(wrong))
            raise invalid(f"Invalid field selection: {wrong}") from None
        return json_reply(masked(msgspec.json.decode(reply.body), mask), reply.status, reply.headers)

    def _authorised(self, call: Call, user: str) -> tuple[Account, frozenset[str]]:
        scheme, _, token = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            self.log.violated(call, "Authorization: Bearer is missing")
            raise unauthenticated()
        family = self.grants.family_of(token.strip())
        if family is None or family.subject not in self.accounts:
            raise unauthenticated()
        if user not in {"me", family.subject}:
            raise forbidden("forbidden", f"Delegation denied for {family.subject}")
        return self.accounts[family.subject], family.scopes

    def _mind_parameters(self, call: Call, route: Route) -> None:
        unknown = sorted({name for name, _ in call.query} - route.parameters - COMMON_PARAMETERS)
        if unknown:
            self.log.violated(call, f"unknown parameter {unknown[0][:60]!r}")
            raise invalid(
                f'Invalid JSON payload received. Unknown name "{unknown[0][:60]}": Cannot bind query parameter.'
            )
