"""What is known of a round once everything has come to rest: from the bus, from the clients, from the disk."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.soak.client import Asked, Client
from tests.soak.ear import Ear
from tests.soak.encodes import Encode, noted, noted_twice_at_once
from tests.soak.plan import SLOTS
from tests.soak.stillness import Look
from tests.soak.story import Story, stories
from tests.soak.striker import Striker
from tests.support.daemon import Daemon
from tests.support.wire import Map

OTHER_WAIT: Map = {"wait": 0.05}
"""A field that no command of a plan has just so."""

DEFAULT_NEED: Map = {"cpu": 1}
"""What a job takes that does not say."""

PAGE = 7
"""A small page, so that a round's lists take several and cursors are used."""


@dataclass(frozen=True)
class Evidence:
    """Everything that the promises are held against.

    Attributes:
        asked: each command of the clients, with its replies.
        tried_again: what each command that was only tried is answered with the same id and another field.
        again: what each command that changes something was answered when it was sent again at the end.
        events: all durable events.
        stories: what they tell of each job.
        views: the jobs that there are, as `get` shows them.
        listed: the jobs that there are, as `list` shows them.
        audit: who changed what.
        last_seqs: `last_seq` before and after the commands were sent again.
        heard: the durable events that a subscriber heard.
        encodes: how often each encode was begun; `twice`: those that began while another of the output ran.
        struck: the jobs of which a child was killed.
        intruders: the files that somebody else put where outputs were to be, or in their place.
        thawed: the jobs of which somebody else let a child go on.
        looks: what was seen of the processes of paused jobs.
        originals: the files that were there before the round, as they were.

    """

    base: Path
    out: Path
    work: Path
    slots: Map
    asked: Sequence[Asked]
    tried_again: Sequence[Asked]
    again: Sequence[tuple[Asked, Asked]]
    events: Sequence[Map]
    stories: dict[str, Story]
    views: dict[str, Map]
    listed: Sequence[Map]
    audit: Sequence[Map]
    last_seqs: tuple[int, int]
    heard: Sequence[Map]
    encodes: Counter[Encode]
    twice: Sequence[Encode]
    struck: frozenset[str]
    thawed: frozenset[str]
    intruders: frozenset[Path]
    looks: Sequence[Look]
    originals: "dict[Path, Original]"

    @cached_property
    def orders(self) -> dict[str, Asked]:
        """The submit that each job came from, by the job's id."""
        by_command = {one.id: one for one in self.asked if one.order is not None and not one.is_tried}
        submitted = [event for event in self.events if event["type"] == "job.submitted"]
        return {event["job_id"]: by_command[event["command_id"]] for event in submitted}

    @cached_property
    def needs(self) -> dict[str, Map]:
        """What each job takes while it runs."""
        return {job_id: one.body["job"].get("resources") or DEFAULT_NEED for job_id, one in self.orders.items()}

    def status_at(self, event: Map) -> str | None:
        """What an event has made of the job that it is about."""
        return self.stories[event["job_id"]].status_at(event["seq"]) if event["job_id"] is not None else None


@dataclass(frozen=True)
class Original:
    """A file that Rushes did not make."""

    content: bytes
    inode: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "Original":
        stat = path.stat()
        return cls(path.read_bytes(), stat.st_ino, stat.st_mtime_ns)


def all_events(daemon: Daemon) -> list[Map]:
    """The whole history, in pages."""
    events: list[Map] = []
    while True:
        page = daemon.events(since=events[-1]["seq"] if events else 0)
        if not page:
            return events
        events += page


def all_jobs(daemon: Daemon) -> list[Map]:
    """Every job, the oldest first, in pages."""
    jobs: list[Map] = []
    cursor = None
    while True:
        result = daemon.result("list", order="oldest", limit=PAGE, **({"cursor": cursor} if cursor else {}))
        jobs += result["jobs"]
        cursor = result["cursor"]
        if cursor is None:
            return jobs


def repeat_all(closer: Client, asked: Sequence[Asked]) -> list[tuple[Asked, Asked]]:
    """Send everything again that was to change something and was answered; each with what is answered now."""
    first = [one for one in asked if one.changes and one.reply is not None]
    return list(zip(first, closer.repeat(first), strict=True))


def gather(
    daemon: Daemon,
    closer: Client,
    asked: Sequence[Asked],
    ear: Ear,
    striker: Striker,
    originals: dict[Path, Original],
) -> Evidence:
    """Ask the daemon, which is at rest, for all that it has."""
    events = all_events(daemon)
    before = daemon.result("status")["last_seq"]
    listed = all_jobs(daemon)
    views = {job["id"]: daemon.view(job["id"]) for job in listed}
    again = repeat_all(closer, asked)
    tried_again = closer.repeat([one for one in asked if one.is_tried], OTHER_WAIT)
    return Evidence(
        base=daemon.base, out=daemon.out, work=daemon.data / "work", slots=SLOTS, asked=asked, again=again,
        events=events, stories=stories(events), views=views, listed=listed,
        audit=daemon.result("audit")["entries"],
        last_seqs=(before, daemon.result("status")["last_seq"]),
        tried_again=tried_again, heard=ear.events, looks=ear.stillness.looks,
        encodes=noted(daemon.base), twice=noted_twice_at_once(daemon.base),
        struck=frozenset(striker.struck), thawed=frozenset(striker.thawed), intruders=frozenset(striker.intruders),
        originals=originals,
    )  # fmt: skip
