"""The demo's end: what there is, what was heard, and whether each is what it should be."""

import os
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from bus.client import Client
from bus.errors import NotFound
from bus.messages import OutputView
from cli import text
from cli.demo_play import CLIP_SECONDS, HALF, SIZES, Play, process_group
from cli.job_table import print_jobs
from cli.output import print_table, say
from cli.table import Column

PICTURE, NAME_AT, WIDTH_AT = b"mp4v", 16, 44
"""What an MP4's sample description calls a picture of MPEG-4, and the bytes from that box's own name (`stsd`) to there,
and to the picture's width and height (ISO/IEC 14496-12, 8.5.2 and 12.1.3). The track's header has those at which it is
to be shown: FFmpeg 5.1 notes 853.33 for 854 pixels that are not quite square."""

TOLERANCE_SECONDS = 0.1
"""The last audio frame may end after the last picture."""

Check = tuple[str, bool]
"""What should be so, and whether it is."""


def show_all(client: Client, play: Play) -> None:
    """The jobs, the events that were heard, the files on disk."""
    say("\nJobs")
    print_jobs(client.jobs(order="oldest"))
    say("\nEvents heard")
    counts = Counter(event.type for event in play.heard)
    counts["job.progress"] = play.ephemeral
    print_table([Column("EVENT"), Column("TIMES", right=True)], [[kind, str(times)] for kind, times in counts.items()])
    say("\nFiles on disk")
    sizes = [[text.size(path.stat().st_size), path.name] for path in _files(play)]
    print_table([Column("SIZE", right=True), Column("NAME")], sizes)


def checks(client: Client, play: Play) -> Iterator[Check]:
    """Everything that should be so while the daemon runs."""
    yield from _of_outputs(play)
    yield from _of_boost(play)
    yield from _of_cancel(play)
    error = play.jobs["broken"].error
    yield "broken failed for its reason: unknown_encoder", error is not None and error.code == "unknown_encoder"
    yield from _of_delete(client, play)
    yield from _of_events(client, play)
    names = {path.name for path in _files(play)}
    wanted = {"clip.mp4", "sound.wav", *(f"{name}.mp4" for name in SIZES)}
    yield "the folder holds what was completed, and nothing else", names == wanted


def _of_outputs(play: Play) -> Iterator[Check]:
    [clip] = play.jobs["clip"].outputs
    yield "clip.mp4 is 1280x720 and 20 s long", _is_proved(clip, SIZES["720p"])
    for output, (name, size) in zip(play.jobs["renditions"].outputs, SIZES.items(), strict=True):
        yield f"{name}.mp4 is {size[0]}x{size[1]} and 20 s long", _is_proved(output, size)


def _is_proved(output: OutputView, size: tuple[int, int]) -> bool:
    """True where the view says so, and the file itself does."""
    path = Path(output.path)
    return (
        output.status == "completed"
        and (output.width, output.height) == size
        and output.duration is not None
        and abs(output.duration - CLIP_SECONDS) < TOLERANCE_SECONDS
        and output.size == path.stat().st_size
        and picture_size(path) == size
    )


def picture_size(path: Path) -> tuple[int, int] | None:
    """Width and height of an MP4's picture, as its own tables have them: a witness that is not the daemon."""
    content = path.read_bytes()
    at = content.find(b"stsd")
    while at >= 0:
        if content.startswith(PICTURE, at + NAME_AT):  # a track of sound has another
            width, height = struct.unpack_from(">HH", content, at + WIDTH_AT)
            return width, height
        at = content.find(b"stsd", at + 1)
    return None


def _of_boost(play: Play) -> Iterator[Check]:
    yield "long was boosted to the first place in the queue", play.boosted.position == 1
    started = [event.job_id for event in play.heard if event.type == "job.started"]
    earlier = [play.jobs[name].id for name in ("sound", "broken")]
    long = play.jobs["long"].id
    before = long in started and all(started.index(long) < started.index(job) for job in earlier)
    yield "long started before sound and broken, which were submitted earlier", before


def _of_cancel(play: Play) -> Iterator[Check]:
    job = play.cancelled.job
    progress = job.outputs[0].progress or 0.0
    yield "long was cancelled half way", job.status == "cancelled" and HALF <= progress < 1
    yield "long left no file", not Path(job.outputs[0].path).exists()
    yield "long's FFmpeg ran in a process group, and that is gone", play.group is not None and not _lives(play.group)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _of_delete(client: Client, play: Play) -> Iterator[Check]:
    proxy = play.jobs["proxy"]
    path = proxy.outputs[0].path
    was = proxy.status == "completed" and play.deleted.removed == [path]
    yield "proxy was completed, then deleted with its file", was and not Path(path).exists()
    try:
        client.get(proxy.id)
    except NotFound:
        yield "proxy is found no more", True
    else:
        yield "proxy is found no more", False


def _of_events(client: Client, play: Play) -> Iterator[Check]:
    seqs = [event.seq for event in play.heard]
    last = client.status().last_seq
    yield f"every event from 1 to {last} was heard once, in order", seqs == list(range(1, last + 1))
    yield "progress was heard", play.ephemeral > 0
    running = [job.id for job in play.jobs.values() if process_group(job.id) is not None]
    yield "no FFmpeg of these jobs runs any more", not running


def _files(play: Play) -> list[Path]:
    """Everything in the folder of the clips, hidden partial files too."""
    return sorted(play.folder.iterdir())
