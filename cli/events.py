"""Which events there are, and which of them are wanted."""

from fnmatch import fnmatchcase
from typing import NamedTuple

from bus.messages import Event

JOB_KINDS = (
    "submitted", "boosted", "started", "output_started", "output_completed", "cancelling", "signalled",
    "paused", "unpaused", "completed", "failed", "requeued", "cancelled", "deleted", "expired", "progress",
)  # fmt: skip
DAEMON_KINDS = ("started", "draining", "resumed", "slots", "stopping", "actor_restarted", "disk_low", "disk_ok")

KNOWN = [*(f"job.{kind}" for kind in JOB_KINDS), *(f"daemon.{kind}" for kind in DAEMON_KINDS)]
"""Every type that this version knows. A newer daemon may have more: they are shown, and patterns mean them, too."""

PROGRESS = "job.progress"
"""The one event that has no seq and that a reader must ask for."""


def means(word: str, kind: str) -> bool:
    """True where `failed`, `job.failed`, or a pattern such as `output_*` or `job.*` means the event type `kind`.

    Progress, which comes twice a second for each job, is meant by its name only.
    """
    short = kind.partition(".")[2]
    if kind == PROGRESS:
        return word in (kind, short)
    return fnmatchcase(kind, word) or fnmatchcase(short, word)


class Wanted(NamedTuple):
    """Which events are to be shown; what is None or empty does not matter."""

    job_id: str | None = None
    session: str | None = None
    by: str | None = None
    types: tuple[str, ...] = ()

    def fits(self, event: Event) -> bool:
        """True where the event is one of them."""
        return (
            self.job_id in (None, event.job_id)
            and self.session in (None, event.session)
            and self.by in (None, event.by)
            and (any(means(word, event.type) for word in self.types) if self.types else event.type != PROGRESS)
        )

    @property
    def progress(self) -> bool:
        """True where progress is among them."""
        return any(means(word, PROGRESS) for word in self.types)
