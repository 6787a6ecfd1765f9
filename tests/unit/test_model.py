"""A job as the daemon keeps it and as the bus shows it."""

from datetime import UTC, datetime
from itertools import islice
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.jobs.model import (
    ID_ALPHABET,
    ID_CHARS,
    CancelWish,
    FileIdentity,
    Job,
    Live,
    Output,
    job_ids,
    timestamp,
    view,
)
from bus import messages as m
from tests.support import contract

SPEC = m.JobSpec(
    inputs=(m.Input("/in.mp4"),),
    outputs=(m.Output("/a.mp4", name="small"), m.Output("/b.mp4")),
    metadata={"k": "v"},
    max_attempts=3,
)


def job(**changes: Any) -> Job:
    outputs = [Output(index=index, path=o.path, target=o.path, name=o.name) for index, o in enumerate(SPEC.outputs)]
    known: dict[str, Any] = {
        "number": 1, "id": next(job_ids()), "priority": 0, "rank": 1, "name": "n", "session": None,
        "spec_json": msgspec.json.encode(SPEC), "submitted_by": "ada", "created_at": timestamp(), "outputs": outputs,
    }  # fmt: skip
    return Job(**{**known, **changes})


def processing(*outputs: dict[str, Any]) -> Job:
    """A running job whose outputs have these values."""
    found = job(status="processing", phase="rendering", runs=2)
    for output, values in zip(found.outputs, outputs, strict=True):
        for name, value in values.items():
            setattr(output, name, value)
    return found


def live(**values: Any) -> Live:
    return Live(**{"job_id": "x", "run": 2, "index": 0, "phase": "rendering", **values})


def shown(found: Job, news: Live | None = None) -> dict[str, Any]:
    plain: dict[str, Any] = msgspec.to_builtins(view(found, news))
    return plain


# ---------------------------------------------------------------- the view


def test_a_view_has_the_fields_of_the_protocol_in_their_shapes() -> None:
    wish = CancelWish(by="ada", command_id="c", reason="r", notes=None, at=timestamp())
    failed = m.ErrorView("bad_args", "no", retryable=False)
    for found in (job(), job(cancel=wish), job(error=failed), processing({"status": "rendering"}, {})):
        contract.check(shown(found), contract.JOB)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        (m.JobView, contract.JOB),
        (m.OutputView, contract.OUTPUT),
        (m.CancelView, contract.CANCEL),
        (m.ErrorView, contract.ERROR),
    ],
)
def test_a_view_shows_what_the_protocol_names_and_nothing_of_the_daemons_own(
    kind: type[msgspec.Struct], shape: dict[str, contract.Check]
) -> None:
    assert set(kind.__struct_fields__) == set(shape)


def test_a_view_does_not_tell_which_file_an_output_made_nor_what_the_spec_said() -> None:
    made = FileIdentity(device=1, inode=987654321, size=1, mtime_ns=1)
    text = str(shown(processing({"file": made, "status": "completed"}, {})))
    assert "987654321" not in text
    assert "spec" not in text


def test_a_new_job_has_no_progress_and_one_whose_length_is_unknown_has_none_to_show() -> None:
    assert view(job()).progress == 0.0
    assert view(processing({"progress": None}, {})).progress is None


def test_progress_is_that_of_all_outputs_together() -> None:
    found = processing({"status": "completed", "progress": 1.0}, {"status": "rendering"})
    assert view(found, live(index=1, progress=0.5)).progress == 0.75
    assert (view(found).completed_outputs, view(found).total_outputs) == (1, 2)


def test_what_is_live_is_shown_where_it_is_about_this_run() -> None:
    found = processing({"status": "rendering", "progress": 0.1}, {})
    news = live(progress=0.4, speed=2.0, eta=3.0, phase="finishing")
    output = view(found, news).outputs[0]
    assert (output.progress, output.speed, output.eta) == (0.4, 2.0, 3.0)
    assert view(found, news).phase == "finishing"


@pytest.mark.parametrize(
    "changes", [{"runs": 3}, {"status": "queued", "phase": None}, {"status": "cancelled", "phase": None}]
)
def test_what_was_live_in_an_earlier_run_is_not_shown(changes: dict[str, Any]) -> None:
    found = processing({"status": "rendering", "progress": 0.1}, {})
    for name, value in changes.items():
        setattr(found, name, value)
    assert shown(found, live(progress=0.4, eta=9.0)) == shown(found)


def test_a_job_that_is_stopping_is_shown_so_whatever_its_render_last_said() -> None:
    found = processing({"status": "rendering"}, {})
    found.phase = "stopping"
    assert view(found, live(phase="rendering")).phase == "stopping"


def test_a_completed_output_keeps_what_it_was_measured_as() -> None:
    found = processing({"status": "completed", "progress": 1.0, "speed": 8.0}, {"status": "rendering"})
    assert view(found, live(index=0, progress=0.2, speed=1.0)).outputs[0].speed == 8.0


def test_what_is_pending_are_the_outputs_that_are_not_complete() -> None:
    assert processing({"status": "completed"}, {"status": "failed"}).pending == [1]
    assert job().pending == [0, 1]


# ---------------------------------------------------------------- ids and times


def test_an_id_has_signs_that_nobody_mixes_up() -> None:
    assert len(set(ID_ALPHABET)) == 32
    assert not set(ID_ALPHABET) & set("01lo")
    for found in islice(job_ids(), 1000):
        assert len(found) == ID_CHARS
        assert set(found) <= set(ID_ALPHABET)


def test_no_two_ids_are_the_same() -> None:
    assert len(set(islice(job_ids(), 10_000))) == 10_000


@given(st.floats(-1e8, 1e8), st.floats(1, 1e8))
def test_times_sort_as_text(first: float, later: float) -> None:
    assert timestamp(first) < timestamp(first + later)


def test_a_time_is_rfc_3339_in_utc() -> None:
    text = timestamp()
    assert text.endswith("Z")
    found = datetime.fromisoformat(text)
    assert found.tzinfo == UTC
    assert abs((datetime.now(UTC) - found).total_seconds()) < 60
