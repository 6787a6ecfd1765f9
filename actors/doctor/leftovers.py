"""What a daemon that was killed has left: FFmpegs that run on, folders of runs, files that are not finished.

Each is somebody's work, and the next daemon takes it over or away; so nothing is touched here. Where a daemon has the
data folder, all of it is that daemon's.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from actors.base import WORK_FOLDER
from actors.config import Config
from actors.doctor.finding import Finding, ok, size, warn
from actors.doctor.folder import user_name
from actors.doctor.holder import holder, name
from actors.doctor.store import unknown_jobs
from actors.ffmpeg.child import SHELL, SHIM, is_unlocked
from actors.ffmpeg.processes import LOCK_FD, command_of, living
from actors.ffmpeg.workspace import Workspace
from actors.jobs.database import FILE_NAME
from actors.jobs.model import JOB_ID

SHOWN = 10
"""Lines of one kind; of the rest only the number is told."""

NEXT = "the next daemon takes it over: rushes serve, or systemctl start rushes"


class Runner(NamedTuple):
    """A process of a run that is no shim."""

    pid: int
    folder: Path


def look(config: Config) -> Iterator[Finding]:
    """Processes first: what they write to may hang whoever looks at it."""
    data = Path(config.data).resolve()
    work = data / WORK_FOLDER
    runners = list(runners_in(work))
    found = holder(data)
    if found is not None:
        running = {runner.folder for runner in runners}
        yield ok("leftovers", f"none; {name(found)} looks after {_count(len(running), 'run')} of FFmpeg")
        return
    findings = [*_running(work, runners), *_folders(data, work)]
    yield from findings or [ok("leftovers", "none")]
    yield from _partials(work, {runner.folder for runner in runners})


def runners_in(work: Path) -> Iterator[Runner]:
    """Everybody but the shims who belongs to a run below `work`, as `is_of_run` tells: in one look at /proc."""
    for stat in living():
        opened = _target(f"/proc/{stat.pid}/fd/{LOCK_FD}")
        if opened is not None and opened == Workspace(opened.parent).record:
            folder: Path | None = opened.parent
        else:
            folder = _target(f"/proc/{stat.pid}/cwd")
        if folder is None or folder.parent.parent != work:
            continue
        if command_of(stat.pid)[:3] != [SHELL, "-c", SHIM]:
            yield Runner(stat.pid, folder)


def _target(link: str) -> Path | None:
    """Where a link of /proc leads."""
    try:
        return Path(os.readlink(link))  # noqa: PTH115 # twice for each process there is
    except OSError:
        return None  # it has ended, or is not ours to see


def _running(work: Path, runners: list[Runner]) -> Iterator[Finding]:
    for runner in runners[:SHOWN]:
        job_id = runner.folder.parent.name
        line = f"FFmpeg (pid {runner.pid}) of job {job_id} runs, and no daemon looks after it"
        yield warn("leftovers", line, f"{NEXT}; or end it: kill {runner.pid}")
    if len(runners) > SHOWN:
        yield warn("leftovers", f"{len(runners) - SHOWN} more such processes run", NEXT)
    unseen = [folder for folder in _runs(work) if folder not in {runner.folder for runner in runners}]
    held = [folder for folder in unseen if not is_unlocked(Workspace(folder))]
    if held:
        who = f"somebody whom {user_name(os.geteuid())} cannot see"
        line = f"{who} has {_count(len(held), 'record')} open, such as {held[0]}/record"
        yield warn(
            "leftovers", line, "a container's FFmpeg that outlived its daemon: find it there, or as root (fuser)"
        )


def _runs(work: Path) -> list[Path]:
    """The folders of all runs."""
    return sorted(record.parent for record in work.glob("*/*/record"))


def _folders(data: Path, work: Path) -> Iterator[Finding]:
    """Those of jobs that the store does not have: a backup was put in its place."""
    there = [entry.name for entry in work.iterdir() if JOB_ID.fullmatch(entry.name)] if work.is_dir() else []
    if not there or not (data / FILE_NAME).exists():
        return
    unknown = unknown_jobs(data / FILE_NAME, there)
    if unknown:
        line = (
            f"{_count(len(unknown), 'work folder')} of jobs that the store does not know, such as {work / unknown[0]}"
        )
        yield warn("leftovers", line, "the next daemon removes them, and ends what runs in them: start it")


def _partials(work: Path, running: set[Path]) -> Iterator[Finding]:
    """Files that were being made in runs of which nobody is left."""
    noted = (Workspace(folder).noted_partial() for folder in _runs(work) if folder not in running)
    left = [partial for partial in noted if partial is not None and partial.exists()]
    if left:
        room = size(sum(partial.stat().st_size for partial in left))
        line = f"{_count(len(left), 'unfinished file')} ({room}), such as {left[0]}"
        yield warn("partials", line, "the next daemon removes them: start it")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('s') else 's'}"
