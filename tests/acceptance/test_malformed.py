"""PROTOCOL.md section 2: whatever the bytes are, there is exactly one reply, and the daemon is as it was."""

import random
import re
from collections.abc import Iterator

import msgpack
import pytest

from tests.support.contract import REFUSAL, check
from tests.support.daemon import Daemon
from tests.support.jobs import quick
from tests.support.wire import Dealer, Map, pack

MEBIBYTE = 1024 * 1024
ANY_INDEX = re.compile(r"\[[^]]*\]")
"""Some array's index in a path: the number, or dots."""


def nested(depth: int) -> object:
    """Arrays within arrays."""
    value: object = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.fixture
def unchanged(daemon: Daemon) -> Iterator[Daemon]:
    """The daemon, which after the test has the same process, history and jobs as before."""
    before = daemon.result("status")
    yield daemon
    after = daemon.result("status")
    for name in ("pid", "last_seq", "counts", "running", "queued"):
        assert after[name] == before[name], name


def answer(daemon: Daemon, *frames: bytes) -> Map:
    """The one reply to raw frames, and the proof that it is the only one."""
    with Dealer(daemon.bus) as stranger:
        stranger.send_frames(*frames)
        reply = stranger.receive()
        last = stranger.send("status")
        assert stranger.receive()["re"] == last, "a second reply"
    assert reply["v"] == 1
    assert reply["ok"] is False
    check(reply["error"], REFUSAL)
    assert reply["error"]["message"]
    return reply


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\xc1", id="no msgpack"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="http"),
        pytest.param(b'{"v": 1, "id": "x", "type": "status"}', id="json"),
        pytest.param(pack({"v": 1, "id": "x", "type": "status"})[:-1], id="cut short"),
        pytest.param(pack({"v": 1, "id": "x", "type": "status"}) + b"\x00", id="bytes after the end"),
        pytest.param(pack([1, 2]), id="array"),
        pytest.param(pack("status"), id="string"),
        pytest.param(pack(7), id="integer"),
        pytest.param(pack(None), id="nil"),
        pytest.param(pack({1: 1, "id": "x", "type": "status"}), id="integer key"),
        pytest.param(pack({b"v": 1}), id="binary key"),
        pytest.param(b"\x81\xa1\xff\x01", id="key that is no utf-8"),
        pytest.param(b"\x83\xa1v\x01\xa2id\xa1\xff\xa4type\xa6status", id="id that is no utf-8"),
        pytest.param(b"\xdf\xff\xff\xff\xff", id="map that says it has 4 G entries"),
        pytest.param(b"\xdd\xff\xff\xff\xff", id="array that says it has 4 G entries"),
        pytest.param(b"\xc6\xff\xff\xff\xff", id="binary that says it has 4 GB"),
        pytest.param(pack(msgpack.ExtType(5, b"x")), id="extension type"),
        pytest.param(b"\xd6\xff\x00\x00\x00\x00", id="timestamp"),
        pytest.param(b"\x91" * 500_000 + b"\xc0", id="half a million arrays within each other"),
        pytest.param(b"\x81\xa1a" * 100_000 + b"\xc0", id="a hundred thousand maps within each other"),
    ],
)
def test_a_body_that_is_no_msgpack_map_is_invalid(unchanged: Daemon, body: bytes) -> None:
    error = answer(unchanged, body)["error"]
    assert error["code"] == "invalid"
    assert error["details"]["path"]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"id": "x", "type": "status"}, "v"),
        ({"v": "1", "id": "x", "type": "status"}, "v"),
        ({"v": None, "id": "x", "type": "status"}, "v"),
        ({"v": 1.0, "id": "x", "type": "status"}, "v"),
        ({"v": True, "id": "x", "type": "status"}, "v"),
        ({"v": 1, "id": "x"}, "type"),
        ({"v": 1, "id": "x", "type": 5}, "type"),
        ({"v": 1, "id": "x", "type": None}, "type"),
        ({"v": 1, "type": "status"}, "id"),
        ({"v": 1, "id": 7, "type": "status"}, "id"),
        ({"v": 1, "id": "", "type": "status"}, "id"),
        ({"v": 1, "id": "x" * 65, "type": "status"}, "id"),
        ({"v": 1, "id": "x", "type": "status", "verbose": True}, "verbose"),
        ({"v": 1, "id": "x", "type": "get"}, "job_id"),
        ({"v": 1, "id": "x", "type": "get", "job_id": 5}, "job_id"),
        ({"v": 1, "id": "x", "type": "get", "job_id": None}, "job_id"),
        ({"v": 1, "id": "x", "type": "cancel", "job_id": "j", "reason": "r" * 101}, "reason"),
        ({"v": 1, "id": "x", "type": "cancel", "job_id": "j", "notes": "n" * 501}, "notes"),
        ({"v": 1, "id": "x", "type": "cancel", "job_id": "j", "reason": None}, "reason"),
        ({"v": 1, "id": "x", "type": "delete", "job_id": "j", "force": "yes"}, "force"),
        ({"v": 1, "id": "x", "type": "delete", "job_id": "j", "force": 1}, "force"),
        ({"v": 1, "id": "x", "type": "boost", "job_id": "j", "priority": 1001}, "priority"),
        ({"v": 1, "id": "x", "type": "boost", "job_id": "j", "priority": 1.5}, "priority"),
        ({"v": 1, "id": "x", "type": "boost", "job_id": "j", "by": "2"}, "by"),
        ({"v": 1, "id": "x", "type": "list", "limit": 0}, "limit"),
        ({"v": 1, "id": "x", "type": "list", "limit": 1001}, "limit"),
        ({"v": 1, "id": "x", "type": "list", "limit": 2**64 - 1}, "limit"),
        ({"v": 1, "id": "x", "type": "list", "order": "random"}, "order"),
        ({"v": 1, "id": "x", "type": "list", "status": "queued"}, "status"),
        ({"v": 1, "id": "x", "type": "list", "status": ["waiting"]}, "status[]"),
        ({"v": 1, "id": "x", "type": "list", "cursor": "not a cursor"}, "cursor"),
        ({"v": 1, "id": "x", "type": "events", "since": -1}, "since"),
        ({"v": 1, "id": "x", "type": "events", "limit": 1001}, "limit"),
        ({"v": 1, "id": "x", "type": "shutdown", "mode": "now"}, "mode"),
        ({"v": 1, "id": "x", "type": "submit"}, "job"),
        ({"v": 1, "id": "x", "type": "submit", "job": []}, "job"),
        ({"v": 1, "id": "x", "type": "submit", "job": {"inputs": []}}, "job.outputs"),
        ({"v": 1, "id": "x", "type": "submit", "job": {"outputs": []}}, "job.outputs"),
        ({"v": 1, "id": "x", "type": "submit", "job": {"outputs": [{}]}}, "job.outputs[].path"),
    ],
)  # fmt: skip
def test_a_field_that_is_missing_unknown_or_mistyped_is_invalid_and_named(
    unchanged: Daemon, body: Map, path: str
) -> None:
    reply = answer(unchanged, pack(body))
    assert reply["error"]["code"] == "invalid"
    assert ANY_INDEX.sub("[]", reply["error"]["details"]["path"]) == path
    assert path.rpartition(".")[2].partition("[")[0] in reply["error"]["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("priority", 1001), ("priority", -1001), ("priority", "high"), ("priority", True),
        ("max_attempts", 0), ("max_attempts", 21), ("timeout", 0), ("timeout", -1), ("timeout", float("nan")),
        ("timeout", float("inf")), ("stall_timeout", 0), ("ttl", -1), ("ttl", float("nan")),
        ("overwrite", "yes"), ("metadata", {"a": 1}), ("metadata", ["a"]), ("name", 5), ("session", ["s"]),
        ("inputs", {"path": "/a"}), ("colour", "red"),
    ],
)  # fmt: skip
def test_a_field_of_a_job_outside_its_range_is_invalid_and_named(unchanged: Daemon, field: str, value: object) -> None:
    job = {**quick(unchanged.out / "a.mp4"), field: value}
    error = answer(unchanged, pack({"v": 1, "id": "x", "type": "submit", "job": job}))["error"]
    assert error["code"] == "invalid"
    assert error["details"]["path"].startswith(f"job.{field}")


@pytest.mark.parametrize(
    ("metadata", "path"),
    [({"good": "x", "a key": 1}, "job.metadata.a key"), ({"x" * 1025: "x"}, f"job.metadata.{'x' * 100}"),
     ({1: "x"}, "job.metadata.1"), ({"k": b"\xff".decode("latin-1").encode("latin-1")}, "job.metadata.k")],
)  # fmt: skip
def test_an_entry_of_metadata_is_named(unchanged: Daemon, metadata: Map, path: str) -> None:
    job = {**quick(unchanged.out / "a.mp4"), "metadata": metadata}
    reply = answer(unchanged, pack({"v": 1, "id": "mine", "type": "submit", "job": job}))
    assert (reply["re"], reply["error"]["code"], reply["error"]["details"]["path"]) == ("mine", "invalid", path)


def test_text_that_is_no_utf_8_is_named_and_the_id_is_told(unchanged: Daemon) -> None:
    job = {**quick(unchanged.out / "a.mp4"), "name": "NAME"}
    body = pack({"v": 1, "id": "mine", "type": "submit", "job": job}).replace(b"NAME", b"\xff\xfe\xff\xfe")
    reply = answer(unchanged, body)
    assert (reply["re"], reply["error"]["code"], reply["error"]["details"]["path"]) == ("mine", "invalid", "job.name")


@pytest.mark.parametrize("version", [0, 2, -1, 10**12])
def test_another_version_is_unsupported(unchanged: Daemon, version: int) -> None:
    reply = answer(unchanged, pack({"v": version, "id": "x", "type": "status"}))
    assert (reply["re"], reply["error"]["code"]) == ("x", "unsupported")


@pytest.mark.parametrize("kind", ["", "Status", "jobs", "x" * 10_000])
def test_an_unknown_type_is_unsupported(unchanged: Daemon, kind: str) -> None:
    reply = answer(unchanged, pack({"v": 1, "id": "x", "type": kind}))
    assert (reply["re"], reply["error"]["code"]) == ("x", "unsupported")


def test_the_id_is_told_where_it_could_be_read_and_is_nil_elsewhere(unchanged: Daemon) -> None:
    assert answer(unchanged, pack({"v": 1, "id": "mine", "type": "get"}))["re"] == "mine"
    assert answer(unchanged, pack({"v": 1, "id": ["mine"], "type": "get", "job_id": "j"}))["re"] is None
    assert answer(unchanged, b"\xc1")["re"] is None


@pytest.mark.parametrize("size", [MEBIBYTE + 1, 2 * MEBIBYTE, 8 * MEBIBYTE])
def test_a_body_over_one_mebibyte_is_too_large(unchanged: Daemon, size: int) -> None:
    assert answer(unchanged, bytes(size))["error"]["code"] == "too_large"


def test_a_body_of_exactly_one_mebibyte_is_read(unchanged: Daemon) -> None:
    body = {"v": 1, "id": "x", "type": "get", "job_id": ""}
    body["job_id"] = "j" * (MEBIBYTE - len(pack(body)) - 4)
    packed = pack(body)
    assert len(packed) == MEBIBYTE
    assert answer(unchanged, packed)["error"]["code"] == "invalid"


@pytest.mark.parametrize("depth", [9, 100, 900])
def test_deep_nesting_is_invalid(unchanged: Daemon, depth: int) -> None:
    body = {"v": 1, "id": "x", "type": "submit", "job": nested(depth)}
    assert answer(unchanged, pack(body))["error"]["code"] == "invalid"


@pytest.mark.parametrize(
    "frames",
    [(b"a", b"b"), (b"a", b"", b"b"), (b"",) * 20, (b"x" * 1000,) * 50],
    ids=lambda frames: f"{len(frames)}",
)
def test_frames_that_are_no_command_get_one_reply(unchanged: Daemon, frames: tuple[bytes, ...]) -> None:
    assert answer(unchanged, *frames)["error"]["code"] == "invalid"


def test_boost_says_in_exactly_one_way_where_to(unchanged: Daemon) -> None:
    ways: list[Map] = [
        {}, {"front": False}, {"priority": 1, "by": 1}, {"priority": 1, "front": True},
        {"by": 1, "front": True},
    ]  # fmt: skip
    for way in ways:
        assert unchanged.refusal("boost", job_id="a" * 16, **way)["code"] == "invalid", way


def test_random_bytes_are_refused_and_hurt_nothing(unchanged: Daemon) -> None:
    chance = random.Random(20)
    valid = pack({"v": 1, "id": "x", "type": "submit", "job": quick(unchanged.out / "a.mp4")})
    for _ in range(150):
        body = bytearray(valid)
        for _ in range(chance.randrange(1, 20)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        unchanged.wire.send_frames(bytes(body[: chance.randrange(1, len(body))]))
        assert unchanged.wire.receive()["ok"] is False
    for _ in range(50):
        unchanged.wire.send_frames(chance.randbytes(chance.randrange(1, 200)))
        assert unchanged.wire.receive()["ok"] is False
