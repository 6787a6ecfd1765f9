"""Files are exactly as the jobs' views say, and nothing that Rushes did not make was touched."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.soak.evidence import Evidence, Original
from tests.soak.recipes import RECIPES
from tests.soak.story import CANCELLED, COMPLETED, FAILED
from tests.soak.striker import WORDS
from tests.support.media import Clips, find_ffmpeg
from tests.support.wire import Map

TOLERANCE_SECONDS = 0.15
"""A frame of the 10 that a second has, and what FFmpeg rounds."""

PROBES_AT_ONCE = 2
"""One for each core: opening a file takes FFmpeg 50 ms."""


class Made(NamedTuple):
    """A file that an output of a job must be."""

    job_id: str
    seconds: float
    data: Map


def check(evidence: Evidence) -> Iterator[str]:
    """Files that are not as they are to be."""
    made: dict[Path, Made] = {}
    others = dict(evidence.originals)
    for event in evidence.events:
        if event["type"] == "job.output_completed":
            order = evidence.orders[event["job_id"]].order
            assert order is not None
            path = Path(event["data"]["path"])
            made[path] = Made(event["job_id"], order.seconds, event["data"])
            others.pop(path, None)
            if not RECIPES[order.recipe].completes and len(order.job["outputs"]) == 1:
                yield f"an output was completed of a job that cannot: {event}"
        elif event["type"] == "job.deleted":
            yield from _take_away(evidence, made, event)
    for path in evidence.intruders:
        made.pop(path, None)
    for view in evidence.views.values():
        yield from _outputs_are_as_their_job(evidence, view)
    yield from _nothing_else_is_there(evidence, made, others)
    yield from _others_are_untouched(evidence, others)
    yield from _media_are_whole(made)


def _take_away(evidence: Evidence, made: dict[Path, Made], event: Map) -> Iterator[str]:
    """A deletion takes the job's own files. What it has removed may be gone at the next look of a daemon that died."""
    job_id = event["job_id"]
    for path in map(Path, event["data"]["removed"] + event["data"]["missing"]):
        if path not in evidence.stories[job_id].paths:
            yield f"the deletion of job {job_id} names a file that it never made: {path}"
        if path in made and made[path].job_id == job_id:
            del made[path]
    others = {path for one in evidence.stories.values() if one.job_id != job_id for path in one.paths}
    for failed in event["data"]["failed"]:
        if Path(failed["path"]) not in others | evidence.intruders:
            yield f"the deletion of job {job_id} left a file that nobody else made: {failed}"


def _outputs_are_as_their_job(evidence: Evidence, view: Map) -> Iterator[str]:
    finished = evidence.stories[view["id"]].finished
    for output in view["outputs"]:
        told = finished.get(output["index"])
        others = {COMPLETED: set(), FAILED: {"pending", "failed"}, CANCELLED: {"cancelled"}}[view["status"]]
        if output["status"] not in ({"completed"} if told else others):
            yield f"job {view['id']} is {view['status']}, its output is {output}, its events say {told}"
        if told and any(output[name] != told.data[name] for name in ("path", "size", "duration", "width", "height")):
            yield f"job {view['id']} shows {output}, but it was completed as {told.data}"
    if view["completed_outputs"] != len(finished):
        yield f"job {view['id']} shows {view['completed_outputs']} completed outputs of {len(finished)}"
    if [output["status"] for output in view["outputs"]].count("failed") > 1:
        yield f"job {view['id']} has several failed outputs: {view}"


def _nothing_else_is_there(evidence: Evidence, made: dict[Path, Made], others: dict[Path, Original]) -> Iterator[str]:
    there = {path for path in evidence.out.rglob("*") if not path.is_dir()}
    expected = made.keys() | others.keys() | evidence.intruders
    for path in sorted(there - expected):
        yield f"a file that is no completed output's: {path}"
    for path in sorted(expected - there):
        yield f"a file is gone: {path}, made by {made.get(path, 'nobody')}"


def _others_are_untouched(evidence: Evidence, others: dict[Path, Original]) -> Iterator[str]:
    for path, original in others.items():
        if path.exists() and Original.of(path) != original:
            yield f"a file was touched that no job has completed: {path}"
    for path in evidence.intruders:
        if path.exists() and path.read_bytes() != WORDS:
            yield f"a file that came first was written over: {path}"


def _media_are_whole(made: dict[Path, Made]) -> Iterator[str]:
    there = [(path, one) for path, one in made.items() if path.exists()]
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        for found in pool.map(_is_whole, there):
            yield from found


def _is_whole(it: tuple[Path, Made]) -> list[str]:
    """What is wrong with a completed output's file."""
    path, made = it
    if path.stat().st_size != made.data["size"]:
        return [f"{path} has {path.stat().st_size} bytes, and not as {made}"]
    try:
        duration = Clips(find_ffmpeg(), path.parent).probe(path).duration
    except AssertionError as error:
        return [f"{made} does not open: {error}"]
    if max(abs(duration - made.seconds), abs(duration - made.data["duration"])) > TOLERANCE_SECONDS:
        return [f"{path} lasts {duration} s, and not as {made}"]
    return []
