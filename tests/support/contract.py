"""The shapes of PROTOCOL.md, written down once more, field by field, independent of the code under test."""

import re
from collections.abc import Callable
from typing import Any

from tests.support.wire import Map

Check = Callable[[Any], bool]

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)\Z")
JOB_ID = re.compile(r"[a-z2-9]{16}\Z")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
JOB_STATUSES = {"queued", "processing", "completed", "failed", "cancelled"}
OUTPUT_STATUSES = {"pending", "rendering", "completed", "failed", "cancelled"}
PHASES = {"starting", "rendering", "finishing", "stopping", "paused"}


def text(value: Any) -> bool:
    return isinstance(value, str)


def count(value: Any) -> bool:
    return type(value) is int and value >= 0


def number(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0


def truth(value: Any) -> bool:
    return isinstance(value, bool)


def whole(value: Any) -> bool:
    return type(value) is int


def moment(value: Any) -> bool:
    return text(value) and TIME.match(value) is not None


def fraction(value: Any) -> bool:
    return number(value) and value <= 1


def mapping(value: Any) -> bool:
    return isinstance(value, dict)


def matching(pattern: "re.Pattern[str]") -> Check:
    return lambda value: text(value) and pattern.match(value) is not None


def among(values: set[str]) -> Check:
    return lambda value: value in values


def optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def shaped(shape: dict[str, Check]) -> Check:
    return lambda value: mapping(value) and not problems(value, shape)


def each(shape: dict[str, Check]) -> Check:
    return lambda value: isinstance(value, list) and all(map(shaped(shape), value))


def problems(value: Map, shape: dict[str, Check]) -> list[str]:
    """What is not as it must be. Further fields are allowed: version 1 changes additively."""
    missing = [f"{name} is missing" for name in shape if name not in value]
    wrong = [f"{name} is {value[name]!r}" for name, check in shape.items() if name in value and not check(value[name])]
    return missing + wrong


CANCEL: dict[str, Check] = {"by": text, "reason": text, "notes": optional(text), "at": moment}
ERROR: dict[str, Check] = {"code": text, "message": text, "retryable": truth, "remedy": optional(text)}
WAITING: dict[str, Check] = {"why": among({"retry", "disk", "paused", "slots"}), "message": text}
PAUSED: dict[str, Check] = {"by": text, "at": moment, "released": truth}

OUTPUT: dict[str, Check] = {
    "index": count,
    "name": optional(text),
    "path": text,
    "status": among(OUTPUT_STATUSES),
    "progress": optional(fraction),
    "speed": optional(number),
    "eta": optional(number),
    "size": optional(count),
    "duration": optional(number),
    "width": optional(count),
    "height": optional(count),
    "fps": optional(number),
    "started_at": optional(moment),
    "finished_at": optional(moment),
    "verify": among({"full", "none"}),
}

JOB: dict[str, Check] = {
    "id": matching(JOB_ID),
    "seq": count,
    "name": optional(text),
    "session": optional(text),
    "priority": whole,
    "metadata": mapping,
    "status": among(JOB_STATUSES),
    "phase": optional(among(PHASES)),
    "position": optional(count),
    "progress": optional(fraction),
    "attempts": count,
    "max_attempts": count,
    "submitted_by": text,
    "created_at": moment,
    "started_at": optional(moment),
    "finished_at": optional(moment),
    "cancelled_at": optional(moment),
    "expires_at": optional(moment),
    "cancel": optional(shaped(CANCEL)),
    "error": optional(shaped(ERROR)),
    "outputs": each(OUTPUT),
    "completed_outputs": count,
    "total_outputs": count,
    "not_before": optional(moment),
    "waiting": optional(shaped(WAITING)),
    "resources": mapping,
    "paused": optional(shaped(PAUSED)),
}

EVENT: dict[str, Check] = {
    "v": lambda value: value == 1,
    "seq": optional(count),
    "at": moment,
    "type": text,
    "job_id": optional(text),
    "session": optional(text),
    "by": optional(text),
    "command_id": optional(text),
    "data": mapping,
}

STATUS: dict[str, Check] = {
    "version": text,
    "pid": count,
    "started_at": moment,
    "uptime": number,
    "slots": count,
    "running": count,
    "queued": count,
    "draining": truth,
    "last_seq": count,
    "epoch": matching(UUID),
    "counts": mapping,
}

DELETED: dict[str, Check] = {
    "job_id": text,
    "status": text,
    "deleted_at": moment,
    "removed": lambda value: isinstance(value, list) and all(map(text, value)),
    "missing": lambda value: isinstance(value, list) and all(map(text, value)),
    "failed": each({"path": text, "message": text}),
}

REFUSAL: dict[str, Check] = {"code": text, "message": text, "details": mapping}


def check(value: Map, shape: dict[str, Check]) -> None:
    """Fail with all that is wrong."""
    found = problems(value, shape)
    assert not found, f"{'; '.join(found)} in {value}"
