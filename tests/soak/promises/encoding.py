"""No encoding time is lost, and nothing is encoded twice."""

from collections.abc import Iterator

from tests.soak.encodes import Encode
from tests.soak.evidence import Evidence


def check(evidence: Evidence) -> Iterator[str]:
    """Encodes that were too many, or thrown away."""
    for encode in evidence.twice:
        yield f"an output was encoded twice at once: {encode}"
    for encode, count in evidence.encodes.items():
        story = evidence.stories.get(encode.job_id)
        if story is None or encode.run > story.runs:
            yield f"{encode} belongs to no start of a job"
            continue
        if count > 1:
            yield f"{encode} was begun {count} times"
        finished = story.finished.get(encode.output)
        if finished is not None and encode.run > finished.run:
            yield f"{encode} was begun although the output was complete"
    yield from _completed_was_encoded(evidence)
    yield from _running_children_were_kept(evidence)


def _completed_was_encoded(evidence: Evidence) -> Iterator[str]:
    for job_id, story in evidence.stories.items():
        for index, finished in story.finished.items():
            if not evidence.encodes[Encode(job_id, finished.run, index)]:
                yield f"output {index} of job {job_id} was completed in run {finished.run} without an encode"


def _running_children_were_kept(evidence: Evidence) -> Iterator[str]:
    """A job whose child nobody killed is not begun anew after a crash: the child is adopted, or judged by what it left.

    A child that had not got as far as its first line (its note is missing) may be lost with the daemon.
    """
    for job_id, story in evidence.stories.items():
        for requeued in story.requeued:
            if requeued.why != "recovery" or job_id in evidence.struck:
                continue
            begun = [one for one in evidence.encodes if (one.job_id, one.run) == (job_id, requeued.run)]
            lost = [one for one in begun if one.output not in story.finished]
            if lost:
                yield f"running children were thrown away in a recovery: {lost}"
