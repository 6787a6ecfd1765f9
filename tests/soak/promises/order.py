"""Jobs start in the queue's order, and none while the daemon drains, or before its next attempt is due.

A job that waits before another attempt keeps its place, but lets others pass; a paused one does, too.
"""

from collections.abc import Iterator

from tests.soak.evidence import Evidence
from tests.soak.line import Line, fits
from tests.support.wire import Map


def check(evidence: Evidence) -> Iterator[str]:
    """Starts that came out of turn."""
    line = Line(evidence.slots, evidence.needs)
    for event in evidence.events:
        job_id, seq = event["job_id"], event["seq"]
        if event["type"] == "job.submitted":
            asked = evidence.orders[job_id].body["job"]["priority"]
            if event["data"]["priority"] != asked:
                yield f"job {job_id} was submitted with priority {asked}, and not as in {event['data']}"
        elif event["type"] == "job.started":
            yield from _came_in_turn(line, job_id, seq)
            if event["at"] < line.not_before.get(job_id, ""):
                yield f"job {job_id} was started (seq {seq}) at {event['at']}, before {line.not_before[job_id]}"
            if not line.starts:
                yield f"job {job_id} was started (seq {seq}) while the daemon drained or stopped"
        line.tell(event, evidence.status_at(event))


def _came_in_turn(line: Line, job_id: str, seq: int) -> Iterator[str]:
    """Nobody before it had room, and it takes nothing of what they wait for; of those that take the same, the first."""
    surely, at_most = line.free(at_most=False), line.free(at_most=True)
    kept: list[Map] = []
    for one in line.ahead_of(job_id):
        need = line.need(one)
        if line.could_ever_start(one) and need not in kept:
            if fits(need, surely):
                yield f"job {job_id} was started (seq {seq}) before {one}, which had room, too"
            kept.append(need)
            surely.subtract(need)
            at_most.subtract(need)
    if not fits(line.need(job_id), at_most):
        yield f"job {job_id} was started (seq {seq}) with what others before it wait for: {_told(line)}"


def _told(line: Line) -> Map:
    return {"slots": line.slots, "free": dict(line.free(at_most=True)), "ready": line.ready()}
