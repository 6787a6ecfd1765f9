"""Acknowledged is durable, a command has one effect, and a repeated one gets the first reply."""

from collections import Counter
from collections.abc import Iterator

from tests.soak.client import Asked
from tests.soak.evidence import Evidence
from tests.soak.story import CANCELLED, COMPLETED
from tests.support.wire import Map

EFFECTS = {
    "submit": ("job.submitted",),
    "cancel": ("job.cancelling", "job.cancelled"),
    "boost": ("job.boosted",),
    "retry": ("job.requeued",),
}
"""The events by which a command that was done shows in the history: at least one of these, and none twice."""


CHANGES = frozenset({"pause", "unpause"})
"""Commands that say whether they changed something. (So does a cancel; but one that came too late is told of, too.)"""


def check(evidence: Evidence) -> Iterator[str]:
    """What was acknowledged and is not so, or is so twice."""
    yield from _jobs_are_there(evidence)
    yield from _each_submit_made_one_job(evidence)
    yield from _effects_are_visible(evidence)
    yield from _refusals_had_no_effect(evidence)
    yield from _the_first_reply_stands(evidence)
    yield from _each_command_was_audited_once(evidence)
    yield from _what_was_seen_was_so(evidence)


def _jobs_are_there(evidence: Evidence) -> Iterator[str]:
    """`list` and `get` show exactly the jobs that were submitted and not deleted."""
    expected = {job_id for job_id, story in evidence.stories.items() if not story.is_gone}
    listed = [view["id"] for view in evidence.listed]
    if sorted(listed) != sorted(expected):
        yield f"`list` shows {sorted(listed)}, and not {sorted(expected)}"
    for job_id in expected & evidence.views.keys():
        story, view = evidence.stories[job_id], evidence.views[job_id]
        told = {"status": story.status, "seq": story.seqs[-1], "attempts": story.attempts, "priority": story.priority}
        shown = {name: view[name] for name in told}
        if shown != told:
            yield f"job {job_id} is shown as {shown}, but its events tell {told}"


def _each_submit_made_one_job(evidence: Evidence) -> Iterator[str]:
    """One that was acknowledged made one job; one that was not made one or none, and that one wholly."""
    made = Counter(event["command_id"] for event in evidence.events if event["type"] == "job.submitted")
    for one in evidence.asked:
        if one.kind != "submit" or one.is_tried:
            continue
        expected = {1} if one.result else {0} if one.refusal else {0, 1}
        if made[one.id] not in expected:
            yield f"{made[one.id]} jobs came from {one}"
    for job_id, one in evidence.orders.items():
        view = evidence.views.get(job_id)
        if one.result and one.result["job"]["id"] != job_id:
            yield f"job {job_id} came from a submit that was answered with another: {one}"
        if view is None:
            continue
        spec = one.body["job"]
        if [output["path"] for output in view["outputs"]] != [output["path"] for output in spec["outputs"]]:
            yield f"job {job_id} has other outputs than its submit: {view} from {spec}"
        if view["metadata"] != spec["metadata"]:
            yield f"job {job_id} has other metadata than its submit: {view} from {spec}"


def _effects_are_visible(evidence: Evidence) -> Iterator[str]:
    caused: dict[str, list[Map]] = {}
    for event in evidence.events:
        caused.setdefault(event["command_id"], []).append(event)
    for one in evidence.asked:
        if one.result is None or not one.changes:
            continue
        story = evidence.stories.get(str(one.body.get("job_id")))
        if one.kind == "delete":
            if story is None or not story.is_gone:
                yield f"the job is still there after {one}"
        elif one.kind in CHANGES and bool(caused.get(one.id)) and not one.result["changed"]:
            yield f"nothing was changed, but there are events of {one}"
        elif one.kind == "slots":
            told = [(event["data"]["was"], event["data"]["slots"]) for event in caused.get(one.id, ())]
            changed = (one.result["was"], one.result["slots"])
            if told != ([] if changed[0] == changed[1] else [changed]):
                yield f"in the history there is {told} of {one}"
        elif one.kind == "cancel" and not one.result["changed"]:
            if story is None or not (story.cancelling or CANCELLED in story.statuses):
                yield f"nobody cancelled the job, but nothing was changed by {one}"
        elif one.kind in EFFECTS:
            effects = Counter(event["type"] for event in caused.get(one.id, ()) if event["type"] in EFFECTS[one.kind])
            if not effects or max(effects.values()) > 1:
                yield f"in the history there is {dict(effects)} of {one}"
        if one.kind == "cancel" and story is not None and not {CANCELLED, COMPLETED} & set(story.statuses):
            yield f"the job was neither cancelled nor completed after {one}"


def _refusals_had_no_effect(evidence: Evidence) -> Iterator[str]:
    caused = {event["command_id"] for event in evidence.events}
    for one in evidence.asked:
        if one.refusal is None:
            continue
        if one.id in caused:
            yield f"there are events of what was refused: {one}"
        if one.refusal not in {"conflict", "not_found"} and not _took_more_than_there_was(evidence, one):
            yield f"a refusal that nothing explains: {one}"
        if one.refusal == "not_found" and not one.may_be_gone and one.kind not in {"log", "session"}:
            yield f"a job that nobody had deleted was not found: {one}"


def _took_more_than_there_was(evidence: Evidence, one: Asked) -> bool:
    """True of a submit that is refused because somebody had made the slots fewer than it takes."""
    if one.reply is None or one.order is None or one.refusal != "invalid":
        return False
    resource = one.reply["error"]["details"]["path"].removeprefix("job.resources.")
    fewest = [event["data"]["slots"] for event in evidence.events if event["type"] == "daemon.slots"]
    need = one.order.job.get("resources", {}).get(resource, 0)
    return any(slots[resource] < need for slots in fewest)


def _the_first_reply_stands(evidence: Evidence) -> Iterator[str]:
    for one in evidence.asked:
        if one.changes and any(reply != one.reply for reply in one.replies):
            yield f"several different replies came to {one}"
    for first, again in evidence.again:
        if again.reply != first.reply:
            yield f"sent again, the command was answered {again.reply}, and not as before: {first}"
    before, after = evidence.last_seqs
    if before != after:
        yield f"repeated commands changed something: last_seq went from {before} to {after}"


def _each_command_was_audited_once(evidence: Evidence) -> Iterator[str]:
    entries = Counter(entry["command_id"] for entry in evidence.audit)
    outcomes = {entry["command_id"]: entry["outcome"] for entry in evidence.audit}
    for one in evidence.asked:
        if not one.changes or (one.reply is None and entries[one.id] == 0):
            continue
        if entries[one.id] != 1:
            yield f"{entries[one.id]} audit entries of {one}"
        elif one.reply is not None and outcomes[one.id] != (one.refusal or "ok"):
            yield f"the audit calls it {outcomes[one.id]}: {one}"


def _what_was_seen_was_so(evidence: Evidence) -> Iterator[str]:
    """Each view in any reply agrees with the history: what a client saw outlives the daemon it saw it from."""
    for one in evidence.asked:
        for view in one.views:
            story = evidence.stories.get(view["id"])
            status = story.status_at(view["seq"]) if story is not None else None
            if status != view["status"]:
                yield f"job {view['id']} was {status} at seq {view['seq']}, and not as seen: {one}"
