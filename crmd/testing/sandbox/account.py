"""One signed-in Google account of the sandbox, and the scopes a token for it can carry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.testing.sandbox.mailbox import Mailbox

FULL = "https://mail.google.com/"
READONLY = "https://www.googleapis.com/auth/gmail.readonly"
MODIFY = "https://www.googleapis.com/auth/gmail.modify"
SEND = "https://www.googleapis.com/auth/gmail.send"
METADATA = "https://www.googleapis.com/auth/gmail.metadata"
LABELS = "https://www.googleapis.com/auth/gmail.labels"
SETTINGS = "https://www.googleapis.com/auth/gmail.settings.basic"

MAY_READ = frozenset({FULL, READONLY, MODIFY})
MAY_LIST = MAY_READ | {METADATA}
MAY_LABEL = MAY_LIST | {LABELS}
MAY_MODIFY = frozenset({FULL, MODIFY})
MAY_SEND = frozenset({FULL, MODIFY, SEND})
MAY_DELETE = frozenset({FULL})
MAY_SEE_ALIASES = frozenset({FULL, READONLY, MODIFY, SETTINGS})


@dataclass(frozen=True, slots=True)
class Account:
    """A mailbox with its owner's name, signature and one refresh token made for it."""

    mailbox: Mailbox
    name: str
    signature: str
    refresh_token: str

    @property
    def email(self) -> str:
        """The primary address."""
        return self.mailbox.address
