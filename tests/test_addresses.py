"""A URL of several hosts is taken apart into one URL a host, and whatever else it is stays as it is."""

from __future__ import annotations

import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args  # type: ignore[attr-defined]  # no public parser
from hypothesis import given
from hypothesis import strategies as st

from crmd.store.addresses import single_addresses


@pytest.mark.parametrize(
    ("dsn", "singles"),
    [
        ("postgresql://u:p@a/d", ["postgresql://u:p@a/d"]),
        ("postgresql://u:p%40@a,b:5433/d?ssl=require",
         ["postgresql://u:p%40@a/d?ssl=require", "postgresql://u:p%40@b:5433/d?ssl=require"]),
        ("postgresql://u@/d?host=/x,/y&port=1,2",
         ["postgresql://u@/d?host=%2Fx&port=1", "postgresql://u@/d?host=%2Fy&port=2"]),
        ("postgresql://u@/d?host=%2Fx%2C%2Fy", ["postgresql://u@/d?host=%2Fx", "postgresql://u@/d?host=%2Fy"]),
        ("postgresql://u@a,b/d?port=7", ["postgresql://u@a/d?port=7", "postgresql://u@b/d?port=7"]),
        ("postgresql://[::1]:5,[::2]:6/d", ["postgresql://[::1]:5/d", "postgresql://[::2]:6/d"]),
        ("postgresql://u@a,b,c/d?port=1,2", ["postgresql://u@a,b,c/d?port=1,2"]),
        ("no address at all", ["no address at all"]),
        ("", [""]),
    ],
)  # fmt: skip
def test_each_host_is_an_address(dsn: str, singles: list[str]) -> None:
    """Hosts before the path and in the query, sockets, ports for all and one each."""
    assert list(single_addresses(dsn)) == singles


@pytest.mark.parametrize("dsn", ["postgresql://u:p%2C@a,b:5433/d", "postgresql://u@/d?host=/x,/y&port=1,2"])
def test_the_driver_reads_the_same(dsn: str) -> None:
    """What the driver makes of the whole is what it makes of the parts, one after the other."""
    every = [address for single in single_addresses(dsn) for address in _hosts(single)]
    assert every == _hosts(dsn)


@given(st.text(max_size=200))
def test_any_text_is_some_address(text: str) -> None:
    """Nonsense is left for the driver to judge; nothing raises."""
    assert single_addresses(text)


def _hosts(dsn: str) -> list[object]:
    addresses, *_ = _parse_connect_dsn_and_args(
        dsn=dsn, host=None, port=None, user=None, password=None, passfile=None, database=None, ssl=None, service=None,
        servicefile=None, direct_tls=None, server_settings=None, target_session_attrs=None, krbsrvname=None,
        gsslib=None,
    )  # fmt: skip
    return list(addresses)
