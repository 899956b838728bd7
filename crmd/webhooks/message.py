"""What a webhook is told of an event: a body below the bound that receivers are promised. Pure."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

BODY_BYTES_MAX = 20_000


def message_id_of(row: Mapping[str, Any]) -> str:
    """The id of a message: the same over all tries, and for all webhooks that are told of the event."""
    return f"msg_{row['event_id'].hex}"


def body_of(row: Mapping[str, Any]) -> bytes:
    """The JSON of a message, fewer than 20,000 bytes; the same at each try.

    What is too large is left out, the result of a job first, then the data; `leftOut` then says where it is.

    Args:
        row: Of webhook_message.sql.
    """
    data = msgspec.json.decode(row["data"])
    body: dict[str, Any] = {
        "type": row["event_type"],
        "timestamp": row["emitted_at"].astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "id": str(row["event_id"]),
        "workspaceId": str(row["workspace_id"]),
        "data": data,
    }
    subject = {"aggregateType": row["aggregate_type"], "aggregateId": row["aggregate_id"]}
    body |= {name: value for name, value in subject.items() if value is not None}
    if row["user_id"] is not None:
        body["userId"] = str(row["user_id"])
    root = f"/api/workspaces/{row['workspace_id']}"
    if row["result"] is not None:
        whole = _fitting({**body, "data": {**data, "result": msgspec.json.decode(row["result"])}})
        if whole is not None:
            return whole
        body["leftOut"] = {"result": f"{root}/jobs/{row['aggregate_id']}"}
    whole = _fitting(body)
    if whole is not None:
        return whole
    left_out = {**body.get("leftOut", {}), "data": f"{root}/events/{row['event_id']}"}
    return msgspec.json.encode({**body, "data": {}, "leftOut": left_out})


def _fitting(body: Mapping[str, Any]) -> bytes | None:
    encoded = msgspec.json.encode(body)
    return encoded if len(encoded) < BODY_BYTES_MAX else None
