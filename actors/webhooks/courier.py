"""Who brings events to a hook: a thread that follows the history by way of the bus, and keeps its place in it.

Nothing waits for it. What it could not bring stands in the history, and it comes back to that after a failure, a
restart or a crash. So each event is delivered at least once, in the order of their numbers.
"""

import math
import threading
import time
from importlib.metadata import version
from pathlib import Path

import msgspec

from actors.jobs.waits import backoff
from actors.logs import logger
from actors.webhooks.answers import GONE, Problem, judge
from actors.webhooks.cursor import FOLDER, Cursor, Place
from actors.webhooks.endpoint import Endpoint, NoAnswer
from actors.webhooks.settings import Notify
from actors.webhooks.signature import headers
from bus.client import Client
from bus.messages import Event

FIRST_RETRY_SECONDS = 1.0
"""Before a second try; doubled for each that follows, up to five minutes (`backoff`): what is down for hours is asked
twelve times an hour, and a receiver that is restarted is found again within seconds."""

LOOK_SECONDS = 0.2
"""How often a courier without work looks whether it is to stop; it delays the daemon's end by no more."""

ABOUT = {"Content-Type": "application/json", "User-Agent": f"rushes/{version('rushes')}"}
"""The headers of every delivery."""


class Courier:
    """Of one hook. Its thread and its connections are its own, and it holds no lock.

    Args:
        hook: where to, what, and how it is signed.
        bus: the daemon's own address.
        data: the data folder.
        now: the history as the daemon found it.

    """

    def __init__(self, hook: Notify, bus: str, data: Path, now: Place) -> None:
        self.name = hook.name
        self._hook = hook
        self._bus = bus
        self._keys = hook.keys
        self._cursor = Cursor(data / FOLDER / f"{hook.name}.json", now)
        self._endpoint = Endpoint(hook.url, hook.timeout)
        name = f"webhook/{hook.name}"
        self._log = logger(actor=name)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._failing_since: float | None = None
        self._tries = 0
        self._is_unsaved = False
        if self._cursor.is_damaged:
            self._log.warning("webhook_place_lost", path=str(data / FOLDER / f"{hook.name}.json"))
        self._log.info("webhook_started", url=hook.origin, after=self._cursor.seq, is_new=self._cursor.is_new)
        self._save()  # a new hook's begin is on disk before anything happens

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def stop(self) -> None:
        """End soon, whatever is under way. Any thread; does not wait."""
        self._stopping.set()
        self._endpoint.abort()

    def join(self, seconds: float) -> None:
        """Wait for its end, so long at the most."""
        self._thread.join(seconds)

    @property
    def is_failing(self) -> bool:
        """True while the receiver does not take what it is sent. Any thread."""
        return self._failing_since is not None

    @property
    def seq(self) -> int:
        """The number of the last event that it is done with. Any thread."""
        return self._cursor.seq

    # ------------------------------------------------------------ its thread

    def _run(self) -> None:
        defects = 0
        while not self._stopping.is_set():
            try:
                with Client(self._bus) as client:
                    self._deliver(client)
            except Exception as error:  # noqa: BLE001 # a defect here is nobody else's trouble: it begins anew
                defects += 1
                self._log.error("webhook_died", exc_info=error)
                self._stopping.wait(backoff(defects, FIRST_RETRY_SECONDS))
        self._save()

    def _deliver(self, client: Client) -> None:
        while not self._stopping.is_set():
            held_up = self._follow(client)
            if held_up is not None:
                self._insist(*held_up)

    def _follow(self, client: Client) -> tuple[Event, Problem] | None:
        """Deliver events as they come; the first that is not taken, and why. None at the end.

        While a receiver is away nobody listens, so that nothing piles up here: the history has it all.
        """
        with client.events(since=self._cursor.seq) as stream:
            while not self._stopping.is_set():
                event = stream.next(LOOK_SECONDS)
                if event is None:
                    continue
                self._note_missed(event)
                problem = self._post(event) if self._hook.wants(event.type) else None
                if problem is not None:
                    return event, problem
                self._pass(event)
        return None

    def _insist(self, event: Event, problem: Problem | None) -> None:
        """Try an event until it is taken, or was refused for so long that those behind it have their turn."""
        tries, patience, since = 0, math.nan, math.nan
        while problem is not None:
            if problem.status == GONE:
                self._log.warning("webhook_gone", seq=event.seq)
                self._stopping.wait()
                return
            if problem.patience != patience:  # one who was away for days has refused nothing yet
                patience, since = problem.patience, time.monotonic()
            if time.monotonic() - since > patience:
                self._log.warning(
                    "webhook_refused", seq=event.seq, type=event.type, job_id=event.job_id, why=problem.why
                )
                break
            tries += 1
            if self._stopping.wait(max(backoff(tries, FIRST_RETRY_SECONDS), problem.pause)):
                return
            problem = self._post(event)
        self._pass(event)

    # ------------------------------------------------------------ one event

    def _post(self, event: Event) -> Problem | None:
        """Send it once; None where it was taken."""
        body = msgspec.json.encode(event)
        told = headers(f"{self._cursor.epoch}:{event.seq}", int(time.time()), body, self._keys)
        try:
            problem = judge(*self._endpoint.post({**ABOUT, **told}, body))
        except NoAnswer as error:
            problem = Problem(str(error))
        if problem is None:
            self._works()
            self._log.info("webhook_delivered", seq=event.seq, type=event.type, job_id=event.job_id)
        elif not self._stopping.is_set():
            self._fails(event, problem)
        return problem

    def _fails(self, event: Event, problem: Problem) -> None:
        self._tries += 1
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            if problem.status != GONE:  # which is not tried again, and told of by itself
                self._log.warning("webhook_failing", url=self._hook.origin, seq=event.seq, why=problem.why)

    def _works(self) -> None:
        if self._failing_since is not None:
            seconds = round(time.monotonic() - self._failing_since, 1)
            self._log.info("webhook_works", url=self._hook.origin, tries=self._tries, seconds=seconds)
            self._failing_since, self._tries = None, 0

    def _note_missed(self, event: Event) -> None:
        """Numbers have no gap: what is not there any more was forgotten before it could be delivered."""
        assert event.seq is not None, "what is ephemeral was not asked for"
        first = self._cursor.seq + 1
        if event.seq > first:
            self._log.warning("webhook_missed", count=event.seq - first, first=first, last=event.seq - 1)
            self._cursor.move(event.seq - 1)

    def _pass(self, event: Event) -> None:
        """Be done with it. What was delivered, or given up on, is on disk before the next is tried."""
        assert event.seq is not None, "what is ephemeral was not asked for"
        self._cursor.move(event.seq)
        if self._hook.wants(event.type) or self._cursor.is_far:
            self._save()

    def _save(self) -> None:
        """Have the place on disk; where it cannot be, go on: after a crash more is delivered again."""
        try:
            self._cursor.save()
        except OSError as error:
            if not self._is_unsaved:
                self._log.warning("webhook_place_unsaved", error=error.strerror)
            self._is_unsaved = True
        else:
            self._is_unsaved = False
