"""The wire's messages against PROTOCOL.md: names, fields and codes, and that the parts of the program agree on them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from actors.ffmpeg import failure
from actors.jobs import states
from actors.jobs.desk import HANDLERS
from bus import auth, errors
from bus import messages as m

PROTOCOL = (Path(__file__).parents[2] / "bus/PROTOCOL.md").read_text()

COMMON = {"v", "id", "wait"}
"""What every command has, as section 2 says before the types."""

WHERE_DRY = {"dry_run", "files"}
"""What results have of `dry_run`, as its paragraph in section 2.2 says."""

RESULTS: dict[str, type[msgspec.Struct]] = {
    "submit": m.JobResult, "cancel": m.CancelResult, "delete": m.DeleteResult, "boost": m.BoostResult,
    "retry": m.JobResult, "get": m.JobResult, "why": m.WhyResult, "session": m.SessionResult,
    "formats": m.FormatsResult, "list": m.ListResult, "events": m.EventsResult, "log": m.LogResult,
    "audit": m.AuditResult, "status": m.StatusResult, "drain": m.DrainResult, "resume": m.DrainResult,
    "shutdown": m.ShutdownResult, "pause": m.PauseResult, "unpause": m.PauseResult, "slots": m.SlotsResult,
    "log_level": m.LogLevelResult, "backup": m.BackupResult,
}  # fmt: skip


def section(number: str) -> str:
    """The text of a section, such as 2.1, up to the next heading."""
    found = re.search(rf"^#+ {re.escape(number)}\.? .*?(?=^#|\Z)", PROTOCOL, re.MULTILINE | re.DOTALL)
    assert found is not None, number
    return found[0]


def rows(number: str) -> Iterator[list[str]]:
    """The rows of a section's table, cell by cell, without its head."""
    for line in section(number).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `"):
            yield cells


def paragraph(number: str, begins: str) -> str:
    """The paragraph of a section that begins so."""
    [found] = [part for part in section(number).split("\n\n") if part.startswith(begins)]
    return found


def words(text: str) -> set[str]:
    """All that is spelled out."""
    return set(re.findall(r"`([a-z_]+)(?:: true)?`", text))


def names(text: str) -> set[str]:
    """The fields that are named: not what stands in brackets, which are their values and the fields of these."""
    while (shorter := re.sub(r"\([^()]*\)|\[[^][]*\]|\{[^{}]*\}", "", text)) != text:
        text = shorter
    return words(text)


def fields(struct: type[msgspec.Struct]) -> set[str]:
    return set(struct.__struct_fields__)


TYPES = {kind: cells for cells in rows("2.1") for kind in words(cells[0])}
SPEC = {name: cells for cells in rows("2.3") for name in words(cells[0])}


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
    assert set(m.COMMANDS) == set(TYPES) == set(RESULTS)


@pytest.mark.parametrize("name", RESULTS)
def test_a_command_and_its_result_have_the_fields_of_the_protocol(name: str) -> None:
    """Of a field that is new, section 2.1 has to tell."""
    assert fields(m.COMMANDS[name]) - COMMON == names(TYPES[name][1])
    assert fields(RESULTS[name]) - WHERE_DRY == names(TYPES[name][2])


def test_a_job_spec_has_the_fields_of_the_protocol() -> None:
    """Of a field that is new, section 2.3 has to tell."""
    assert fields(m.JobSpec) == set(SPEC)
    assert fields(m.Input) == words(SPEC["inputs"][1].partition("}")[0])
    assert fields(m.Output) == words(SPEC["outputs"][1].partition("}")[0])


def test_a_view_has_the_fields_of_the_protocol() -> None:
    """Of a field that is new, section 2.4 has to tell."""
    assert fields(m.JobView) == names(paragraph("2.4", "`id`, "))
    assert fields(m.OutputView) == names(paragraph("2.4", "An output: "))


@pytest.mark.parametrize(
    ("struct", "where"),
    [
        (m.Event, section("3")), (m.Reply, section("2")), (m.ReplyError, section("2")),
        (m.FailedRemoval, TYPES["delete"][2]), (m.ReasonView, TYPES["why"][2]), (m.FormatView, TYPES["formats"][2]),
        (m.ResourceView, TYPES["status"][2]), (m.EstimateView, section("2.2")), (m.AuditEntry, section("2.2")),
        (m.CancelView, section("2.4")), (m.ErrorView, section("2.4")), (m.WaitingView, section("2.4")),
        (m.PauseView, section("2.4")),
    ],
)  # fmt: skip
def test_the_protocol_tells_of_every_field_within_a_field(struct: type[msgspec.Struct], where: str) -> None:
    assert fields(struct) - words(where) == set()


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
    codes = {code for cells in rows("2") for code in words(cells[0])}
    assert set(get_args(m.ErrorCode)) == codes
    assert {code: kind.code for code, kind in errors.REFUSALS.items()} == {code: code for code in codes}


def test_a_job_fails_with_the_codes_of_the_protocol() -> None:
    sentence = paragraph("2.4", "Times are ").partition("Error codes of failed jobs: ")[2]
    assert set(failure.BY_CODE) == words(sentence)


def test_a_command_either_changes_or_reads_or_copies() -> None:
    """What changes something is the Queue's, whose desk has a handler for it; a submit goes another way there."""
    changing = {"submit"} | {str(kind.__struct_config__.tag) for kind in HANDLERS}
    assert set(m.COMMANDS) == changing | auth.READS | {"backup"}
    assert not changing & auth.READS


def test_a_topic_names_the_job_before_the_kind() -> None:
    assert event("job.output_started", "abc").topic == "job.abc.output_started"
    assert event("daemon.started", None).topic == "daemon.started"
