"""Logs a secret."""

from collections.abc import Iterable

import msgspec

import crmd


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table [plugins.tells]."""

    api_key: str = ""


@crmd.job("tell")
async def tell(ctx: crmd.Context) -> None:
    """Says with which key it works."""
    ctx.log.debug("working with %s", ctx.settings.api_key)


def crmd_settings() -> type[Settings]:
    """Its settings."""
    return Settings


def crmd_samples() -> Iterable[crmd.Sample]:
    """How it is tried."""
    return [crmd.Sample(job_type="tell")]
