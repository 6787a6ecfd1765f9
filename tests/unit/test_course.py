"""Which runs of a job `log --follow` prints, and when nothing more can come, by the job's events alone."""

import pytest

from bus.messages import Event
from cli.course import Course, Run

ONE_OF_TWO_FAILS = (
    "submitted", "started", "begin 1 0", "done 0", "begin 1 1", "requeued", "started", "begin 2 1", "failed",
)  # fmt: skip
"""Two outputs and two attempts, of which the second output needs both, in vain."""

AGAIN = ("requeued", "started", "begin 3 1", "done 1", "completed")
"""What a retry adds."""


def event(word: str) -> Event:
    kind, *numbers = word.split()
    data: dict[str, object] = {}
    match kind:
        case "begin":
            kind, data = "output_started", {"run": int(numbers[0]), "index": int(numbers[1]), "path": f"/{numbers[1]}"}
        case "done":
            kind, data = "output_completed", {"index": int(numbers[0])}
    return Event(seq=1, at="", type=f"job.{kind}", job_id="one", session=None, by=None, command_id=None, data=data)


def through(*words: str, output: int | None = None, attempt: int | None = None) -> tuple[list[Run], int | None]:
    """The runs that were the latest, in order, and after how many events it was over."""
    course, runs = Course(output, attempt), []
    for number, word in enumerate(words, start=1):
        course.take(event(word))
        if course.latest is not None and course.latest not in runs:
            runs.append(course.latest)
        if course.over:
            return runs, number
    return runs, None


def run(attempt: int, output: int) -> Run:
    return Run(attempt, output, f"/{output}")


@pytest.mark.parametrize(
    ("output", "attempt", "runs", "over"),
    [
        (None, None, [run(1, 0), run(1, 1), run(2, 1)], 9),
        (0, None, [run(1, 0)], 4),
        (1, None, [run(1, 1), run(2, 1)], 9),
        (None, 1, [run(1, 0), run(1, 1)], 6),
        (None, 2, [run(2, 1)], 9),
        (0, 1, [run(1, 0)], 4),
        (1, 1, [run(1, 1)], 6),
        (0, 2, [], 4),
        (1, 7, [], 9),
    ],
)
def test_it_is_over_when_nothing_that_is_chosen_can_come(
    output: int | None, attempt: int | None, runs: list[Run], over: int
) -> None:
    assert through(*ONE_OF_TWO_FAILS, output=output, attempt=attempt) == (runs, over)


def test_an_attempt_whose_run_never_began_is_over_with_the_next() -> None:
    assert through("submitted", "started", "requeued", "started", "begin 2 0", attempt=1) == ([], 5)


def test_a_retry_begins_it_anew() -> None:
    course, over = Course(), []
    for word in (*ONE_OF_TWO_FAILS, *AGAIN):
        course.take(event(word))
        over.append(course.over)
    assert over == [False] * 8 + [True] + [False] * 4 + [True]
    assert course.latest == run(3, 1)


def test_ffmpeg_runs_between_the_start_of_an_output_and_what_ends_it() -> None:
    course = Course()
    running = []
    for word in (*ONE_OF_TWO_FAILS, *AGAIN):
        course.take(event(word))
        running.append(course.running)
    begun = [word.startswith("begin") for word in (*ONE_OF_TWO_FAILS, *AGAIN)]
    assert running == begun


@pytest.mark.parametrize("kind", ["completed", "failed", "cancelled", "deleted", "expired"])
def test_each_way_to_end_is_one(kind: str) -> None:
    assert through("submitted", kind) == ([], 2)
