"""Events as people read them: one line each, and which of them are wanted."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from bus.messages import Event, JobView
from cli import text
from cli.table import state, width

JOB_KINDS = (
    "submitted", "boosted", "started", "output_started", "output_completed", "cancelling", "signalled",
    "completed", "failed", "requeued", "cancelled", "deleted", "expired", "progress",
)  # fmt: skip
DAEMON_KINDS = ("started", "draining", "resumed", "stopping", "actor_restarted", "disk_low", "disk_ok")

PROGRESS = "job.progress"
"""The one event that has no seq and that a reader must ask for."""

KIND_CELLS = max(len(kind) for kind in (*JOB_KINDS, *DAEMON_KINDS))
SHORT_ID_CHARS = 8
"""Of an id in a line: enough to be told apart, and to be given to any command."""

SEQ_CELLS = 6
"""Of an event's number, which is what `--since` takes; after a million events lines only become longer."""

BY_CELLS = 8
"""Of who asked; most users' names fit, and a longer one only shifts its own line."""


def types_of(word: str) -> set[str]:
    """The event types that `completed` or `job.completed` means; none where there is no such."""
    every = {f"job.{kind}" for kind in JOB_KINDS} | {f"daemon.{kind}" for kind in DAEMON_KINDS}
    return {kind for kind in every if word in (kind, kind.partition(".")[2])}


class Wanted(NamedTuple):
    """Which events are to be shown; what is None or empty does not matter."""

    job_id: str | None = None
    session: str | None = None
    types: frozenset[str] = frozenset()

    def fits(self, event: Event) -> bool:
        """True where the event is one of them."""
        return (
            self.job_id in (None, event.job_id)
            and self.session in (None, event.session)
            and (not self.types or event.type in self.types)
        )


def line(event: Event) -> str:
    """Its number, when, which job, what, who, and what else there is to say."""
    scope, _, kind = event.type.partition(".")
    job = event.job_id[:SHORT_ID_CHARS] if event.job_id else scope
    parts = [
        f"{'' if event.seq is None else event.seq:>{SEQ_CELLS}}",
        text.short_time(event.at),
        f"{job:{SHORT_ID_CHARS}}",
        state(kind) + " " * (KIND_CELLS - width(kind)),
        f"{text.clean(event.by or ''):{BY_CELLS}}",
        text.clean(details(event)),
    ]
    return "  ".join(parts).rstrip()


def details(event: Event) -> str:
    """What an event's `data` says. A kind that this version does not know has no details."""
    data = event.data
    match event.type:
        case "job.submitted":
            files = ", ".join(path.rpartition("/")[2] for path in data.get("outputs") or ())
            return _join(data.get("name") or files, data.get("priority") and f"priority {data['priority']}")
        case "job.boosted":
            moved = data["was"] != data["priority"]
            change = f"priority {data['was']} to {data['priority']}" if moved else f"priority {data['priority']}"
            return _join(change, data.get("front") and "to the front")
        case "job.started":
            return f"attempt {data['attempt']}"
        case "job.output_started":
            return _output(data)
        case "job.output_completed":
            picture = f"{data['width']}x{data['height']}" if data.get("width") else None
            return _join(_output(data), picture, text.clock(data.get("duration")), text.size(data.get("size")))
        case "job.cancelling":
            return _join(data.get("reason"), data.get("notes"))
        case "job.cancelled":
            return _join(data.get("reason"), data.get("notes"), _stop(data.get("stop")))
        case "job.signalled":
            return _join(data.get("stage"), f"output {data['index']}")
        case "job.completed":
            return _completed(data)
        case "job.failed":
            return _error(data.get("error"))
        case "job.requeued":
            at = data.get("not_before")
            return _join(data.get("why"), at and f"not before {text.short_time(at)}", _error(data.get("error")))
        case "job.deleted":
            return _removed(data)
        case "job.expired":
            return _join({"max_bytes": "to make room"}.get(data.get("why") or ""), _removed(data))
        case "job.progress":
            left = None if data.get("eta") is None else f"{text.clock(data['eta'])} left"
            speed = None if data.get("speed") is None else f"{data['speed']:.3g}x"
            return _join(text.percent(data.get("progress")), data.get("phase"), speed, left)
        case "daemon.stopping":
            return _join(data.get("mode"), data.get("signal"))
        case "daemon.disk_low":
            return f"{data['folder']} has {text.size(data['free'])}, and outputs need {text.size(data['floor'])}"
        case "daemon.disk_ok":
            return f"{data['folder']} has {text.size(data['free'])}"
        case "daemon.actor_restarted":
            return _join(data.get("address"), data.get("error"))
    return ""


def _join(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)


def _output(data: Mapping[str, Any]) -> str:
    """The output, numbered as `show` does."""
    return f"#{data['index']} {data['path'].rpartition('/')[2]}"


def _stop(stop: Mapping[str, Any] | None) -> str:
    """How far up the ladder it took, and how long."""
    if not stop or not stop["rungs"]:
        return ""
    last = stop["rungs"][-1]
    return f"by {last['stage']} after {last['after']:.1f}s" if last["after"] else f"by {last['stage']}"


def _completed(data: Mapping[str, Any]) -> str:
    job = msgspec.convert(data["job"], JobView)
    late = data.get("cancel_too_late")
    return _join(
        text.count(job.total_outputs, "output"),
        text.size(sum(output.size or 0 for output in job.outputs)),
        late and f"too late for the cancel by {late['by']}",
    )


def _error(error: Mapping[str, Any] | None) -> str:
    return f"{error['code']}: {error['message']}" if error else ""


def _removed(data: Mapping[str, Sequence[object]]) -> str:
    return _join(
        *(f"{text.count(len(data[what]), 'file')} {what}" for what in ("removed", "missing", "failed") if data[what])
    )
