"""`crmd effects`: what was to happen once outside, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from crmd.cli.acting import acting
from crmd.cli.asking import bounds_of, only_one, uuid_of, workspace_of
from crmd.cli.attached import on_database
from crmd.cli.screen import show_record, show_rows
from crmd.errors import CrmdError, ExitCode, UsageError
from crmd.store import effects
from crmd.telling import span_text

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping
    from uuid import UUID

    from crmd.config.loading import Config
    from crmd.ledger import EffectState
    from crmd.store.pools import Pool

COLUMNS = {
    "id": "id",
    "state": "state",
    "kind": "kind",
    "key": "key",
    "age": "age",
    "job_type": "job type",
    "job_id": "job",
    "reason": "reason",
    "next": "what to do",
}
COUNTS = {"kind": "kind", "state": "state", "effects": "effects"}
LOOK = "look at the receiver, then: crmd effects resolve ID --sent or --not-sent"


def listed(arguments: Namespace) -> int:
    """List effects, newest first."""

    async def work(pool: Pool, _: Config) -> int:
        rows = await effects.listed(
            pool,
            states=["unknown"] if arguments.is_unknown else arguments.state,
            kind=arguments.kind,
            workspace_id=workspace_of(arguments.workspace),
            before_id=uuid_of(arguments.before, "an effect"),
            limit=max(arguments.limit, 1),
        )
        shown = [_told(dict(row)) for row in rows]
        show_rows(shown, COLUMNS, is_json=arguments.is_json, empty="There are no such effects.")
        return ExitCode.OK

    return on_database(arguments, work)


def counts(arguments: Namespace) -> int:
    """Count effects by kind and state."""

    async def work(pool: Pool, _: Config) -> int:
        rows = [dict(row) for row in await effects.counts(pool)]
        show_rows(rows, COUNTS, is_json=arguments.is_json, empty="There are no effects.")
        return ExitCode.OK

    return on_database(arguments, work)


def show(arguments: Namespace) -> int:
    """Show one effect."""

    async def work(pool: Pool, _: Config) -> int:
        show_record(_told(await _found(pool, arguments.id)), is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


def resolve(arguments: Namespace) -> int:
    """Say whether an unknown effect took place."""
    state: EffectState = "confirmed" if arguments.is_sent else "refused"
    receipt = _receipt(arguments.receipt)
    if receipt is not None and not arguments.is_sent:
        raise UsageError("What was not sent has no receipt.", hint="Leave --receipt out, or say --sent.")

    async def work(pool: Pool, _: Config) -> int:
        row = await _found(pool, arguments.id)
        told = "sent" if arguments.is_sent else "not sent"
        async with acting(pool, "effects.resolve", row["id"], workspace_id=row["workspace_id"], answer=told):
            await _resolve(pool, row, state, receipt, f"an operator said that it was {told}")
        show_record({"id": row["id"], "state": state}, is_json=arguments.is_json)
        return ExitCode.OK

    return on_database(arguments, work)


async def _resolve(pool: Pool, row: Mapping[str, Any], state: EffectState, receipt: object, reason: str) -> None:
    async with pool.acquire() as connection:
        if await effects.resolve(connection, row["id"], state, receipt=receipt, reason=reason):
            return
    hint = "It is on its way: look again in a moment." if row["state"] == "handed_over" else ""
    raise CrmdError(f"The effect is not unknown: it is {row['state']}.", hint=hint)


async def _found(pool: Pool, prefix: str) -> dict[str, Any]:
    first, last = bounds_of(prefix, "effect")
    return dict(only_one(await effects.between(pool, first, last), prefix, "effect"))


def _told(row: dict[str, Any]) -> dict[str, Any]:
    """The row, its age in words that people read, and what is to be done about it."""
    return {**row, "age": span_text(row["age_seconds"]), "next": _next(row["state"], row["id"])}


def _next(state: EffectState, effect_id: UUID) -> str | None:
    return LOOK.replace("ID", str(effect_id)) if state == "unknown" else None


def _receipt(text: str | None) -> Any:  # noqa: ANN401 - JSON of any shape
    """What the receiver answered, if that was given."""
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(f"The receipt is not JSON: {error}.", hint="""Write for instance '{"id": 5}'.""") from None
