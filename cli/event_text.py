"""What an event says to people: the rest of a sentence that begins with its kind.

All of it may hold what strangers wrote, and is not yet clean.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from bus.messages import Event, JobView
from cli import text

DEFAULT_REASON = "user_request"
"""The reason of a cancel for which nobody gave one: it says nothing."""

WHY_QUEUED = {
    "stop": "the daemon stopped it",
    "recovery": "its run was lost",
    "disk": "no room on its disk",
}
"""Why a job went back into the queue, where its own kind does not say."""


def details(event: Event) -> str:
    """What happened in detail, why, and by whom. Of a kind that this version does not know: its plain values."""
    data = event.data
    match event.type:
        case "job.submitted":
            outputs = len(data.get("outputs") or ())
            priority = data.get("priority") and f"priority {data['priority']}"
            return _join(_by(event), outputs > 1 and text.count(outputs, "output"), priority)
        case "job.boosted":
            moved = data["was"] != data["priority"]
            change = f"priority {data['was']} to {data['priority']}" if moved else f"priority {data['priority']}"
            return _join(_by(event), "to the front" if data.get("front") else None, change)
        case "job.started":
            return f"attempt {data['attempt']}"
        case "job.output_started":
            return _output(data)
        case "job.output_completed":
            picture = f"{data['width']}x{data['height']}" if data.get("width") else None
            unproved = "not verified" if data.get("verify") == "none" else None
            return _join(
                _output(data), text.clock(data.get("duration")), text.size(data.get("size")), picture, unproved
            )
        case "job.cancelling":
            return _join(_wish(event), data.get("notes"))
        case "job.cancelled":
            return _join(_wish(event), _stop(event) or "nothing was running", data.get("notes"))
        case "job.signalled":
            after = f"after {data['after']:.1f}s" if data.get("after") else None
            return _join(data.get("stage"), f"output {data['index']}", after)
        case "job.paused":
            return _join(_by(event), "its slots are free" if data.get("released") else None)
        case "job.unpaused":
            return _by(event)
        case "job.completed":
            return _completed(event)
        case "job.failed":
            return _join(_error(data.get("error")), _which(data), _ran("after", event), _stop(event))
        case "job.requeued":
            return _requeued(event)
        case "job.deleted":
            return _join(_by(event), _removed(data))
        case "job.expired":
            why = {"ttl": "its time was over", "max_bytes": "to make room"}.get(data.get("why") or "")
            return _join(why, _removed(data))
        case "job.progress":
            left = None if data.get("eta") is None else f"{text.clock(data['eta'])} left"
            speed = None if data.get("speed") is None else f"{data['speed']:.3g}x"
            return _join(text.percent(data.get("progress")), data.get("phase"), speed, left)
        case "daemon.started":
            return _join(data.get("version"), f"pid {data['pid']}")
        case "daemon.draining" | "daemon.resumed":
            return _by(event)
        case "daemon.slots":
            return _join(_by(event), f"{_slots(data['slots'])}, before {_slots(data['was'])}")
        case "daemon.stopping":
            return _join(_by(event), data.get("mode"), data.get("signal"))
        case "daemon.disk_low":
            return f"{text.size(data['free'])} left, {text.size(data['floor'])} needed on {data['folder']}"
        case "daemon.disk_ok":
            return f"{text.size(data['free'])} on {data['folder']}"
        case "daemon.actor_restarted":
            return f"{data.get('address')}: {data.get('error')}"
    return _join(_by(event), *(f"{name} {value}" for name, value in data.items() if isinstance(value, str | int)))


def _join(*parts: object) -> str:
    return ", ".join(str(part) for part in parts if part)


def _by(event: Event) -> str:
    return f"by {event.by}" if event.by else ""


def _output(data: Mapping[str, Any]) -> str:
    """The output, numbered as `show` does."""
    return f"#{data['index']} {data['path'].rpartition('/')[2]}"


def _wish(event: Event) -> str:
    """Who wanted it to stop, and why."""
    reason = event.data.get("reason")
    return ": ".join(part for part in (_by(event), reason if reason != DEFAULT_REASON else None) if part)


def _stop(event: Event) -> str:
    """How far up the ladder it took, and how long since the first rung."""
    rungs = (event.data.get("stop") or {}).get("rungs")
    if not rungs:
        return ""
    return f"stopped by {rungs[-1]['stage']} in {text.took(rungs[0]['at'], event.at)}"


def _completed(event: Event) -> str:
    job, late = msgspec.convert(event.data["job"], JobView), event.data.get("cancel_too_late")
    return _join(
        _ran("in", event),
        text.count(job.total_outputs, "output"),
        text.size(sum(output.size or 0 for output in job.outputs)),
        late and f"too late for the cancel by {late['by']}",
    )


def _ran(word: str, event: Event) -> str:
    """For how long the job ran, this time."""
    started = event.data["job"].get("started_at")
    return f"{word} {text.took(started, event.at)}" if started else ""


def _which(data: Mapping[str, Any]) -> str:
    """The output that failed, where the job has several."""
    several = data["job"]["total_outputs"] > 1 and data.get("index") is not None
    return f"output {data['index']}" if several else ""


def _error(error: Mapping[str, Any] | None) -> str:
    return f"{error['code']}: {error['message']}" if error else ""


def _requeued(event: Event) -> str:
    """Why, and when it is tried again."""
    data, why = event.data, event.data.get("why")
    if why == "attempt":
        at = data.get("not_before")
        again = f"again at {text.time_of_day(at)}" if at else "again at once"
        return _join(again, _error(data.get("error")), f"attempt {data['attempt']}")
    return _join(_by(event), WHY_QUEUED.get(why or "", why))


def _slots(slots: Mapping[str, int]) -> str:
    """As `rushes slots` takes them."""
    return " ".join(f"{name}={count}" for name, count in slots.items())


def _removed(data: Mapping[str, Sequence[object]]) -> str:
    return _join(
        *(f"{text.count(len(data[what]), 'file')} {what}" for what in ("removed", "missing", "failed") if data[what])
    )
