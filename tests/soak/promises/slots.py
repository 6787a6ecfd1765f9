"""No more is taken of a resource than there is, and what is free is not left lying while somebody waits for it.

Where the slots became fewer, those that run go on. A paused job that has left its slots to others takes none from its
`job.paused` to its `job.unpaused`.
"""

from collections.abc import Iterator
from itertools import groupby

from tests.soak.evidence import Evidence
from tests.soak.line import Line, fits
from tests.support.wire import Map


def check(evidence: Evidence) -> Iterator[str]:
    """What took too much, and who was left to wait. Events of one instant come from one transaction."""
    line = Line(evidence.slots, evidence.needs)
    for at, events in groupby(evidence.events, key=lambda event: event["at"]):
        for event in events:
            yield from _takes_what_is_free(line, event)
            line.tell(event, evidence.status_at(event))
        for job_id in line.idle():
            yield f"job {job_id} waited after {at}, though there was room for it: {line.free(at_most=False)}"


def _takes_what_is_free(line: Line, event: Map) -> Iterator[str]:
    kind, job_id, data = event["type"], event["job_id"], event["data"]
    if kind == "daemon.slots" and data["was"] != line.slots:
        yield f"there were {line.slots} slots before seq {event['seq']}, and not as in {data}"
    if kind == "job.started" or (kind == "job.unpaused" and job_id in line.released):
        free = line.free(at_most=True)
        if not fits(line.need(job_id), free):
            yield f"job {job_id} took {line.need(job_id)} of {dict(free)} with {kind} (seq {event['seq']})"
