"""`rushes log --follow`: what FFmpeg says while it says it, from one run of a job to the next."""

import time

import click

from bus.client import Client
from bus.errors import Busy, NoDaemon, NotFound, Unavailable
from bus.messages import Event, JobView
from bus.request import ENDED
from bus.stream import EventStream
from cli import text
from cli.course import ENDS, Course, Run
from cli.event_text import details
from cli.history import between
from cli.output import check_reader, is_terminal, note, say_raw
from cli.presence import LOOK_SECONDS, Presence

READ_SECONDS = 0.5
"""Between two looks at the log of a run that is on: nobody is told when a file grows. FFmpeg says little meanwhile."""

TOLD = ENDS | {"job.requeued", "job.cancelling", "job.paused", "job.unpaused"}
"""What is said between two runs, and after the last: it is why nothing comes, or nothing more."""


class LogFollower:
    """Follows a job's log over its outputs and attempts, and over restarts of the daemon.

    What FFmpeg said goes to stdout and nothing else does: headings and news are on stderr.

    Args:
        client: in use by nobody else.
        job_id: a full id.
        output: of this output only.
        attempt: of this attempt only.
        tail: begin with so many lines; None for all.

    """

    def __init__(
        self, client: Client, job_id: str, *, output: int | None, attempt: int | None, tail: int | None
    ) -> None:
        self._client = client
        self._job_id = job_id
        self._output = output
        self._attempt = attempt
        self._tail = tail
        self._run: Run | None = None
        self._offset: int | None = None
        self._whole_line = True

    def follow(self) -> None:
        """Print from the latest run on, until the job has ended or nothing that is chosen can come any more.

        Raises:
            NotFound: there is no such job, output or attempt.

        """
        while not self._follow_in_one_database():
            pass

    def _follow_in_one_database(self) -> bool:
        """False where another database answers meanwhile, in which the job may have come less far."""
        job, status = self._client.get(self._job_id).job, self._client.status()
        self._check_output(job)
        course, last_news = Course(self._output, self._attempt), None
        course.ended = job.status in ENDED  # unless its events, of which old ones are forgotten, say more
        for event in between(self._client, 0, status.last_seq, self._job_id):
            course.take(event)
            last_news = event if event.type in TOLD else last_news
        if course.latest is not None:
            self._begin(course.latest)
        if course.over:
            self._print_rest()
            if course.ended and last_news is not None:
                self._tell(last_news)
            return True
        if not course.running:
            if self._run is not None:
                self._print_rest()
            self._tell_of_waiting(job)
        with self._client.events(status.last_seq) as stream:
            return self._go_on(course, stream, Presence(self._client, stream, status.epoch))

    def _go_on(self, course: Course, stream: EventStream, presence: Presence) -> bool:
        """Follow what comes; as `_follow_in_one_database`."""
        read_at = time.monotonic()
        while True:
            patience = LOOK_SECONDS
            if course.running and not presence.gone:
                if time.monotonic() >= read_at:
                    self._print_more(presence)
                    read_at = time.monotonic() + READ_SECONDS
                patience = max(0.0, read_at - time.monotonic())
            event = stream.next(patience)
            if presence.look(waited=patience if event is None else 0.0):
                return False
            check_reader()
            if event is None or event.job_id != self._job_id:
                continue
            course.take(event)
            if course.latest != self._run or course.over or event.type in TOLD:
                while not self._print_more(presence):  # of a run that has ended: all of it is there
                    check_reader()
            if course.latest is not None:
                self._begin(course.latest)
            if event.type in TOLD:
                self._tell(event)
            if course.over:
                if self._run is None and self._attempt is not None:
                    self._print_rest()  # which the daemon refuses: there is no such attempt
                return True

    def _check_output(self, job: JobView) -> None:
        """The daemon refuses it, too, but only once there is a log to ask for."""
        if self._output is not None and self._output >= job.total_outputs:
            count = job.total_outputs
            raise NotFound(f"job {job.id} has no output {self._output}; it has {count}, numbered from 0")

    # ------------------------------------------------------------ printing

    def _begin(self, run: Run) -> None:
        """Go over to a run, unless it is the one that is being printed."""
        if run == self._run:
            return
        self._run, self._offset = run, None
        self._head(text.clean(run.heading))

    def _print_more(self, presence: Presence) -> bool:
        """Print what FFmpeg has said since the last time; False where nobody could give it now."""
        if self._run is None:
            return True
        try:
            self._print_rest()
        except NoDaemon:
            presence.missed()
            return False
        except (Busy, Unavailable):
            time.sleep(READ_SECONDS)  # a part of the daemon is being restarted
            return False
        except NotFound:
            pass  # the job is deleted, and its event will say so
        return True

    def _print_rest(self) -> None:
        """Ask for it, and print it. Without a run, what is chosen is the daemon's affair."""
        result = self._client.log(
            self._job_id,
            output=self._output if self._run is None else self._run.output,
            attempt=self._attempt if self._run is None else self._run.attempt,
            tail=self._tail if self._offset is None else None,
            offset=self._offset,
        )
        if self._offset is not None and result.truncated:
            self._head("==> FFmpeg said more than is kept; some of it is left out <==")
        self._offset, self._tail = result.next_offset, None
        if result.text:
            self._whole_line = result.text.endswith("\n")
            print_log(result.text)

    def _tell(self, event: Event) -> None:
        """Why nothing more comes, or not yet."""
        self._head(f"==> {event.type.partition('.')[2]} {text.clean(details(event))}".rstrip())

    def _tell_of_waiting(self, job: JobView) -> None:
        if job.status == "queued":
            place = f" at place {job.position}" if job.position else ""
            why = text.clean(job.waiting.message) if job.waiting else "waiting for FFmpeg to begin"
            self._head(f"==> queued{place}; {why}")

    def _head(self, line: str) -> None:
        if is_terminal() and not self._whole_line:
            say_raw("\n")
            self._whole_line = True
        note(click.style(line, bold=True))


def print_log(said: str) -> None:
    """As it is into a pipe; a terminal gets nothing that could command it."""
    say_raw(text.clean_log(said) if is_terminal() else said)
