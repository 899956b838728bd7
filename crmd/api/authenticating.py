"""From an `Authorization` header to an identity. What was found out is remembered for a few seconds, not longer."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from importlib import import_module
from typing import TYPE_CHECKING
from uuid import UUID

from crmd.api import jwt
from crmd.api.identity import Identity
from crmd.api.problem import Problem
from crmd.errors import CrmdError, JobError
from crmd.store import api_keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.api.public_keys import PublicKey
    from crmd.api.state import State

_LOG = logging.getLogger("crmd.api")
REMEMBERED_SECONDS = 5.0
REMEMBERED_MAX = 10_000
# After so many wrong tries within a minute an address is not listened to until the minute is over.
WRONG_MAX = 20
WRONG_SECONDS = 60.0
KEY_SET_SECONDS = 300.0
KEY_SET_PAUSE_SECONDS = 10.0


class Authenticator:
    """Knows who asks.

    Args:
        state: What the API works with.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._remembered: OrderedDict[bytes, tuple[float, Identity]] = OrderedDict()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()
        self._keys: Mapping[str, PublicKey] = {}
        self._keys_read_at = float("-inf")

    async def identify(self, header: str | None, address: str) -> Identity:
        """Who sends this header from this address.

        Raises:
            Problem: 401: nobody known; 429: too many wrong tries came from there.
        """
        kind, _, text = (header or "").partition(" ")
        text = text.strip()
        if kind.lower() != "bearer" or not text:
            raise _unknown("Send `Authorization: Bearer` with a key or a token.")
        place = hashlib.sha256(text.encode()).digest()
        known = self._remembered.get(place)
        now = time.monotonic()
        if known is not None and known[0] > now:
            return known[1]
        self._check_patience(address)
        identity = await (self._of_key(text) if text.startswith("crmd_") else self._of_token(text))
        if identity is None:
            self._wrong.setdefault(address, []).append(now)
            while len(self._wrong) > REMEMBERED_MAX:
                self._wrong.popitem(last=False)
            raise _unknown("That key or token is wrong, or it has ended.")
        self._remembered[place] = (now + REMEMBERED_SECONDS, identity)
        while len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)
        return identity

    def _check_patience(self, address: str) -> None:
        since = time.monotonic() - WRONG_SECONDS
        tries = self._wrong.get(address)
        if not tries:
            return
        tries[:] = [at for at in tries if at > since]
        if not tries:
            del self._wrong[address]
        elif len(tries) >= WRONG_MAX:
            wait = max(1, round(tries[0] - since))
            raise Problem(
                429,
                "too-many",
                "Too many wrong keys came from this address.",
                hint=f"Try again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )

    async def _of_key(self, text: str) -> Identity | None:
        found = await api_keys.holder(self._state.pool, text)
        if found is None:
            return None
        key_id, row = found
        await api_keys.note_use(self._state.pool, key_id)
        return Identity(
            name=f"key:{key_id}",
            scopes=frozenset(row["scopes"]),
            workspace_id=row["workspace_id"],
            job_types=None if row["job_types"] is None else frozenset(row["job_types"]),
        )

    async def _of_token(self, text: str) -> Identity | None:
        settings = self._state.settings()
        if settings.jwt_secret is None and settings.jwks_url is None:
            return None
        keys = await self._key_set(jwt.key_id(text)) if settings.jwks_url is not None else {}
        trust = jwt.Trust(
            secret=settings.jwt_secret,
            keys=keys,
            issuer=settings.jwt_issuer,
            audience=settings.jwt_audience,
        )
        try:
            claims = jwt.claims_of(text, trust)
            workspace_id = UUID(jwt.claim(claims, settings.jwt_workspace_claim) or "")
            user_id = UUID(jwt.claim(claims, "sub") or "")
        except (jwt.Distrust, ValueError) as error:
            _LOG.info("a token was refused: %s", error if isinstance(error, jwt.Distrust) else "its ids are no UUIDs")
            return None
        types = settings.jwt_job_types
        return Identity(
            name=f"user:{user_id}",
            scopes=frozenset(settings.jwt_scopes),
            workspace_id=workspace_id,
            user_id=user_id,
            job_types=None if types is None else frozenset(types),
            expires_at=float(claims["exp"]),
        )

    async def _key_set(self, key_id: str | None) -> Mapping[str, PublicKey]:
        """The public keys; read anew every few minutes, and for a key that is not known, though not too often."""
        url = self._state.settings().jwks_url
        age = time.monotonic() - self._keys_read_at
        if url is None or age < (KEY_SET_SECONDS if key_id in self._keys else KEY_SET_PAUSE_SECONDS):
            return self._keys
        self._keys_read_at = time.monotonic()
        try:
            answer = await self._state.http.request("GET", url)
            self._keys = import_module("crmd.api.public_keys").public_keys(answer.body)
        except (JobError, CrmdError, ValueError) as error:
            _LOG.warning(
                "the key set of api.jwks_url cannot be read (%s); the keys known so far stay", type(error).__name__
            )
        return self._keys


def _unknown(hint: str) -> Problem:
    return Problem(
        401,
        "unauthenticated",
        "Nobody known is asking.",
        hint=hint,
        headers={"WWW-Authenticate": 'Bearer realm="crmd"'},
    )
