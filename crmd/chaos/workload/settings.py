"""Where the harness is: the ledger, and the receiver of what is sent once."""

from __future__ import annotations

import msgspec


class ChaosSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[plugins.chaos]`.

    Args:
        ledger: The file to note in.
        receiver_port: On 127.0.0.1.
        quiet_seconds: Longer than anything that was sent may be held up.
    """

    ledger: str = "/dev/null"
    receiver_port: int = 0
    quiet_seconds: float = 60.0
