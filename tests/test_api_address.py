from __future__ import annotations

import pytest

from crmd.api.address import address_of
from crmd.config.api_settings import Api
from crmd.errors import ConfigError


def test_an_address_is_host_and_port() -> None:
    """Loopback needs nothing further, a public address TLS or a proxy; `off` is no address at all."""
    assert address_of(Api()) == ("127.0.0.1", 8471)
    assert address_of(Api(listen="[::1]:80")) == ("::1", 80)
    assert address_of(Api(listen="0.0.0.0:80", behind_proxy=True)) == ("0.0.0.0", 80)  # noqa: S104 - nothing listens
    assert address_of(Api(listen="off")) is None


@pytest.mark.parametrize(
    "listen", ["", "8471", "bad", "127.0.0.1:", "127.0.0.1:99999", "::1:80", "0.0.0.0:80", "crm.example:80"]
)
def test_what_is_none_is_refused(listen: str) -> None:
    """What cannot be listened at, or would be open to others, is told in a sentence that names the setting."""
    with pytest.raises(ConfigError, match=r"api\.listen = "):
        address_of(Api(listen=listen))
