"""The bus address: one URL, two sockets, and who may have made the folder they are in."""

import os
from pathlib import Path

import pytest

from bus.address import (
    MAX_IPC_PATH_BYTES,
    check_owner,
    default_address,
    endpoints,
    ipc_folder,
    is_loopback,
)
from bus.errors import BadAddress
from bus.request import Connection


@pytest.mark.parametrize(
    ("address", "commands", "events"),
    [
        ("ipc:///run/rushes", "ipc:///run/rushes/commands", "ipc:///run/rushes/events"),
        ("ipc:///run/rushes/", "ipc:///run/rushes/commands", "ipc:///run/rushes/events"),
        ("ipc:///a b/ü", "ipc:///a b/ü/commands", "ipc:///a b/ü/events"),
        ("tcp://127.0.0.1:7780", "tcp://127.0.0.1:7780", "tcp://127.0.0.1:7781"),
        ("tcp://localhost:7780", "tcp://127.0.0.1:7780", "tcp://127.0.0.1:7781"),
        ("tcp://LOCALHOST:7780", "tcp://127.0.0.1:7780", "tcp://127.0.0.1:7781"),
        ("tcp://[::1]:7780", "tcp://[::1]:7780", "tcp://[::1]:7781"),
        ("tcp://127.0.0.1:65534", "tcp://127.0.0.1:65534", "tcp://127.0.0.1:65535"),
    ],
)
def test_an_address_names_two_sockets(address: str, commands: str, events: str) -> None:
    assert endpoints(address) == (commands, events)


@pytest.mark.parametrize(
    "address",
    [
        "", "ipc://", "ipc://relative/folder", "ipc:/run/rushes", "/run/rushes", "ipc:///a\0b", "inproc://x",
        "http://127.0.0.1:80", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:", "tcp://:7780", "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:65535", "tcp://127.0.0.1:-1", "tcp://127.0.0.1:x", "tcp://127.0.0.1:٣", "tcp://*:*",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_what_one_looks_like(address: str) -> None:
    with pytest.raises(BadAddress, match="tcp://127"):
        endpoints(address)


def test_a_folder_too_long_for_a_socket_is_refused_before_it_is_bound() -> None:
    room = MAX_IPC_PATH_BYTES - len("/commands")
    longest = "/" + "x" * (room - 1)
    assert len(endpoints(f"ipc://{longest}").commands) == MAX_IPC_PATH_BYTES + len("ipc://")
    with pytest.raises(BadAddress, match="too long"):
        endpoints(f"ipc://{longest}x")
    with pytest.raises(BadAddress, match="too long"):
        endpoints("ipc:///" + "ü" * (room // 2))  # bytes count, not letters


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ipc:///run/rushes", True),
        ("tcp://127.0.0.1:7780", True),
        ("tcp://127.1.2.3:7780", True),
        ("tcp://localhost:7780", True),
        ("tcp://[::1]:7780", True),
        ("tcp://[::]:7780", False),
        ("tcp://0.0.0.0:7780", False),
        ("tcp://*:7780", False),
        ("tcp://192.168.0.1:7780", False),
        ("tcp://127.0.0.1.example.com:7780", False),
        ("tcp://eth0:7780", False),
    ],
)
def test_only_an_address_that_this_machine_alone_reaches_is_loopback(address: str, *, expected: bool) -> None:
    assert is_loopback(address) is expected


def test_only_an_ipc_address_has_a_folder() -> None:
    assert ipc_folder("ipc:///run/rushes") == Path("/run/rushes")
    assert ipc_folder("tcp://127.0.0.1:7780") is None


def test_the_environment_says_where_the_bus_is() -> None:
    assert default_address({"RUSHES_BUS": "tcp://127.0.0.1:1"}) == "tcp://127.0.0.1:1"


def test_else_it_is_in_the_users_runtime_folder(tmp_path: Path) -> None:
    assert default_address({"XDG_RUNTIME_DIR": str(tmp_path), "RUSHES_BUS": ""}) == f"ipc://{tmp_path}/rushes"


def test_else_in_a_folder_of_the_users_own(tmp_path: Path) -> None:
    assert default_address({"XDG_RUNTIME_DIR": str(tmp_path / "gone")}) == f"ipc:///tmp/rushes-{os.getuid()}"


def test_a_folder_of_ones_own_is_taken_and_one_that_is_not_there_too(tmp_path: Path) -> None:
    check_owner(tmp_path)
    check_owner(tmp_path / "gone")


def test_a_folder_that_everybody_can_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(BadAddress, match="chmod 700"):
        check_owner(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(BadAddress, match="belongs to uid 12345"):
        check_owner(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_whoever_is_told_where_the_bus_is_may_use_the_daemon_of_another_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rushes.service` has a user of its own, and a group of users who may use its bus."""
    folder = tmp_path / "rushes"
    folder.mkdir()
    os.chown(folder, 12345, -1)
    monkeypatch.delenv("RUSHES_BUS", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(BadAddress, match="belongs to uid 12345"):
        Connection(None)
    assert Connection(f"ipc://{folder}").address == f"ipc://{folder}"
    monkeypatch.setenv("RUSHES_BUS", f"ipc://{folder}")
    assert Connection(None).address == f"ipc://{folder}"
    folder.chmod(0o777)
    with pytest.raises(BadAddress, match="can be written by everybody"):
        Connection(None)
