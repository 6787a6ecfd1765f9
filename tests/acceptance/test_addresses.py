"""PROTOCOL.md sections 1 and 5: where the bus is, who may have it, and how a daemon is told."""

import getpass
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bus.client import Client
from tests.support.daemon import SCRIPT, Daemon, refused_start, serving
from tests.support.fakes import tempered
from tests.support.jobs import lasting, quick
from tests.support.ports import free_pair
from tests.support.wire import Dealer, Listener

Start = Callable[..., Daemon]


@pytest.fixture(scope="module")
def over_tcp() -> Iterator[Daemon]:
    """A daemon on loopback."""
    with serving(bus=f"tcp://127.0.0.1:{free_pair()}") as daemon:
        yield daemon


def only_line(lines: list[str]) -> str:
    """The one line that says why, which is the last: the log's own, or plain where there is no log yet."""
    said = [line for line in lines if not line.startswith("{") or '"event":"daemon_failed"' in line]
    assert said == lines[-1:], f"one clear line at the end, not {lines}"
    return said[0]


def test_the_ipc_folder_is_made_for_its_owner_only_and_holds_both_sockets(daemon: Daemon) -> None:
    folder = Path(daemon.bus.removeprefix("ipc://"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert (folder / "commands").is_socket()
    assert (folder / "events").is_socket()


def test_the_data_folder_is_made_for_its_owner_only(daemon: Daemon) -> None:
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (daemon.data, daemon.data / "work")] == [0o700, 0o700]


def test_a_tcp_address_on_loopback_has_commands_on_its_port_and_events_on_the_next(over_tcp: Daemon) -> None:
    with Listener(over_tcp.bus) as listener:
        job = over_tcp.submit(quick(over_tcp.out / "a.mp4"))
        assert listener.wait_for("job.completed", job["id"])["job_id"] == job["id"]


def test_over_ipc_the_one_who_asks_is_the_os_user(daemon: Daemon) -> None:
    job = daemon.submit(quick(daemon.out / "who.mp4"))
    assert job["submitted_by"] == getpass.getuser()
    assert daemon.event(job["id"], "submitted")["by"] == getpass.getuser()


def test_over_tcp_the_one_who_asks_is_the_peer_address(over_tcp: Daemon) -> None:
    job = over_tcp.submit(quick(over_tcp.out / "who.mp4"), wait=30)
    assert job["submitted_by"].startswith("tcp:127.0.0.1")


@pytest.mark.parametrize("host", ["[::1]", "localhost"])
def test_every_name_of_loopback_is_bound(start: Start, host: str) -> None:
    if host == "[::1]" and not has_ipv6():
        pytest.skip("this machine has no IPv6 loopback")
    daemon = start(bus=f"tcp://{host}:{free_pair()}")
    with Client(daemon.bus) as client, client.events(since=0) as events:
        assert next(events).type == "daemon.started"
        assert client.submit(quick(daemon.out / "a.mp4")).job.submitted_by.startswith("tcp:")


def has_ipv6() -> bool:
    """True where ::1 can be bound."""
    try:
        with socket.socket(socket.AF_INET6) as found:
            found.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.parametrize("host", ["0.0.0.0", "*", "[::]"])
def test_without_keys_nothing_wider_than_loopback_is_bound(host: str, tmp_path: Path) -> None:
    status, lines = refused_start("--data", str(tmp_path / "data"), "--bus", f"tcp://{host}:{free_pair()}")
    assert status != 0
    assert host in only_line(lines)


@pytest.mark.parametrize(
    "address",
    ["nonsense", "ipc://relative/folder", "tcp://127.0.0.1", f"ipc:///tmp/{'long' * 30}"],
)  # fmt: skip
def test_an_unusable_address_is_refused_with_one_clear_line(address: str, tmp_path: Path) -> None:
    status, lines = refused_start("--data", str(tmp_path / "data"), "--bus", address)
    assert status != 0
    assert address in only_line(lines)


def test_a_second_daemon_on_the_same_data_does_not_start_and_the_first_lives_on(daemon: Daemon) -> None:
    status, lines = refused_start("--data", str(daemon.data), "--bus", f"ipc://{daemon.base}/other")
    assert status != 0
    assert f" uses the data folder {daemon.data}; end it first, or choose another with --data" in only_line(lines)
    assert daemon.result("status")["pid"] == daemon.pid


def test_a_second_daemon_on_the_same_bus_does_not_start_and_the_first_lives_on(daemon: Daemon) -> None:
    status, lines = refused_start("--data", str(daemon.base / "other"), "--bus", daemon.bus)
    assert status != 0
    assert f"another daemon serves {daemon.bus}; end it first, or choose another with --bus" in only_line(lines)
    with Dealer(daemon.bus) as newcomer:
        assert newcomer.result("status")["pid"] == daemon.pid


def test_a_second_daemon_on_the_same_tcp_port_does_not_start_and_the_first_lives_on(over_tcp: Daemon) -> None:
    status, lines = refused_start("--data", str(over_tcp.base / "other"), "--bus", over_tcp.bus)
    assert status != 0
    assert f"cannot bind {over_tcp.bus}: Address already in use; choose another with --bus" in only_line(lines)
    assert over_tcp.result("status")["pid"] == over_tcp.pid


def test_the_sockets_that_a_killed_daemon_left_are_taken_over(daemon: Daemon) -> None:
    daemon.kill9()
    assert Path(daemon.bus.removeprefix("ipc://"), "commands").is_socket()
    daemon.start()
    assert daemon.result("status")["pid"] == daemon.pid


def test_every_option_has_a_twin_in_the_environment(start: Start, temperamental: Path) -> None:
    daemon = start(told_by="environment", slots=7, grace=0.3, ffmpeg=temperamental)
    assert daemon.result("status")["slots"] == 7
    job_id = daemon.submit(tempered(lasting(daemon.out / "a.mp4"), "stubborn"))["id"]
    daemon.child(job_id)
    daemon.result("cancel", job_id=job_id, wait=30)
    assert daemon.stages(job_id) == ["q", "SIGTERM", "SIGKILL"], "it used another FFmpeg"
    assert daemon.data.is_dir()
    assert daemon.log(), "it did not log as JSON"


def test_the_command_line_has_precedence_over_the_environment(start: Start) -> None:
    assert start(slots=3, env={"RUSHES_SLOTS": "5"}).result("status")["slots"] == 3


def test_the_slots_are_as_many_as_there_are_cores_where_nothing_is_set(start: Start) -> None:
    assert start().result("status")["slots"] == len(os.sched_getaffinity(0))


def test_rushes_serve_is_the_same_daemon(start: Start) -> None:
    daemon = start(program=SCRIPT)
    assert daemon.finish(quick(daemon.out / "a.mp4"))["status"] == "completed"
    assert daemon.terminate() == 0


def test_an_ffmpeg_that_is_not_there_is_named_and_the_daemon_does_not_start(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    status, lines = refused_start("--data", str(tmp_path / "d"), "--bus", f"ipc://{tmp_path}/b", "--ffmpeg", nowhere)
    assert status != 0
    assert nowhere in only_line(lines)


def test_an_ffmpeg_that_will_not_run_is_named_and_the_daemon_does_not_start(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'error while loading shared libraries' >&2\nexit 127\n")
    broken.chmod(0o755)
    status, lines = refused_start(
        "--data", str(tmp_path / "d"), "--bus", f"ipc://{tmp_path}/b", "--ffmpeg", str(broken)
    )
    assert status != 0
    assert str(broken) in only_line(lines)


def test_the_log_names_the_ffmpeg_in_use_and_its_version(daemon: Daemon, ffmpeg: Path) -> None:
    lines = [line for line in daemon.log() if str(ffmpeg) in map(str, line.values())]
    assert lines, f"no line of the log names {ffmpeg}"
    assert any("version" in name for name in lines[0])
