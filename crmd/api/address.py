"""Where the API listens."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from crmd.errors import ConfigError

if TYPE_CHECKING:
    from crmd.config.api_settings import Api

_ADDRESS = re.compile(r"^(\[[0-9a-fA-F:]+\]|[^\s:\[\]]+):(\d{1,5})$")
PORT_MAX = 65_535


def address_of(settings: Api) -> tuple[str, int] | None:
    """Host and port; None: nothing is served.

    Raises:
        ConfigError: It is no address, or other machines could reach it without TLS.
    """
    if settings.listen == "off":
        return None
    found = _ADDRESS.fullmatch(settings.listen)
    if found is None or int(found[2]) > PORT_MAX:
        raise ConfigError(
            f"api.listen = {settings.listen!r} is no address with a port.",
            hint="Write for instance 127.0.0.1:8471, or off.",
        )
    host = found[1].strip("[]")
    if settings.tls_cert_path is None and not settings.behind_proxy and not _is_own(host):
        raise ConfigError(
            f"api.listen = {settings.listen!r} can be reached from other machines, and there is no TLS.",
            hint="Set api.tls_cert_path and api.tls_key_path, or api.behind_proxy when a proxy does TLS.",
        )
    return host, int(found[2])


def _is_own(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
