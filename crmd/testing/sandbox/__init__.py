"""A provider of one's own: Google's OAuth and Gmail endpoints in process, with faults on order.

```python
async with GmailSandbox.running() as sandbox:
    account = sandbox.add_account("jana@nordwerk.example")
    account.mailbox.add(Path("hello.eml").read_bytes())
    sandbox.faults.next(faults.rate_limited(retry_after="2"), path="/messages")
```

Other fake providers can be built from the same stones: `ProviderServer` and `serving`, `Call` and `Reply`, `FaultPlan`,
`RequestLog`, `Grants` and `OAuthEndpoints`.
"""

from crmd.testing.sandbox import faults
from crmd.testing.sandbox.account import Account
from crmd.testing.sandbox.clock import StoppedClock, wall_now
from crmd.testing.sandbox.consents import OAuthRules
from crmd.testing.sandbox.exchange import Call, RefusedCall, Reply, json_reply
from crmd.testing.sandbox.faults import Fault, FaultPlan
from crmd.testing.sandbox.gmail import GmailSandbox
from crmd.testing.sandbox.grants import Grants
from crmd.testing.sandbox.mailbox import Mailbox, StoredMessage
from crmd.testing.sandbox.oauth import OAuthEndpoints
from crmd.testing.sandbox.quota import Quota, newer_quota
from crmd.testing.sandbox.recording import RequestLog, RequestRecord
from crmd.testing.sandbox.server import ProviderServer, serving
from crmd.testing.sandbox.sink import Accepted, Sink

__all__ = [
    "Accepted",
    "Account",
    "Call",
    "Fault",
    "FaultPlan",
    "GmailSandbox",
    "Grants",
    "Mailbox",
    "OAuthEndpoints",
    "OAuthRules",
    "ProviderServer",
    "Quota",
    "RefusedCall",
    "Reply",
    "RequestLog",
    "RequestRecord",
    "Sink",
    "StoppedClock",
    "StoredMessage",
    "faults",
    "json_reply",
    "newer_quota",
    "serving",
    "wall_now",
]
