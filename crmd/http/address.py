"""The guard on addresses that users give: only the public internet, checked on the very address that is connected to.

A name can resolve to anything, and to something else a moment later; so the check sits where the socket is made, after
every look-up. The check on the URL only refuses early, with a better sentence.
"""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from crmd.errors import FailJob

if TYPE_CHECKING:
    from collections.abc import Collection

URL_LENGTH_MAX = 4096
PUBLIC_SCHEMES = frozenset({"https"})
PUBLIC_PORTS = frozenset({443, 8443})

# Everything else of IPv6 is not global unicast: loopback, mapped forms, local, multicast, whatever comes.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Python 3.11's is_global calls some of these global: protocol assignments, the 6to4 relay, multicast, reserved.
_NOT_OURS = tuple(
    ipaddress.IPv4Network(net) for net in ("192.0.0.0/24", "192.88.99.0/24", "224.0.0.0/4", "240.0.0.0/4")
)


class AddressRefused(FailJob):
    """The address a user gave does not lead to the public internet; trying again would change nothing."""


def refusal(text: str) -> str | None:
    """Why an IP address may not be connected to, or None when it may.

    IPv4 inside IPv6 (mapped, NAT64, 6to4) is judged by the IPv4 address.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return "it is not an IP address"
    if isinstance(address, ipaddress.IPv6Address):
        inner = _embedded(address)
        if inner is None:
            is_public = address in _GLOBAL_UNICAST and address.is_global and address.teredo is None
            return None if is_public else "it is not on the public internet"
        address = inner
    is_public = address.is_global and not any(address in network for network in _NOT_OURS)
    return None if is_public else "it is not on the public internet"


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour


def public_socket(addr_info: tuple[Any, ...]) -> socket.socket:
    """A socket for an address that was looked up, as aiohttp's `socket_factory`.

    Raises:
        AddressRefused: The address is not on the public internet; nothing was sent to it.
    """
    family, kind, protocol, _, address = addr_info
    reason = refusal(str(address[0]))
    if reason is not None:
        raise AddressRefused(f"The address it leads to is refused: {reason}.")
    return socket.socket(family=family, type=kind, proto=protocol)


def check_public_url(url: str, *, ports: Collection[int] = PUBLIC_PORTS) -> None:
    """Refuse a user's URL that can be refused before any look-up.

    Raises:
        AddressRefused: Not https, too long, with user and password in it, or at a port that is not for the web.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or 443
    except ValueError:
        raise AddressRefused("The URL cannot be read.") from None
    if len(url) > URL_LENGTH_MAX or not parts.hostname:
        raise AddressRefused("The URL names no host or is too long.")
    if parts.scheme not in PUBLIC_SCHEMES:
        raise AddressRefused("The URL must begin with https://.")
    if "@" in parts.netloc:
        raise AddressRefused("The URL may not hold a user name or password.")
    if port not in ports:
        raise AddressRefused(f"Port {port} is not allowed.")
