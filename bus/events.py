"""The event: what a subscriber hears and the daemon keeps."""

from typing import Any

from msgspec import Struct

from bus import limits


class Event(Struct, frozen=True, kw_only=True):
    """What a subscriber hears. `seq` is nil where the event is ephemeral."""

    v: int = limits.PROTOCOL_VERSION
    seq: int | None
    at: str
    type: str
    job_id: str | None
    session: str | None
    by: str | None
    command_id: str | None
    data: dict[str, Any]

    @property
    def topic(self) -> str:
        """`job.<id>.<kind>` or `daemon.<kind>`."""
        scope, _, kind = self.type.partition(".")
        return self.type if self.job_id is None else f"{scope}.{self.job_id}.{kind}"
