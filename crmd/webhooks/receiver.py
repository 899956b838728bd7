"""Where messages may go: to the public internet over https, and to hosts that the operator has named."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from crmd.errors import UsageError
from crmd.http.address import AddressRefused, check_public_url, refusal

if TYPE_CHECKING:
    from collections.abc import Collection
    from urllib.parse import SplitResult

URL_LENGTH_MAX = 2000
_PRINTABLE = re.compile(r"[!-~]{1,2000}", re.ASCII)
_DEFAULT_PORTS = {"https": 443, "http": 80}
# The last label of a name begins with a letter; what does not is a number in one of the forms that resolvers read.
_NAME = re.compile(r"(?:[a-z0-9_-]{1,63}\.){1,20}[a-z][a-z0-9-]{0,62}\.?", re.ASCII | re.IGNORECASE)


def is_named(url: str, private_hosts: Collection[str]) -> bool:
    """Whether the operator has named the host of an address, as `host` for its usual port or as `host:port`."""
    try:
        parts = urlsplit(url)
        port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        return False
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return False
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    wanted = {f"{host}:{port}"} | ({host} if port == _DEFAULT_PORTS[parts.scheme] else set())
    return any(named.lower() in wanted for named in private_hosts)


def check_receiver(url: str, private_hosts: Collection[str]) -> None:
    """Refuse an address that no message will ever be sent to. Each connection is checked again when it is made.

    Raises:
        UsageError: It is none, or it leads elsewhere than to the public internet.
    """
    if not _PRINTABLE.fullmatch(url):
        raise UsageError(
            f"An address has 1 to {URL_LENGTH_MAX} printable ASCII characters.",
            hint="Write a name in punycode (xn--…).",
        )
    if is_named(url, private_hosts):
        return
    try:
        check_public_url(url)
        reason = _host_refusal(urlsplit(url))
    except AddressRefused as error:
        raise UsageError(str(error), hint="Messages go to https addresses on the public internet.") from None
    if reason is not None:
        raise UsageError(f"No message is sent there: {reason}.", hint="Give the name of a host on the public internet.")


def _host_refusal(parts: SplitResult) -> str | None:
    host = parts.hostname or ""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return None if _NAME.fullmatch(host) else "it names no host on the public internet"
    return refusal(host)
