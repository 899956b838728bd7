"""The settings of the plugin: from where on something counts as trouble."""

from typing import Annotated

from msgspec import Meta, Struct


class HealthSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table `[plugins.health]`."""

    stale_hours: Annotated[
        float, Meta(gt=0, description="a connection that was synced once, and then not for so long, is unhealthy")
    ] = 24.0
    queue_age_seconds: Annotated[
        float, Meta(gt=0, description="a queue whose oldest due job has waited for longer is unhealthy")
    ] = 900.0
    queue_length: Annotated[int, Meta(ge=1, description="a queue with more due jobs is unhealthy")] = 100_000
    dead_jobs: Annotated[
        int, Meta(ge=0, description="a job type with more dead or failed jobs in the last day is unhealthy")
    ] = 20
