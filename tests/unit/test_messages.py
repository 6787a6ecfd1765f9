"""The wire's messages against PROTOCOL.md: names, fields and codes, and that the parts of the program agree on them."""

from typing import get_args

import msgspec
import pytest

from actors.jobs import states
from actors.jobs.desk import HANDLERS
from bus import auth, errors
from bus import messages as m

COMMON = {"v", "id", "wait"}

COMMANDS: dict[str, set[str]] = {
    "submit": {"job", "dry_run"},
    "cancel": {"job_id", "reason", "notes", "dry_run"},
    "delete": {"job_id", "force", "keep_files", "dry_run"},
    "boost": {"job_id", "priority", "by", "front", "dry_run"},
    "retry": {"job_id", "dry_run"},
    "why": {"job_id"},
    "formats": set(),
    "session": {"session"},
    "get": {"job_id"},
    "list": {"status", "session", "limit", "cursor", "order"},
    "events": {"since", "job_id", "limit"},
    "log": {"job_id", "output", "attempt", "tail"},
    "audit": {"since", "limit"},
    "status": set(),
    "drain": set(),
    "resume": set(),
    "shutdown": {"mode"},
    "pause": {"job_id", "release"},
    "unpause": {"job_id"},
    "slots": {"slots"},
    "log_level": {"level"},
    "backup": {"path"},
}
"""Section 2, "The commands"."""

RESULTS: dict[type[msgspec.Struct], set[str]] = {
    m.JobResult: {"job"},
    m.CancelResult: {"job", "changed"},
    m.DeleteResult: {"job_id", "status", "deleted_at", "removed", "missing", "failed"},
    m.FailedRemoval: {"path", "message"},
    m.BoostResult: {"job", "position"},
    m.ListResult: {"jobs", "cursor"},
    m.EventsResult: {"events", "last_seq", "oldest_seq", "epoch"},
    m.LogResult: {"text", "truncated"},
    m.AuditResult: {"entries", "last_seq"},
    m.StatusResult: {
        "version", "pid", "started_at", "uptime", "slots", "running", "queued", "draining", "last_seq", "epoch",
        "counts",
    },
    m.DrainResult: {"draining"},
    m.ShutdownResult: {"mode"},
    m.LogLevelResult: {"level", "was"},
    m.BackupResult: {"path", "size"},
    m.JobSpec: {
        "inputs", "outputs", "name", "session", "priority", "max_attempts", "timeout", "stall_timeout", "overwrite",
        "ttl", "metadata",
    },
    m.Input: {"path", "args"},
    m.Output: {"path", "args", "name", "inputs"},
    m.Event: {"v", "seq", "at", "type", "job_id", "session", "by", "command_id", "data"},
    m.Reply: {"v", "re", "ok", "result", "error"},
    m.ReplyError: {"code", "message", "details"},
}  # fmt: skip
"""Sections 2 and 3: the fields of everything that goes over the wire."""

CODES = {
    "invalid", "forbidden", "not_found", "conflict", "too_large", "id_reused", "unsupported", "busy", "unavailable",
    "internal",
}  # fmt: skip


def event(kind: str, job_id: str | None) -> m.Event:
    return m.Event(seq=1, at="", type=kind, job_id=job_id, session=None, by=None, command_id=None, data={})


def test_the_statuses_on_the_wire_are_those_of_the_table() -> None:
    assert m.STATUSES == states.STATUSES
    assert get_args(m.JobStatus) == states.STATUSES


def test_every_status_can_be_reached_from_queued() -> None:
    reached = {states.QUEUED}
    for _ in states.STATUSES:
        reached |= {target for (source, _), target in states.TABLE.items() if source in reached}
    assert reached == set(m.STATUSES)


def test_the_commands_are_those_of_the_protocol() -> None:
    assert set(m.COMMANDS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_the_fields_of_the_protocol(name: str) -> None:
    fields = set(m.COMMANDS[name].__struct_fields__)
    assert COMMON | COMMANDS[name] <= fields


@pytest.mark.parametrize("struct", RESULTS, ids=lambda struct: struct.__name__)
def test_what_goes_over_the_wire_has_the_fields_of_the_protocol(struct: type[msgspec.Struct]) -> None:
    assert RESULTS[struct] <= set(struct.__struct_fields__)


def test_a_command_that_names_only_what_it_must_has_the_protocols_defaults() -> None:
    output = m.Output("/out.mp4")
    assert m.Submit(id="a", job=m.JobSpec(outputs=(output,))).job == m.JobSpec(
        inputs=(), outputs=(output,), name=None, session=None, priority=0, max_attempts=1, timeout=None,
        stall_timeout=None, overwrite=False, ttl=86_400, metadata={},
    )  # fmt: skip
    assert m.Cancel(id="a", job_id="b").reason == "user_request"
    assert (m.Delete(id="a", job_id="b").force, m.Delete(id="a", job_id="b").keep_files) == (False, False)
    assert (m.List(id="a").limit, m.List(id="a").order) == (100, "newest")
    assert m.Events(id="a").limit == 1000


def test_an_output_reads_its_own_inputs_else_the_jobs() -> None:
    own, shared = (m.Input("/own"),), (m.Input("/shared"),)
    spec = m.JobSpec(inputs=shared, outputs=(m.Output("/a"), m.Output("/b", inputs=own)))
    assert (spec.inputs_of(0), spec.inputs_of(1)) == (shared, own)


def test_each_code_of_the_protocol_has_one_error() -> None:
    assert set(get_args(m.ErrorCode)) == CODES
    assert {code: kind.code for code, kind in errors.REFUSALS.items()} == {code: code for code in CODES}


def test_a_command_either_changes_or_reads_or_copies() -> None:
    """What changes something is the Queue's, whose desk has a handler for it; a submit goes another way there."""
    changing = {"submit"} | {str(kind.__struct_config__.tag) for kind in HANDLERS}
    assert set(m.COMMANDS) == changing | auth.READS | {"backup"}
    assert not changing & auth.READS


def test_a_topic_names_the_job_before_the_kind() -> None:
    assert event("job.output_started", "abc").topic == "job.abc.output_started"
    assert event("daemon.started", None).topic == "daemon.started"
