"""Jobs that a test wants to have ended, in a daemon whose FFmpeg has a temper."""

from tests.support.daemon import Daemon
from tests.support.fakes import tempered
from tests.support.jobs import quick


def completed(daemon: Daemon, *names: str) -> str:
    """The id of a job that has made a file of each name."""
    return str(daemon.finish(quick(*(daemon.out / f"{name}.mp4" for name in names)))["id"])


def dying(daemon: Daemon, name: str) -> str:
    """The id of a job that fails, with `this is the reason` as FFmpeg's last words."""
    job_id: str = daemon.submit(tempered(quick(daemon.out / f"{name}.mp4"), "dying"))["id"]
    return job_id
