"""Real encodes: many of them beside plain `xargs`, and how soon one stops beside FFmpeg alone."""

import os
import select
import statistics
import subprocess
import time
from pathlib import Path

from tests.bench.lineup import Bench
from tests.bench.measure import Clock, Spread
from tests.bench.ours import HEARTBEAT, QUIETLY, Rushes, hearing, next_topic
from tests.bench.peers.base import WORKERS, Peer
from tests.bench.report import Figure, Goal, Row, latency, milliseconds
from tests.support.processes import eventually

TRANSCODE = "transcode"
CANCEL = "cancel"

CLIPS = 20
CLIP_SECONDS = 10
ROUNDS = 2
"""In which each makes its clips, in the order ABBA, so that a machine that grows slower is nobody's loss. It takes
5 % more or less for the same encode from one moment to the next."""

PATIENCE = 300.0
"""For the encodes of a round, which take some 15 s on two cores."""

GOAL_XARGS = 1.02

CANCELS = 20

LONG = ("-re", "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=600")
"""What is encoded when it is cancelled: as a camera would deliver it, so that FFmpeg has the same few frames in hand
whenever it is asked. At full speed their number varies, and what it takes to finish them by a hundred milliseconds."""

STATS_PERIOD = 0.1
"""Seconds between FFmpeg's looks at its stdin, as Rushes sets it, and here for FFmpeg alone, too."""

PHASES = STATS_PERIOD
"""FFmpeg (fftools/ffmpeg.c) reads a key and then reports, at each look: its answer depends on when it is asked. So both
are asked at the same moments, evenly spread over the time from one look, which shows in its progress file, to the next.
"""

GOAL_LATER = 0.005

LOOK_SECONDS = 0.001

REPORTS = 3
"""Of FFmpeg's, before it is asked to stop: the first comes before the first frame."""

REPORT_SECONDS = 20
"""What one may take: they come every 0.1 s."""


# ------------------------------------------------------------ many


def transcode(bench: Bench) -> list[Row]:
    """20 clips, in rounds, two at a time."""
    clips = 2 if bench.quick else CLIPS // ROUNDS
    source = _clip(bench)
    xargs = next((cls for cls in bench.floors if cls.__name__ == "Xargs"), None)
    order: list[type[Peer]] = [Rushes, xargs, xargs, Rushes] * (ROUNDS // 2) if xargs else [Rushes] * ROUNDS
    took: dict[str, list[float]] = {}
    for cls in order:
        bench.say(f"    {cls.name}")
        took.setdefault(cls.name, []).append(_transcode(bench, cls, source, clips))
    figures = {name: _seconds(times) for name, times in took.items()}
    ours = figures.pop(Rushes.name)
    floor = figures.get(xargs.name) if xargs else None
    return [
        Row(
            key=TRANSCODE,
            what="real transcode",
            how=f"{ROUNDS} × {clips} clips of {CLIP_SECONDS} s, 720p to 480p (x264, veryfast), {WORKERS} at a time",
            ours=ours,
            floor=floor,
            goals=[Goal(f"≤ {GOAL_XARGS} × xargs", ours.value <= GOAL_XARGS * floor.value if floor else None)],
            notes=["Rushes opens, checks and syncs every output; xargs does not"],
        )
    ]


def _clip(bench: Bench) -> Path:
    path = bench.room("clip") / "clip.mp4"
    picture = f"testsrc2=size=1280x720:rate=25:duration={CLIP_SECONDS}"
    made = ["-f", "lavfi", "-i", picture, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
    subprocess.run([bench.ffmpeg, "-nostdin", "-v", "error", *made, path], check=True)
    return path


def _transcode(bench: Bench, cls: type[Peer], source: Path, clips: int) -> float:
    out = bench.room("out")
    tail = ["-i", str(source), "-vf", "scale=-2:480", "-c:v", "libx264", "-preset", "veryfast"]
    with bench.taking_part(cls, bench.ffmpeg, WORKERS) as peer:
        clock = Clock()
        with clock.one():
            tasks = [
                peer.submit([str(bench.ffmpeg), *QUIETLY, *tail, str(out / f"{number}.mp4")]) for number in range(clips)
            ]
            assert peer.wait(tasks, PATIENCE), f"{clips} clips are not done within {PATIENCE:g} s"
    made = [file for file in out.iterdir() if file.stat().st_size]
    assert len(made) == clips, f"{len(made)} of {clips} clips were made"
    return clock.total


def _seconds(times: list[float]) -> Figure:
    return Figure(sum(times), f"{sum(times):.2f} s", {"seconds": times})


# ------------------------------------------------------------ stopping one


def cancel(bench: Bench) -> list[Row]:
    """Rushes' `cancel` and FFmpeg's own answer to `q`, in turn."""
    count = 4 if bench.quick else CANCELS
    ours, own = [], []
    out = bench.room("out")
    with bench.taking_part(Rushes, bench.ffmpeg, WORKERS) as peer:
        assert isinstance(peer, Rushes), "it was made from that class"
        for number in range(count):
            after = PHASES * (number + 0.5) / count
            own.append(_ask_ffmpeg(bench, out / f"own-{number}", after))
            ours.append(_cancel(peer, [str(bench.ffmpeg), *_long(out / f"ours-{number}.mkv")], after))
    figure, floor = Spread.of(ours), Spread.of(own)
    later = statistics.median(one - other for one, other in zip(ours, own, strict=True))
    return [
        Row(
            key=CANCEL,
            what="cancel",
            how=f"{count} times, in turn: `cancel` sent until `job.cancelled` is heard; the floor: `q` to FFmpeg alone "
            "until it has ended",
            ours=Figure(figure.p50, latency(figure).text, {"ours": ours, "floor": own}),
            floor=latency(floor),
            goals=[Goal(f"≤ floor + {GOAL_LATER * 1000:g} ms", later <= GOAL_LATER)],
            notes=[
                f"asked at the same moment after one of FFmpeg's looks at its stdin (every {STATS_PERIOD:g} s), "
                f"Rushes is {milliseconds(later)} later: the median of these differences is held against the goal",
            ],
        )
    ]


def _long(output: Path) -> list[str]:
    return [*LONG, "-c:v", "libx264", "-preset", "veryfast", str(output)]


def _ask_ffmpeg(bench: Bench, output: Path, after: float) -> float:
    """FFmpeg alone, run as Rushes would: seconds from `q` to its end."""
    progress = output.with_suffix(".progress")
    ours = ["-hide_banner", "-nostats", "-y", "-progress", f"file:{progress}", "-stats_period", str(STATS_PERIOD)]
    ffmpeg = subprocess.Popen(
        [bench.ffmpeg, *ours, *_long(output.with_suffix(".mkv"))],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, bufsize=0,
    )  # fmt: skip
    assert ffmpeg.stdin is not None
    try:
        _await_look(progress, after)
        asked = time.monotonic()
        ffmpeg.stdin.write(b"q")
        _await_end(ffmpeg.pid)
        return time.monotonic() - asked
    finally:
        ffmpeg.kill()
        ffmpeg.stdin.close()
        ffmpeg.wait()


def _cancel(peer: Rushes, argv: list[str], after: float) -> float:
    """Seconds from sending `cancel` to hearing `job.cancelled`."""
    daemon = peer.daemon
    with hearing(daemon.bus, "job.") as events:
        job = peer.submit(argv)
        work = daemon.data / "work" / job
        progress = eventually(lambda: next(iter(work.glob("*/progress")), None), "FFmpeg reports")
        assert progress is not None
        _await_look(progress, after)
        asked = time.monotonic()
        sent = daemon.wire.send("cancel", job_id=job)
        topic = HEARTBEAT
        while topic != f"job.{job}.cancelled".encode():
            topic = next_topic(events)
        took = time.monotonic() - asked
        assert daemon.wire.reply_to(sent)["ok"] is True
    return took


def _await_look(progress: Path, after: float) -> None:
    """Until `after` seconds from one of FFmpeg's looks, when it has reported some times: it encodes by then."""
    for _ in range(REPORTS):
        before = _size(progress)
        end = time.monotonic() + REPORT_SECONDS
        while _size(progress) == before:
            assert time.monotonic() < end, f"FFmpeg does not report within {REPORT_SECONDS:g} s"
            time.sleep(LOOK_SECONDS)
    time.sleep(after)


def _size(progress: Path) -> int:
    return progress.stat().st_size if progress.exists() else 0


def _await_end(pid: int) -> None:
    """`Popen.wait` with a timeout sleeps up to 50 ms between its looks; this does not."""
    pidfd = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        assert poll.poll(30_000), "FFmpeg has not ended 30 s after `q`"
    finally:
        os.close(pidfd)
