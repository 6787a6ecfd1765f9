"""What people call the jobs that events are about: few events say it."""

import time
from collections.abc import Sequence

from bus.client import Client
from bus.errors import Busy, NoDaemon, Unavailable
from bus.messages import Event

MAX_NAMES = 10_000
"""Names remembered, some 2 MB; an older one is asked for again."""

PATIENCE_SECONDS = 0.5
"""What a name is waited for. An event is worth more than its job's name."""

PAUSE_SECONDS = 10.0
"""Where the daemon did not answer, lines come without names for so long, and not each after its own wait."""


class Names:
    """The names of jobs: heard of in their events, else asked for once each.

    Args:
        client: in use by nobody else; with a deadline of `PATIENCE_SECONDS`.

    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, str] = {}
        self._silent_until = 0.0

    def of(self, event: Event) -> str:
        """What people call the event's job, not yet clean; empty where there is none, or nobody knows it."""
        if event.job_id is None:
            return ""
        name = _told(event) or self._known.get(event.job_id)
        if name is None:
            name = self._ask(event.job_id)
        if name is None:
            return ""
        if event.job_id not in self._known and len(self._known) >= MAX_NAMES:
            del self._known[next(iter(self._known))]
        self._known[event.job_id] = name
        return name

    def _ask(self, job_id: str) -> str | None:
        """By the job's first event, which is there even when the job is deleted; None where nobody answers."""
        if time.monotonic() < self._silent_until:
            return None
        try:
            first = self._client.events_page(0, job_id=job_id, limit=1).events
        except (NoDaemon, Busy, Unavailable):
            self._silent_until = time.monotonic() + PAUSE_SECONDS
            return None
        return (_told(first[0]) if first else None) or ""


def _told(event: Event) -> str | None:
    """The name, where the event tells it: a job without one is called by the files it makes."""
    data = event.data
    if event.type == "job.submitted":
        return data.get("name") or _files(data.get("outputs") or ())
    job = data.get("job")
    return None if job is None else job["name"] or _files([output["path"] for output in job["outputs"]])


def _files(paths: Sequence[str]) -> str:
    return ", ".join(path.rpartition("/")[2] for path in paths)
