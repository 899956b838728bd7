"""Effects as handlers see them: what is to happen once outside, and the ledger that remembers whether it did."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from uuid import UUID

OnUnknownEffect: TypeAlias = Literal["probe", "resend", "park"]
"""What becomes of an effect of which nobody knows whether it took place: ask, repeat, or wait for a person."""

QUIET_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing that is to happen once outside.

    Args:
        id: Of its row in `crmd.effect`; the same however often it is handed over.
        kind: What it is, as `mail`.
        key: What makes it the same within its kind and workspace.
        handovers: Which hand-over this is, from 1.
    """

    id: UUID
    kind: str
    key: str
    handovers: int

    @property
    def idempotency_key(self) -> str:
        """By which a receiver that keeps such keys knows it again."""
        return str(self.id)

    def message_id(self, domain: str) -> str:
        """The Message-ID of a mail, the same each time, by which it is found among what was sent."""
        return f"<{self.id}@{domain}>"


Send: TypeAlias = Callable[[Effect], Awaitable[object]]
"""Hands the effect over; what it returns is the receipt. See `Effecting.effect` for what it may raise."""
Probe: TypeAlias = Callable[[Effect], Awaitable[object]]
"""Asks the receiver: its receipt, or None when the effect surely did not take place."""
Allow: TypeAlias = Callable[[Any], Awaitable[object]]
"""Called with a `crmd.Transaction`; raises when the effect may not be handed over."""


class Effecting(Protocol):
    """Makes things happen once outside."""

    async def effect(
        self,
        kind: str,
        *,
        key: str,
        send: Send,
        probe: Probe | None = None,
        allow: Allow | None = None,
        quiet_seconds: float = QUIET_SECONDS,
    ) -> Any:  # noqa: ANN401 - what the receiver gave, as JSON
        """Let something happen once, whatever dies meanwhile; the receipt is kept and given to whoever asks again.

        The effect is handed over in a commit of its own before `send` is called. When it is not known afterwards
        whether the receiver took it, nobody sends it again before that is found out, as the job type's
        `on_unknown_effect` says.

        Args:
            kind: What it is: `mail`, `sms`, `http` or a word of yours.
            key: Unique within the kind and the job's workspace: `campaign/42/ann@example.com`.
            send: Called with the `crmd.Effect`; returns the receipt. `crmd.NotAccepted`, `crmd.EffectRefused` and
                `crmd.GateClosed` mean that the receiver surely did not take it. Whatever else it raises leaves the
                effect unknown. It makes the one call that matters, and nothing after it.
            probe: Asks the receiver for an effect that is unknown.
            allow: Called with the transaction that hands over, under the rights of the plugin: a kill switch, a daily
                cap, an unsubscribed recipient. `crmd.EffectRefused` refuses for good, `crmd.GateClosed` for a time.
            quiet_seconds: An unknown effect is neither asked for nor repeated sooner after its hand-over, since it may
                still be on its way; doubled with each further hand-over.

        Raises:
            EffectUnknown: It is not known yet whether it took place; the job is parked or held.
            EffectRefused: It was not taken and never will be.
            NotAccepted: It was not taken this time.
            GateClosed: It may not be handed over now, or another job is at it.
            LeaseLost: Another claim holds the job by now; nothing was sent.
        """
