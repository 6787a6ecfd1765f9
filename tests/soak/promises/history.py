"""The history has no gap, is what subscribers heard, and each job's part of it is a way through the states."""

from collections.abc import Iterator
from itertools import pairwise

from tests.soak.evidence import Evidence
from tests.soak.recipes import RECIPES
from tests.soak.story import Story

MEDDLED_WITH = frozenset({"killed", "unknown"})
"""What a job may fail with of which somebody killed a child. `unknown`: the shim died with it and left no status."""


def check(evidence: Evidence) -> Iterator[str]:
    """What the events tell that cannot be, or do not tell that was heard."""
    yield from _no_gap(evidence)
    yield from _heard_is_written(evidence)
    for job_id, story in evidence.stories.items():
        yield from story.wrong
        yield from _fails_for_a_reason(evidence, job_id, story)


def _no_gap(evidence: Evidence) -> Iterator[str]:
    seqs = [event["seq"] for event in evidence.events]
    if seqs != list(range(1, len(seqs) + 1)):
        broken = [(one, two) for one, two in pairwise([0, *seqs]) if two != one + 1]
        yield f"the history has gaps or repetitions: {broken}"
    if seqs and seqs[-1] != evidence.last_seqs[0]:
        yield f"the last event has seq {seqs[-1]}, but last_seq is {evidence.last_seqs[0]}"
    audit = [entry["seq"] for entry in evidence.audit]
    if audit != sorted(set(audit)):
        yield f"the audit's numbers do not rise: {audit}"


def _heard_is_written(evidence: Evidence) -> Iterator[str]:
    """Each event heard can be read; and within one daemon's life a subscriber misses none between two that it heard."""
    written = {event["seq"]: event for event in evidence.events}
    for event in evidence.heard:
        if written.get(event["seq"]) != event:
            yield f"heard {event}, but `events` has {written.get(event['seq'])}"
    starts = {event["seq"] for event in evidence.events if event["type"] == "daemon.started"}
    for one, two in pairwise(event["seq"] for event in evidence.heard):
        if two <= one:
            yield f"seq {two} was heard after {one}"
        if two > one + 1 and not any(one < start <= two for start in starts):
            yield f"nothing was heard between seq {one} and {two}, though the daemon lived on"


def _fails_for_a_reason(evidence: Evidence, job_id: str, story: Story) -> Iterator[str]:
    """A job fails with what its recipe fails with, with what was done to it, and not before its last attempt."""
    submit = evidence.orders[job_id]
    order, spec = submit.order, submit.body["job"]
    assert order is not None
    recipe = RECIPES[order.recipe]
    meddled = MEDDLED_WITH if job_id in evidence.struck else frozenset()
    if any(str(path) == output["path"] for path in evidence.intruders for output in spec["outputs"]):
        meddled |= {"output_exists"}
    for errors, codes in (
        (story.errors, recipe.fails_with),
        (story.failures, frozenset() if recipe.completes else recipe.fails_with),
    ):
        for error in errors:
            if error["code"] not in codes | meddled:
                yield f"job {job_id} ({order.recipe}) failed without a reason: {error}"
    view = evidence.views.get(job_id)
    if view is None or view["status"] != "failed":
        return
    tried = view["attempts"] - story.attempts_before_retry
    if view["error"] != story.failures[-1]:
        yield f"job {job_id} shows the error {view['error']}, but failed with {story.failures[-1]}"
    if tried > view["max_attempts"] or (view["error"]["retryable"] and tried < view["max_attempts"]):
        yield f"job {job_id} was tried {tried} times of {view['max_attempts']}, and failed with {view['error']}"
