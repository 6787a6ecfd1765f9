"""A SIGTERM that comes while the daemon starts is not lost, and no child of an earlier daemon is, either."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.fakes import noted_runs
from tests.support.fed import fed
from tests.support.processes import eventually

ENDED_BY_SIGTERM = -signal.SIGTERM
"""How a process ends that has not yet said what SIGTERM shall do: Python itself is being loaded."""


def loads(part: str) -> Callable[[Daemon, str], bool]:
    return lambda daemon, _: part in Path(f"/proc/{daemon.pid}/maps").read_text()


def logs(name: str) -> Callable[[Daemon, str], bool]:
    return lambda _, log: f'"{name}"' in log


INSTANTS: dict[str, Callable[[Daemon, str], bool]] = {
    "the process is there": lambda daemon, _: daemon.running(),
    "it loads ZeroMQ": loads("zmq"),
    "it looks at the store": logs("ffmpeg_found"),
    "it binds the bus": lambda daemon, _: (daemon.data / "bus/commands").exists(),
    "it is ready": logs("daemon_ready"),
}
"""Something that is so from some moment of its start on."""


@pytest.fixture(scope="module")
def shared(temperamental: Path) -> Iterator[Daemon]:
    with serving(slots=1, grace=0.3, ffmpeg=temperamental) as daemon:
        yield daemon


@pytest.mark.parametrize("instant", INSTANTS)
def test_a_sigterm_during_the_start_ends_the_daemon_and_loses_no_child(daemon: Daemon, instant: str) -> None:
    with fed(daemon, instant.replace(" ", "-"), "noting", max_attempts=1) as job_id:
        eventually(lambda: noted_runs(daemon.base, job_id) == 1, "the run is noted")
        child = daemon.child(job_id)
        daemon.kill9()
        seen = len(daemon.stderr())
        daemon.launch()
        eventually(lambda: INSTANTS[instant](daemon, daemon.stderr()[seen:]), instant)
        daemon.signal(signal.SIGTERM)
        status = daemon.ended()
        log = daemon.stderr()[seen:]
        if status == ENDED_BY_SIGTERM:
            assert "daemon_starting" not in log, "from then on it ends in order"
        else:
            assert status == 0
            assert "daemon_stopped" in log
        was_stopped = not child.members()
    daemon.start()
    view = daemon.outcome(job_id)
    assert (view["status"], view["attempts"]) == ("completed", 1)
    assert noted_runs(daemon.base, job_id) <= 2
    if noted_runs(daemon.base, job_id) == 2:
        assert was_stopped, "nothing is encoded twice at once"
        assert daemon.event(job_id, "requeued")["data"]["why"] == "stop"
