"""A client of a round: it sends what its plan says, and repeats itself until it is answered, whatever dies."""

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import ceil
from pathlib import Path

from tests.soak.plan import Order, Step, Wish
from tests.support.wire import PATIENCE, Dealer, Map, command, pack

RESEND_SECONDS = 0.4
"""Without a reply for so long (beyond its own `wait`), a command is sent again: the daemon answers in a hundredth of
that, so it has died. Where it was only slow, the command comes twice, which must not matter either."""

BUSY_SECONDS = 0.05
"""Before a command that was told to come again comes again."""

TRY_AGAIN = frozenset({"busy", "unavailable"})
"""Refusals that are no final answer."""

READS = frozenset({"get", "list", "events", "log", "audit", "status", "why", "session", "formats"})
"""Commands that change nothing; sent again they are simply answered again."""

OF_A_JOB = frozenset({"cancel", "delete", "boost", "retry", "get", "log", "pause", "unpause", "why"})
"""Commands that name a job."""

NOBODY = "a" * 16
"""A well-formed id that no job has: asked for while there is none."""


RUNS_AFTER = frozenset({"job.output_started"})
RUNS_NOT_AFTER = frozenset({"job.paused", "job.cancelling", "job.requeued", "job.completed", "job.failed"})
PAUSED_AFTER = frozenset({"job.paused"})
PAUSED_NOT_AFTER = frozenset({"job.unpaused", "job.cancelling", "job.cancelled", "job.completed", "job.failed"})
"""Events after which a job can be paused while it runs, or let go on; and after which it cannot."""

ANY_EACH = 3
"""Of so many pauses one may be of any job: of one that waits, that has ended or that nobody has paused."""


@dataclass
class Asked:
    """One command, and every final reply that came to it."""

    client: str
    body: Map
    order: Order | None = field(default=None, repr=False)
    awaited: bool = True
    may_be_gone: bool = False
    replies: list[Map] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def kind(self) -> str:
        return str(self.body["type"])

    @property
    def changes(self) -> bool:
        return self.kind not in READS and not self.is_tried

    @property
    def is_tried(self) -> bool:
        """True where only what would happen is asked."""
        return bool(self.body.get("dry_run"))

    @property
    def views(self) -> list[Map]:
        """The jobs in every reply, as they were then; a trial shows what never was."""
        told = [reply["result"] if reply["ok"] else reply["error"]["details"] for reply in self.replies]
        found = [view for one in told for view in (one.get("job"), *one.get("jobs", ())) if view]
        return [] if self.is_tried else found

    @property
    def reply(self) -> Map | None:
        """The first one; None where the command was never acknowledged."""
        return self.replies[0] if self.replies else None

    @property
    def result(self) -> Map | None:
        """What was acknowledged as done, None where nothing was."""
        return self.reply["result"] if self.reply is not None and self.reply["ok"] else None

    @property
    def refusal(self) -> str | None:
        """The code of the refusal, None where there was none."""
        return str(self.reply["error"]["code"]) if self.reply is not None and not self.reply["ok"] else None


class Board:
    """The jobs that the clients of a round know of. Shared by their threads.

    Attributes:
        is_over: set when the round cannot go on; then nobody waits for replies any longer.

    """

    def __init__(self) -> None:
        self.is_over = threading.Event()
        self._lock = threading.Lock()
        self._jobs: list[tuple[str, Order]] = []
        self._to_go: set[str] = set()
        self._meant: dict[str, dict[str, bool]] = {"pause": {}, "unpause": {}}

    def add(self, job_id: str, order: Order) -> None:
        with self._lock:
            self._jobs.append((job_id, order))

    def hear(self, event: Map) -> None:
        """Note who runs and who is paused."""
        kind, job_id = event["type"], event["job_id"]
        with self._lock:
            if kind in RUNS_AFTER:
                self._meant["pause"][job_id] = True
            elif kind in PAUSED_AFTER:
                self._meant["unpause"][job_id] = True
            if kind in RUNS_NOT_AFTER:
                self._meant["pause"].pop(job_id, None)
            if kind in PAUSED_NOT_AFTER:
                self._meant["unpause"].pop(job_id, None)

    def meant_by(self, wish: Wish) -> str | None:
        """The job that a wish is about, counted from the newest; None while there is none.

        Most pauses are of a job that runs, and most unpauses of one that is paused: else few would meet one.
        """
        with self._lock:
            known = list(self._meant.get(wish.kind, ()))
            if not known or wish.nth % ANY_EACH == 0:
                known = [job_id for job_id, _ in self._jobs]
            return known[-1 - wish.nth % len(known)] if known else None

    def order_of(self, job_id: str) -> Order | None:
        """What was ordered by the submit of a job; None where nobody has heard yet that it was taken."""
        with self._lock:
            return dict(self._jobs).get(job_id)

    def will_go(self, job_id: str) -> None:
        """Somebody is about to ask for its deletion: from now on it may be gone."""
        with self._lock:
            self._to_go.add(job_id)

    def may_be_gone(self, job_id: str) -> bool:
        with self._lock:
            return job_id in self._to_go


class Client:
    """One connection, with a diary of all that was asked and answered. Used by one thread at a time."""

    def __init__(self, name: str, bus: str, board: Board, out: Path) -> None:
        self.name = name
        self.diary: dict[str, Asked] = {}
        self._wire = Dealer(bus)
        self._board = board
        self._out = out

    def close(self) -> None:
        self._wire.close()

    def play(self, steps: Iterable[Step]) -> None:
        """Do what the plan says, then go."""
        try:
            for step in steps:
                self._listen(step.pause)
                self.carry_out(step.wishes)
            self._listen(0)
        finally:
            self.close()

    def carry_out(self, wishes: Sequence[Wish]) -> list[Asked]:
        """Send these commands at once, and wait until all that are awaited are answered."""
        asked = [self._write(wish) for wish in wishes]
        for one, wish in zip(asked, wishes, strict=True):
            self._send(one)
            if wish.manner == "twice":
                self._send(one)
        self._await_replies([one for one in asked if one.awaited])
        return asked

    def ask_all(self, kind: str, each: Sequence[Map]) -> None:
        """Send a command with each of these fields, as often as it takes."""
        asked = [self._note(Asked(self.name, command(kind, fields))) for fields in each]
        for one in asked:
            self._send(one)
        self._await_replies(asked)

    def repeat(self, asked: Sequence[Asked], more: Map | None = None) -> list[Asked]:
        """Send the very commands of others again, or with `more` fields; what is answered now."""
        again = [self._note(Asked(self.name, {**one.body, **(more or {})})) for one in asked]
        for one in again:
            self._send(one)
        self._await_replies(again)
        return again

    # ------------------------------------------------------------ within

    def _write(self, wish: Wish) -> Asked:
        fields = dict(wish.fields)
        if wish.order is not None:
            fields["job"] = wish.order.spec(self._out)
        elif wish.kind in OF_A_JOB:
            fields["job_id"] = self._board.meant_by(wish) or NOBODY
        if wish.kind == "delete" and not fields.get("dry_run"):
            self._board.will_go(str(fields["job_id"]))
        asked = Asked(self.name, command(wish.kind, fields), wish.order, wish.manner != "vanish")
        return self._note(asked)

    def _note(self, asked: Asked) -> Asked:
        self.diary[asked.id] = asked
        return asked

    def _send(self, asked: Asked) -> None:
        self._wire.send_frames(pack(asked.body))

    def _await_replies(self, asked: Sequence[Asked]) -> None:
        longest = max((float(one.body.get("wait") or 0) for one in asked), default=0)
        end = time.monotonic() + PATIENCE + longest
        while waiting := [one for one in asked if not one.replies]:
            assert not self._board.is_over.is_set(), f"{self.name} still waited for a reply to {waiting[0].body}"
            assert time.monotonic() < end, f"{self.name} has no reply within {PATIENCE} s to {waiting[0].body}"
            if self._hear_all(waiting, RESEND_SECONDS + longest):
                return
            for one in waiting:
                if not one.replies:
                    self._send(one)

    def _hear_all(self, waiting: Sequence[Asked], seconds: float) -> bool:
        """Listen until all are answered; False where that takes too long, or somebody shall come again."""
        end = time.monotonic() + seconds
        while not all(one.replies for one in waiting):
            if not self._wire.socket.poll(milliseconds_until(end)):
                return False
            if not self._hear():
                self._listen(BUSY_SECONDS)
                return False
        return True

    def _listen(self, seconds: float) -> None:
        """Let time pass, and hear late replies."""
        end = time.monotonic() + seconds
        while self._wire.socket.poll(milliseconds_until(end)):
            self._hear()

    def _hear(self) -> bool:
        """Note the reply that is there; False where it is no final one."""
        reply = self._wire.receive()
        asked = self.diary[reply["re"]]
        if not reply["ok"] and reply["error"]["code"] in TRY_AGAIN:
            return False
        job_id = asked.body.get("job_id")
        asked.may_be_gone = job_id == NOBODY or (job_id is not None and self._board.may_be_gone(job_id))
        asked.replies.append(reply)
        if asked.order is not None and reply["ok"] and len(asked.replies) == 1 and not asked.is_tried:
            self._board.add(reply["result"]["job"]["id"], asked.order)
        return True


def milliseconds_until(end: float) -> int:
    """What is left until a monotonic time, at least 0; rounded up, so that a wait is never too short."""
    return max(0, ceil(1000 * (end - time.monotonic())))
