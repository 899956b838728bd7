"""The guarded client as a job has it: each host has a gate of its own for the job's workspace.

A server that asks for a pause, or fails again and again, is left alone by all jobs of the workspace on all daemons.
Other workspaces are not held up by it: what one of them provokes at a host is its own matter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.http.client import GuardedClient
    from crmd.http.limiter import Limiter
    from crmd.http.request import Parts
    from crmd.http.response import Response


class BoundClient:
    """`ctx.http`.

    Args:
        client: Sends.
        limiter: Knows the gates.
        workspace_id: Of the job.
    """

    __slots__ = ("_client", "_limiter", "_workspace_id")

    def __init__(self, client: GuardedClient, limiter: Limiter, workspace_id: UUID | None) -> None:
        self._client = client
        self._limiter = limiter
        self._workspace_id = workspace_id

    async def request(self, method: str, url: str, **parts: Unpack[Parts]) -> Response:
        """As `GuardedClient.request`, through the gate of the URL's host unless another is given.

        Raises:
            GateClosed: The host is left alone for longer than a job should wait.
        """
        if parts.get("gate") is None and (host := _host(url)):
            key = f"host/{self._workspace_id or 'installation'}/{host}"
            parts["gate"] = await self._limiter.pass_gate(key, provider=key)
        return await self._client.request(method, url, **parts)


def _host(url: str) -> str | None:
    """Whom a URL leads to; None for one that cannot be read, which is refused when it is sent."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
