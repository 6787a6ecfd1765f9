"""Who is paused stands still until he is let go on, in the queue as in the middle of a run, whatever dies meanwhile."""

from collections import Counter
from collections.abc import Iterator

from tests.soak.evidence import Evidence
from tests.soak.stillness import Look
from tests.soak.story import QUEUED, Still

SWITCHES = 5
"""Of a processor away from a process that is being stopped: it wakes up for that, and no more. One that renders makes
more of them than this with every picture."""


def check(evidence: Evidence) -> Iterator[str]:
    """Pauses that were none. (That nobody starts or begins an output meanwhile, each story sees for itself.)"""
    yield from _still_is_still(evidence)
    yield from _queued_is_shown_as_paused(evidence)
    yield from _whoever_is_let_go_on_hears_of_it(evidence)


def _still_is_still(evidence: Evidence) -> Iterator[str]:
    """Once it was seen to stand, it stands; before, it does nothing but stop. It is told once of each that moves.

    Whom somebody else let go on, or killed, proves nothing.
    """
    seen: dict[tuple[str, int, Still], Look] = {}
    told: set[tuple[str, int, Still]] = set()
    for look in evidence.looks:
        still = _still_at(evidence, look)
        if still is None or look.job_id in evidence.struck | evidence.thawed:
            continue
        key = look.job_id, look.pid, still
        before = seen.setdefault(key, look)
        if look.stands:
            seen[key] = look
        elif key not in told and (before.stands or look.switches > before.switches + SWITCHES):
            told.add(key)
            yield f"a process of a paused job moved in {still}: it was {before}, then {look}"


def _still_at(evidence: Evidence, look: Look) -> Still | None:
    """The pause of a run in which that was seen."""
    stills = evidence.stories[look.job_id].stills
    return next((still for still in stills if still.since <= look.at < still.until), None)


def _queued_is_shown_as_paused(evidence: Evidence) -> Iterator[str]:
    """The history tells of each queued job whether it is paused. (A running one shows it before its `job.paused`.)"""
    for one in evidence.asked:
        for view in one.views:
            if view["status"] == QUEUED and view["id"] in evidence.stories:
                told = evidence.stories[view["id"]].paused_at(view["seq"])
                if (view["paused"] is not None) != told:
                    yield f"the events say {told} of the pause of job {view['id']} at seq {view['seq']}, and not: {one}"


def _whoever_is_let_go_on_hears_of_it(evidence: Evidence) -> Iterator[str]:
    """An unpause that changed something is in the history, unless it was overtaken by another pause or a cancel."""
    caused = [event["command_id"] for event in evidence.events if event["type"] == "job.unpaused"]
    pauses = Counter(one.body["job_id"] for one in evidence.asked if one.kind == "pause" and not one.refusal)
    for one in evidence.asked:
        if one.kind != "unpause" or one.result is None:
            continue
        story = evidence.stories[one.body["job_id"]]
        most = 1 if one.result["changed"] else 0
        least = 0 if story.cancelling or pauses[story.job_id] > 1 else most
        if not least <= caused.count(one.id) <= most:
            yield f"{caused.count(one.id)} job.unpaused came from {one}"
