"""Where the log goes: files that are rotated under it, journald's own socket, and disks that do not take it."""

import array
import errno
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from actors import log_sinks, logs
from tests.support.daemon import clean_environment
from tests.support.processes import eventually
from tests.support.wire import PATIENCE

Say = Callable[..., None]

DATAGRAM_BYTES = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rushes.log"


@pytest.fixture
def say(path: Path, own_log: None) -> Say:
    """Logs a line into the file."""
    logs.configure("json", "info", path)
    return lambda job_id: logs.logger(actor="queue").info("job_completed", job_id=job_id)


def heard(path: Path) -> list[str]:
    """Which jobs a file tells of."""
    return [line["job_id"] for line in map(json.loads, path.read_text().splitlines()) if "job_id" in line]


def test_a_file_is_gone_on_with_and_only_its_owner_writes_it(path: Path, say: Say) -> None:
    say("one")
    eventually(lambda: heard(path) == ["one"], "the line")
    logs.close()
    logs.configure("json", "info", path)
    logs.logger().info("job_completed", job_id="two")
    eventually(lambda: heard(path) == ["one", "two"], "the next")
    assert path.stat().st_mode & 0o077 & ~0o040 == 0


@pytest.mark.parametrize(
    "leave", [lambda path: path.rename(f"{path}.1"), lambda path: path.unlink()], ids=["moved", "removed"]
)
def test_a_file_that_was_put_away_is_made_anew(path: Path, say: Say, leave: Callable[[Path], None]) -> None:
    say("before")
    eventually(lambda: heard(path) == ["before"], "the first line")
    leave(path)
    say("after")
    eventually(lambda: path.exists() and heard(path) == ["after"], "the second in a file of its own")
    if Path(f"{path}.1").exists():
        assert heard(Path(f"{path}.1")) == ["before"]


def test_a_file_that_is_cut_is_written_from_its_beginning(path: Path, say: Say) -> None:
    """As logrotate's copytruncate does."""
    say("before")
    eventually(lambda: heard(path) == ["before"], "the first line")
    os.truncate(path, 0)
    say("after")
    eventually(lambda: heard(path) == ["after"], "the second, and no hole before it")


def test_lines_that_could_not_be_written_are_counted_and_told_of_when_they_can_be_again(path: Path) -> None:
    class Failing:
        """Takes the lines that it is let take; notes how many it was given."""

        def __init__(self) -> None:
            self.given, self.taken, self.works = 0, list[str](), False

        def write(self, lines: Sequence[str]) -> None:
            self.given += len(lines)
            if not self.works:
                raise OSError(errno.ENOSPC, "full")
            self.taken += lines

        def close(self) -> None:
            self.works = False

    sink, told = Failing(), list[int]()
    writer = log_sinks.Writer(sink, told.append)
    for number in range(3):
        writer.put(f"lost-{number}")
    eventually(lambda: sink.given == 3, "they are tried, and lost")
    assert told == []
    sink.works = True
    writer.put("kept")
    eventually(lambda: told == [3], "it is told of, once")
    writer.close()
    assert (sink.taken, sink.works) == (["kept"], False), "and it is closed"


def test_a_file_that_cannot_be_opened_is_told_of_at_once(tmp_path: Path, own_log: None) -> None:
    with pytest.raises(FileNotFoundError):
        logs.configure("json", "info", tmp_path / "nowhere/log")


# ---------------------------------------------------------------- journald


@pytest.fixture
def journal(tmp_path: Path, own_log: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """A socket as journald has one, and a log that goes there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as found:
        found.settimeout(PATIENCE)
        found.bind(str(tmp_path / "socket"))
        monkeypatch.setattr(log_sinks, "JOURNAL_SOCKET", str(tmp_path / "socket"))
        logs.configure("journal", "info")
        yield found


def entry(journal: socket.socket) -> dict[str, str]:
    """The next entry, read as journald reads it: from the datagram, or from the file that came with it."""
    body, ancillary, _, _ = journal.recvmsg(DATAGRAM_BYTES, socket.CMSG_SPACE(array.array("i").itemsize))
    for _, kind, data in ancillary:
        assert kind == socket.SCM_RIGHTS
        (descriptor,) = array.array("i", data)
        with os.fdopen(descriptor, "rb") as file:
            file.seek(0)
            body = file.read()
    fields = {}
    while body:
        line, _, body = body.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (size,) = struct.unpack("<Q", body[:8])
            value, body = body[8 : 8 + size], body[8 + size + 1 :]
        fields[name.decode()] = value.decode()
    return fields


def test_journald_gets_a_sentence_a_priority_and_each_key_as_a_field(journal: socket.socket) -> None:
    logs.logger(actor="queue").warning("job_failed", job_id="abc", code="timeout", message="two\nlines", retryable=True)
    found = entry(journal)
    assert found == {
        "MESSAGE": "job_failed job_id=abc code=timeout message=two\\u000alines retryable=true",
        "PRIORITY": "4", "SYSLOG_IDENTIFIER": "rushes", "RUSHES_EVENT": "job_failed", "RUSHES_ACTOR": "queue",
        "RUSHES_JOB_ID": "abc", "RUSHES_CODE": "timeout", "RUSHES_MESSAGE": "two\nlines", "RUSHES_RETRYABLE": "true",
    }  # fmt: skip


@pytest.mark.parametrize(("level", "priority"), [("info", "6"), ("warning", "4"), ("error", "3")])
def test_a_level_is_the_priority_that_syslog_has_for_it(journal: socket.socket, level: str, priority: str) -> None:
    getattr(logs.logger(), level)("job_failed")
    assert entry(journal)["PRIORITY"] == priority


def test_an_entry_that_is_too_large_for_a_datagram_comes_whole(journal: socket.socket) -> None:
    traceback = "a line\n" * 200_000
    logs.logger().error("actor_died", traceback=traceback)
    assert entry(journal)["RUSHES_TRACEBACK"] == traceback
    logs.logger().info("daemon_ready")
    assert entry(journal)["RUSHES_EVENT"] == "daemon_ready"


def test_the_journal_is_known_by_what_systemd_says_of_stderr(tmp_path: Path) -> None:
    with (tmp_path / "stderr").open("w") as file:
        status = os.fstat(file.fileno())
        code = (
            "from actors.config import load; from actors.log_sinks import is_journal; import sys;"
            "sys.stdout.write(f'{is_journal()} {load({}).log_format}')"
        )
        streams = (f"{status.st_dev}:{status.st_ino}", f"{status.st_dev}:{status.st_ino + 1}", "", "x")
        found = [
            subprocess.run(
                [sys.executable, "-c", code], stderr=file, stdout=subprocess.PIPE, text=True, check=True,
                env=clean_environment({"JOURNAL_STREAM": stream}),
            ).stdout
            for stream in streams
        ]  # fmt: skip
    assert found == ["True journal", "False json", "False json", "False json"]
