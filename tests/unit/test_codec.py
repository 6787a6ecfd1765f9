"""The gate that every byte from outside passes: each body is a command or earns a refusal that names what is wrong."""

from typing import Any

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus import codec, limits
from bus import messages as m
from bus.errors import CommandRefused, Invalid, TooLarge, Unsupported

Map = dict[str, Any]

OUTPUT = {"path": "/out.mp4"}
JOB = {"inputs": [{"path": "/in.mp4"}], "outputs": [OUTPUT]}

FULL_SPEC = m.JobSpec(
    inputs=(m.Input("/in.mp4", ("-ss", "1")),),
    outputs=(m.Output("/out.mp4", ("-c", "copy"), "small", (m.Input("https://host/x"),)), m.Output("/2.mp4")),
    name="name",
    session="session",
    priority=-1000,
    max_attempts=20,
    timeout=0.5,
    stall_timeout=30.0,
    overwrite=True,
    ttl=0.0,
    metadata={"ключ": "значение\n"},
)

EVERY_COMMAND: list[m.Command] = [
    m.Submit(id="a", wait=1.5, job=FULL_SPEC),
    m.Cancel(id="b", wait=0.0, job_id="j", reason="r" * 100, notes="n" * 500),
    m.Delete(id="c", wait=3600.0, job_id="j", force=True, keep_files=True),
    m.Boost(id="d", job_id="j", priority=1000),
    m.Boost(id="e", job_id="j", by=-1),
    m.Boost(id="f", job_id="j", front=True),
    m.Retry(id="g", job_id="j"),
    m.Drain(id="h"),
    m.Resume(id="i"),
    m.Shutdown(id="j", mode="drain"),
    m.LogLevel(id="l", level="warning"),
    m.Formats(id="f"),
    m.Why(id="w", job_id="j"),
    m.Session(id="n", session="dailies"),
    m.SetSlots(id="s", slots={"cpu": 4, "nvenc": 0}),
    m.Pause(id="p", job_id="j", release=True),
    m.Unpause(id="u", job_id="j"),
    m.Backup(id="b", path="/srv/copy.sqlite3"),
    m.Get(id="k", wait=1.0, job_id="j"),
    m.List(id="l", status=("queued", "failed"), session="s", limit=1000, cursor="1", order="queue"),
    m.Events(id="m", since=2**63 - 1, job_id="j", limit=1),
    m.Log(id="n", job_id="j", output=0, attempt=1, tail=1),
    m.Audit(id="o", since=3),
    m.Status(id="p" * limits.MAX_ID_CHARS),
]

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.binary(), inner),
    max_leaves=20,
)
"""Anything that msgpack can carry."""

field_names = st.sampled_from(sorted({name for kind in m.COMMANDS.values() for name in kind.__struct_fields__}))
almost_commands = st.builds(
    lambda body, kind, command_id: {**body, "v": 1, "type": kind, "id": command_id},
    st.dictionaries(field_names, plain, max_size=4),
    st.sampled_from(sorted(m.COMMANDS)),
    plain,
)
"""Bodies that get past the first checks, with nonsense in known places."""


def refused(body: bytes) -> CommandRefused:
    found = codec.decode_command(body)[1]
    assert isinstance(found, CommandRefused), f"this was taken: {found}"
    return found


def packed(**fields: Any) -> bytes:
    body: bytes = msgpack.packb({"v": 1, "id": "me"} | fields)
    return body


def submitted(**changes: Any) -> bytes:
    return packed(type="submit", job={**JOB, **changes})


def nested(depth: int) -> Any:
    """Arrays within each other; one within the body and the job's map is at the third level."""
    value: Any = []
    for _ in range(depth - 1):
        value = [value]
    return value


# ---------------------------------------------------------------- whatever comes


@given(st.binary() | plain.map(msgpack.packb) | almost_commands.map(msgpack.packb))
def test_any_bytes_are_a_command_or_a_refusal(body: bytes) -> None:
    command_id, found = codec.decode_command(body)
    assert isinstance(found, (m.Command, CommandRefused))
    assert command_id is None or 0 < len(command_id) <= limits.MAX_ID_CHARS
    if isinstance(found, CommandRefused):
        assert found.code in ("invalid", "too_large", "unsupported")
        assert found.message
        codec.encode([found.message, found.details])  # it can be sent
    if isinstance(found, Invalid):
        assert found.details["path"]
    if isinstance(found, m.Command):
        assert command_id == found.id


usual_commands = st.builds(
    lambda body, kind, command_id: msgpack.packb({"v": 1, "type": kind, "id": command_id, **body}),
    st.dictionaries(field_names, plain | st.sampled_from([JOB, "j", 5, True]), max_size=2),
    st.sampled_from(sorted(m.COMMANDS)),
    st.text(max_size=3) | plain,
)


@given(usual_commands | st.sampled_from(EVERY_COMMAND).map(codec.encode), st.integers(0, 400), st.binary(max_size=2))
def test_a_body_that_begins_as_most_do_is_what_any_body_is(body: bytes, at: int, other: bytes) -> None:
    """Whole, and with a few bytes of it changed."""
    for one in (body, body[:at] + other + body[at + len(other) :]):
        (command_id, found), (expected_id, expected) = codec.decode_command(one), codec.decode_any(one)
        assert command_id == expected_id
        if isinstance(expected, m.Command):
            assert found == expected
        else:
            assert isinstance(found, type(expected))
            assert vars(found) == vars(expected)


@pytest.mark.parametrize("first", [{"v": 2}, {"v": True}, {"v": 1.0}, {"v": "1"}, {}, {"id": "\xe1v\x01"}])
def test_no_command_is_taken_without_its_version(first: Map) -> None:
    refused(msgpack.packb(first | {"type": "status", "id": "a"}))
    refused(msgpack.packb({"type": "status"} | first | {"id": first.get("id", "a")}))


@given(st.binary())
def test_bytes_that_are_no_message_raise_undecodable_and_nothing_else(body: bytes) -> None:
    with pytest.raises(codec.Undecodable):
        codec.decode_reply(body)
    with pytest.raises(codec.Undecodable):
        codec.decode_event(body)


# ---------------------------------------------------------------- what is right


@pytest.mark.parametrize("command", EVERY_COMMAND, ids=lambda command: str(command.__struct_config__.tag))
def test_a_command_comes_out_as_it_went_in(command: m.Command) -> None:
    assert codec.decode_command(codec.encode(command)) == (command.id, command)


def test_the_commands_above_are_all_there_are() -> None:
    assert {type(command) for command in EVERY_COMMAND} == set(m.COMMANDS.values())


def test_a_memoryview_is_as_good_as_bytes() -> None:
    body = codec.encode(EVERY_COMMAND[0])
    assert codec.decode_command(memoryview(body)) == codec.decode_command(body)


def test_a_reply_carries_a_result_or_an_error_and_not_both() -> None:
    done = m.Reply(v=1, re="a", ok=True, result={"x": 1})
    refusal = m.Reply(v=1, re=None, ok=False, error=m.ReplyError("busy", "later"))
    assert [codec.decode_reply(codec.encode(reply)) for reply in (done, refusal)] == [done, refusal]
    assert "error" not in codec.decode_plain(codec.encode(done))
    assert "result" not in codec.decode_plain(codec.encode(refusal))


def test_a_client_reads_a_reply_that_a_newer_daemon_has_added_to() -> None:
    body = codec.encode({"v": 1, "re": "a", "ok": True, "result": {}, "added": 1})
    assert codec.decode_reply(body).ok


# ---------------------------------------------------------------- what is wrong


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "$"),
        (b"{}", "$"),
        (msgpack.packb([]), "$"),
        (msgpack.packb(None), "$"),
        (msgpack.packb({1: 2}), "1"),
        (msgpack.packb({"v": 1}) + b"\x00", "$"),
        (b"\x91" * 100_000, "$"),
        (msgpack.packb({"id": "a", "type": "status"}), "v"),
        (msgpack.packb({"v": "1", "id": "a", "type": "status"}), "v"),
        (msgpack.packb({"v": True, "id": "a", "type": "status"}), "v"),
        (msgpack.packb({"v": 1, "id": "a"}), "type"),
        (msgpack.packb({"v": 1, "id": "a", "type": 7}), "type"),
        (msgpack.packb({"v": 1, "type": "status"}), "id"),
        (msgpack.packb({"v": 1, "type": "status", "id": ""}), "id"),
        (msgpack.packb({"v": 1, "type": "status", "id": "x" * 65}), "id"),
        (msgpack.packb({"v": 1, "type": "status", "id": 7}), "id"),
        (packed(type="status", wait=-1), "wait"),
        (packed(type="status", wait=3600.5), "wait"),
        (packed(type="status", wait=float("nan")), "wait"),
        (packed(type="status", bogus=1), "bogus"),
        (packed(type="get"), "job_id"),
        (packed(type="get", job_id=None), "job_id"),
        (packed(type="get", job_id=b"bytes"), "job_id"),
        (packed(type="cancel", job_id="j", reason="r" * 101), "reason"),
        (packed(type="cancel", job_id="j", notes="n" * 501), "notes"),
        (packed(type="delete", job_id="j", force=1), "force"),
        (packed(type="shutdown", mode="now"), "mode"),
        (packed(type="list", limit=1001), "limit"),
        (packed(type="list", limit=0), "limit"),
        (packed(type="list", order="best"), "order"),
        (packed(type="list", status=["queued", "gone"]), "status[1]"),
        (packed(type="events", since=-1), "since"),
        (packed(type="events", since=2**63), "since"),
        (packed(type="log", job_id="j", tail=0), "tail"),
        (packed(type="submit"), "job"),
        (packed(type="submit", job=[]), "job"),
        (submitted(outputs=[]), "job.outputs"),
        (submitted(outputs=[{}]), "job.outputs[0].path"),
        (submitted(outputs=[OUTPUT, {"path": ""}]), "job.outputs[1].path"),
        (submitted(outputs=[{**OUTPUT, "args": ["-c", 1]}]), "job.outputs[0].args[1]"),
        (submitted(outputs=[{**OUTPUT, "args": "-c copy"}]), "job.outputs[0].args"),
        (submitted(outputs=[{**OUTPUT, "inputs": []}]), "job.outputs[0].inputs"),
        (submitted(inputs=[{"path": "/a", "speed": 2}]), "job.inputs[0].speed"),
        (submitted(priority=1001), "job.priority"),
        (submitted(priority=True), "job.priority"),
        (submitted(priority=0.5), "job.priority"),
        (submitted(max_attempts=0), "job.max_attempts"),
        (submitted(max_attempts=21), "job.max_attempts"),
        (submitted(timeout=0), "job.timeout"),
        (submitted(stall_timeout=-1), "job.stall_timeout"),
        (submitted(ttl=-1), "job.ttl"),
        (submitted(overwrite="yes"), "job.overwrite"),
        (submitted(prority=5), "job.prority"),
        (submitted(outputs=[OUTPUT] * 257), "job.outputs"),
        (submitted(metadata={"k": "v" * 1025}), "job.metadata.k"),
        (submitted(resources={"cpu": 1, "nvenc": 0}), "job.resources.nvenc"),
        (submitted(resources={"cpu": 1, "nvenc": "two"}), "job.resources.nvenc"),
        (submitted(resources={"cpu": 1, "CPU": 1}), "job.resources.CPU"),
        (submitted(resources={"cpu\n": 1}), "job.resources.cpu\n"),
        (submitted(resources={f"r{number}": 0 for number in range(17)}), "job.resources"),
        (submitted(resources=["cpu"]), "job.resources"),
        (packed(v=1, id="x", type="slots", slots={"cpu": 1, "nvenc": -1}), "slots.nvenc"),
        (packed(v=1, id="x", type="slots", slots={"": 1}), "slots."),
        (packed(v=1, id="x", type="slots", slots={}), "slots"),
    ],
    ids=lambda value: value if isinstance(value, str) else "body",
)  # fmt: skip
def test_what_is_wrong_is_named(body: bytes, path: str) -> None:
    refusal = refused(body)
    assert (refusal.code, refusal.details["path"]) == ("invalid", path)
    assert path == "$" or path in refusal.message


NAME = "of small letters, digits, _ and -, such as nvenc"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (packed(type="list", status=["done"]), "`status[0]` must be one of cancelled, completed, failed, processing, "),
        (packed(type="list", order="up"), "`order` must be one of newest, oldest, queue, not 'up'"),
        (packed(type="shutdown", mode="now"), "`mode` must be one of drain, leave, stop, not 'now'"),
        (packed(type="log_level", level="loud"), "`level` must be one of debug, error, info, warning, not 'loud'"),
        (submitted(outputs=[{**OUTPUT, "verify": "no"}]), "`job.outputs[0].verify` must be one of full, none"),
        (submitted(resources={"GPU": 1}), f"`job.resources.GPU`: a name must be {NAME}"),
        (packed(type="slots", slots={"GPU": 1}), f"`slots.GPU`: a name must be {NAME}"),
    ],
    ids=["status", "order", "mode", "level", "verify", "resources", "slots"],
)
def test_a_word_that_is_none_of_a_few_is_told_which_they_are(body: bytes, said: str) -> None:
    assert refused(body).message.startswith(said)


@pytest.mark.parametrize("word", ["x" * 10**5, "' - at `$.name", "` - at `$.job.name`"])
def test_such_a_word_neither_fills_the_refusal_nor_names_another_field(word: str) -> None:
    refusal = refused(submitted(outputs=[{**OUTPUT, "verify": word}]))
    assert refusal.details["path"] == "job.outputs[0].verify"
    assert refusal.message.startswith("`job.outputs[0].verify` must be one of full, none, not ")
    assert len(refusal.message) < 200


@pytest.mark.parametrize(("field", "value"), [("v", 2), ("v", 0), ("type", "explode"), ("type", "")])
def test_what_this_version_does_not_speak_is_unsupported(field: str, value: object) -> None:
    refusal = refused(packed(**{"type": "status", field: value}))
    assert isinstance(refusal, Unsupported)
    assert refusal.details["path"] == field


@pytest.mark.parametrize(
    ("given_ways", "path"),
    [
        ({}, "priority"),
        ({"priority": 1, "by": 1}, "by"),
        ({"by": 1, "front": True}, "front"),
        ({"priority": 1, "front": True}, "front"),
        ({"front": False}, "priority"),
    ],
)
def test_a_boost_says_in_exactly_one_way_where(given_ways: Map, path: str) -> None:
    refusal = refused(packed(type="boost", job_id="j", **given_ways))
    assert (refusal.code, refusal.details["path"]) == ("invalid", path)


@pytest.mark.parametrize(
    "body",
    [
        packed(type="explode"),
        packed(type="get", job_id=3),
        packed(v=9, type="get"),
        packed(),
    ],
)
def test_the_refusal_of_a_command_with_an_id_goes_to_that_id(body: bytes) -> None:
    assert codec.decode_command(body)[0] == "me"


@pytest.mark.parametrize("command_id", ["", "x" * 65, 7, None, b"me", ["me"]])
def test_an_id_that_is_none_is_not_repeated(command_id: object) -> None:
    assert codec.decode_command(packed(id=command_id, type="status"))[0] is None


def test_a_stranger_does_not_fill_the_reply_with_his_own_words() -> None:
    for body in (packed(type="t" * 500_000), packed(type="status", **{"f" * 500_000: 1})):
        refusal = refused(body)
        assert len(codec.encode([refusal.message, refusal.details])) < 10_000


# ---------------------------------------------------------------- sizes


def test_a_body_of_a_megabyte_is_taken_and_one_byte_more_is_not() -> None:
    room = limits.MAX_BODY_BYTES - len(packed(type="t", filler="x" * 100_000)) + 100_000
    fits, over = packed(type="t", filler="x" * room), packed(type="t", filler="x" * (room + 1))
    assert (len(fits), len(over)) == (limits.MAX_BODY_BYTES, limits.MAX_BODY_BYTES + 1)
    assert isinstance(refused(fits), Unsupported)
    refusal = refused(over)
    assert isinstance(refusal, TooLarge)
    assert refusal.details == {"limit": limits.MAX_BODY_BYTES, "size": limits.MAX_BODY_BYTES + 1}


def test_maps_and_arrays_are_nested_to_a_depth_and_no_deeper() -> None:
    deepest = refused(packed(type="status", deep=nested(limits.MAX_NESTING - 1)))
    deeper = refused(packed(type="status", deep=nested(limits.MAX_NESTING)))
    assert "nested" not in deepest.message
    assert "nested" in deeper.message


@pytest.mark.parametrize("inner", [[], {}], ids=str)
def test_a_body_holds_so_many_maps_and_arrays_and_no_more(inner: object) -> None:
    among = limits.MAX_CONTAINERS - 2  # beside the body and the array that holds them
    assert isinstance(refused(packed(type="t", many=[inner] * among)), Unsupported)
    refusal = refused(packed(type="t", many=[inner] * (among + 1)))
    assert isinstance(refusal, TooLarge)
    assert refusal.details == {"limit": limits.MAX_CONTAINERS, "path": "$"}


def test_the_job_with_most_maps_and_arrays_fits() -> None:
    inputs = [{"path": "/a", "args": []}] * limits.MAX_INPUTS
    outputs = [{"path": "/b", "args": [], "inputs": inputs}] * limits.MAX_OUTPUTS
    body = packed(type="submit", job={"inputs": inputs, "outputs": outputs})
    assert not isinstance(codec.decode_any(body)[1], CommandRefused)


def test_a_large_body_with_a_string_that_is_no_text_is_refused_as_a_whole() -> None:
    body = packed(type="t", filler="x" * codec.BLAMED_BYTES, bad="Z").replace(b"Z", b"\xff")
    assert refused(body).details["path"] == "$"
    assert refused(packed(type="t", bad="Z").replace(b"Z", b"\xff")).details["path"] == "bad"


def test_the_deepest_command_there_is_fits() -> None:
    inputs = [{"path": "/a", "args": ["-f", "lavfi"]}]
    command = codec.decode_command(submitted(outputs=[{**OUTPUT, "inputs": inputs}]))[1]
    assert isinstance(command, m.Submit)


def test_what_is_as_large_as_allowed_is_taken() -> None:
    spec = m.JobSpec(
        inputs=(m.Input("/" + "p" * (limits.MAX_PATH_CHARS - 1)),),
        outputs=(m.Output("/out", ("x" * limits.MAX_ARG_CHARS, *["-a"] * (limits.MAX_ARGS - 1))),) * 2,
        name="n" * limits.MAX_NAME_CHARS,
        ttl=float(limits.MAX_SECONDS),
        metadata={str(number): "v" for number in range(limits.MAX_METADATA_ENTRIES)},
    )
    assert codec.decode_command(codec.encode(m.Submit(id="a", job=spec)))[1] == m.Submit(id="a", job=spec)


def test_a_struct_is_told_from_another_of_the_wire() -> None:
    with pytest.raises(codec.Undecodable):
        codec.decode(codec.encode({"re": "a"}), m.Event)
    assert codec.decode_plain(codec.encode(msgspec.to_builtins(OUTPUT))) == OUTPUT
