from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.cli.conftest import Run

KEY = re.compile(r"^crmd_[a-z0-9]{12}_[A-Za-z0-9_-]{43}$")


def test_a_key_from_its_making_to_its_end(crmd: Run) -> None:
    """A key is shown once, listed without its secret, alive at most twice a client, and over when it is revoked."""
    assert crmd("migrate").code == 0
    made = crmd("keys", "create", "board", "--scope", "admin")
    assert made.code == 0
    key = made.out.strip()
    assert KEY.fullmatch(key)
    other = msgspec.json.decode(crmd("keys", "create", "board", "--workspace", "acme", "--for", "12h", "--json").out)
    assert KEY.fullmatch(other["key"])
    third = crmd("keys", "create", "board")
    assert (third.code, "two keys" in third.err) == (2, True)
    listed = crmd("keys", "list", "--json").out
    assert [row["scopes"] for row in msgspec.json.decode(listed)] == [["read", "enqueue"], ["admin"]]
    assert key.rpartition("_")[2] not in listed
    assert crmd("keys", "revoke", key).code == 0
    assert crmd("keys", "revoke", key).code == 2
    assert len(msgspec.json.decode(crmd("keys", "list", "--json").out)) == 1
    assert len(msgspec.json.decode(crmd("keys", "list", "--all", "--json").out)) == 2
    done = {row["action"] for row in msgspec.json.decode(crmd("audit", "--json").out)}
    assert {"keys.create", "keys.revoke"} <= done
