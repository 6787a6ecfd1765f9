"""The same thing done to several jobs: to all, whatever becomes of one; each reported; one exit status."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Literal, NamedTuple, TypeVar

import click

from bus.client import Client
from bus.errors import CommandRefused
from bus.messages import STATUSES, JobStatus, JobView
from cli import text
from cli.jobs import find
from cli.output import complain, note, print_json

R = TypeVar("R")


class Selection(NamedTuple):
    """Which jobs a command was given: ids, or what its jobs have in common."""

    ids: Sequence[str]
    session: str | None
    statuses: Sequence[JobStatus]

    def check(self) -> None:
        """Refuse what means no job, or two things."""
        by_property = self.session is not None or bool(self.statuses)
        if by_property and self.ids:
            raise click.UsageError("give either job ids, or --session and --status")
        if not by_property and not self.ids:
            raise click.UsageError("which jobs? give ids, or --session or --status")

    @property
    def names_one(self) -> bool:
        """True where one job was named."""
        return len(self.ids) == 1


class Tally(Generic[R]):
    """The results and refusals of one command, by job.

    Args:
        single: one job was named, so that its refusal ends the command, and its result is the whole document.

    """

    def __init__(self, *, single: bool) -> None:
        self.results: dict[str, R] = {}
        self._refusals: dict[str, CommandRefused] = {}
        self._single = single

    @contextmanager
    def of(self, job_id: str) -> Iterator[None]:
        """Within it, a refusal is this job's, and no reason not to go on with the next."""
        try:
            yield
        except CommandRefused as refusal:
            if self._single:
                raise
            complain(f"{job_id}: {refusal.code}: {refusal.message}")
            self._refusals[job_id] = refusal
            self.results.pop(job_id, None)

    def jobs(
        self,
        client: Client,
        selection: Selection,
        allowed: Sequence[JobStatus],
        order: Literal["oldest", "queue"] = "oldest",
    ) -> list[JobView]:
        """The jobs that are meant. Where no status was given, one of the `allowed` is.

        That there is none is said: a typing error in a session's name must not look like work done.
        """
        if not selection.ids:
            statuses = selection.statuses or allowed
            jobs = list(client.jobs(status=statuses, session=selection.session, order=order))
            if not jobs:
                note(f"No job matches: {_none(statuses, selection.session)}.")
            return jobs
        found = []
        for given in dict.fromkeys(selection.ids):
            with self.of(given):
                found.append(client.get(find(client, given)).job)
        return found

    def print_json(self) -> None:
        """One document: the result where one job was named, else an entry for each, shaped as replies are."""
        if self._single:
            [result] = self.results.values()
            print_json(result)
            return
        entries: list[dict[str, object]] = [
            {"job_id": job_id, "ok": True, "result": result} for job_id, result in self.results.items()
        ]
        for job_id, refusal in self._refusals.items():
            error = {"code": refusal.code, "message": refusal.message, "details": refusal.details}
            entries.append({"job_id": job_id, "ok": False, "error": error})
        print_json({"results": entries})

    def check(self) -> None:
        """End the command with status 1 where any job was refused."""
        if self._refusals:
            raise click.exceptions.Exit(1)


def _none(statuses: Sequence[JobStatus], session: str | None) -> str:
    """What there is none of: `none is queued or processing in session 'dailies'`."""
    standing = "there is none" if set(statuses) == set(STATUSES) else f"none is {' or '.join(statuses)}"
    return standing if session is None else f"{standing} in session {text.clean(session)!r}"
