"""A plugin with nothing but a provider, so that samples of plugins without one of their own can connect accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import crmd

if TYPE_CHECKING:
    from collections.abc import Iterable

NAME = "fake"


@crmd.hookimpl
def crmd_providers() -> Iterable[crmd.Provider]:
    """The provider `fake`."""
    return [
        crmd.Provider(
            name=NAME,
            authorize_url="https://fake.invalid/authorize",
            token_url="https://fake.invalid/token",  # noqa: S106 - an address, not a secret
            api_url="https://fake.invalid",
            probe_path="/me",
        )
    ]
