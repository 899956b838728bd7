"""The single addresses that a PostgreSQL URL with several hosts names, each a URL of its own."""

from __future__ import annotations

from functools import cache
from urllib.parse import quote, unquote


@cache
def single_addresses(dsn: str) -> tuple[str, ...]:
    """One URL a host, in the order of the URL: `postgresql://u@a,b:5433/d` names `…@a/d` and `…@b:5433/d`.

    Hosts stand before the path or in `host=…` (sockets do), ports with them or in `port=…`: one for all or one each.
    What is not understood is left as it is, for the driver to judge.
    """
    scheme, slashes, rest = dsn.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, hosts = authority.rpartition("@")
    path, _, query = path.partition("?")
    words = [word.partition("=") for word in query.split("&") if word]
    named = {name: unquote(value) for name, _, value in words if name in {"host", "port"}}
    every = hosts.split(",") if hosts else named.get("host", "").split(",")
    ports = named.get("port", "").split(",")
    if not slashes or len(every) == 1 or len(ports) not in {1, len(every)}:
        return (dsn,)
    kept = [f"{name}={value}" for name, _, value in words if name not in {"host", "port"}]
    found = []
    for number, host in enumerate(every):
        port = ports[number % len(ports)]
        extra = [f"port={port}"] if port else []
        if not hosts:
            extra = [f"host={quote(host, safe='')}", *extra]
        asked = "&".join(kept + extra)
        found.append(f"{scheme}://{user}{at}{host if hosts else ''}{slash}{path}{'?' if asked else ''}{asked}")
    return tuple(found)
