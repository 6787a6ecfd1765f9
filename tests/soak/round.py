"""One round: a fresh daemon, clients and strikes as planned, then rest, then every promise."""

import time
import traceback
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.soak.client import Asked, Board, Client
from tests.soak.ear import Ear
from tests.soak.encodes import make_noting
from tests.soak.evidence import Evidence, Original, all_jobs, gather
from tests.soak.plan import EXISTING, GRACE, RETRY_SECONDS, SLOTS, Plan, Scale, plan
from tests.soak.promises import durability, encoding, files, history, leftovers, order, pauses, slots, trials
from tests.soak.striker import Striker
from tests.support.daemon import Daemon
from tests.support.fakes import make_temperamental
from tests.support.media import find_ffmpeg
from tests.support.processes import eventually
from tests.support.wire import PATIENCE, Map

PROMISES = (durability, trials, history, order, slots, pauses, encoding, files, leftovers)
"""Each is held against the evidence once the daemon has ended."""

BYSTANDERS = {"notes.txt": b"mine", ".hidden": b"mine too", "0-0-0.mp4.bak": b"and mine", "folder/0-0-0.mp4": b"also"}
"""Files beside the outputs, some with names like theirs."""


GO_ON_SECONDS = 10.0
"""A job that was let go on needs nothing but its slots; the rest is for a busy machine."""

WITHOUT_INPUT: Map = {"inputs": [], "outputs": [{"path": "/nowhere/to/be.mp4"}]}


class Outcome(NamedTuple):
    """What came of a round. `folder` is where a failed one can be looked at."""

    seed: int
    wrong: list[str]
    folder: Path | None
    seconds: float
    figures: Counter[str]


def play(seed: int, scale: Scale) -> Outcome:
    """A whole round. Whatever is wrong is in the outcome, not raised."""
    began = time.monotonic()
    wrong: list[str] = []
    with Round(plan(seed, scale)) as one:
        try:
            one.run()
            one.rest()
            evidence = one.gather()
            wrong += one.end()
            wrong += [found for promise in PROMISES for found in promise.check(evidence)]
            one.figures.update(counts(evidence))
        except Exception as error:  # noqa: BLE001 # a round that cannot be finished is told of like any other
            where = "".join(traceback.format_exception(error))
            wrong += [f"the round could not be finished: {error!r}", *one.wrong(), where]
        folder = one.leave(keep=bool(wrong))
    return Outcome(seed, wrong, folder, time.monotonic() - began, one.figures)


class Round:
    """The daemon of a round and everyone around it."""

    def __init__(self, plan_: Plan) -> None:
        self.figures: Counter[str] = Counter()
        self._plan = plan_
        there = ",".join(f"{name}={total}" for name, total in SLOTS.items())
        self._daemon = Daemon(slots=there, grace=GRACE, env={"RUSHES_RETRY_DELAY": str(RETRY_SECONDS)})
        self._board = Board()
        self._ear = Ear(self._daemon.bus, self._daemon.data, self._daemon.out, self._board)
        self._striker = Striker(self._daemon, self._board, self._ear)
        bus, out = self._daemon.bus, self._daemon.out
        self._clients = [Client(f"client {number}", bus, self._board, out) for number in range(len(plan_.clients))]
        self._closer = Client("closer", bus, self._board, out)
        self._pool = ThreadPoolExecutor(len(plan_.clients) + 1)
        self._listening: Future[None] | None = None
        self._originals = self._lay_out()

    def _lay_out(self) -> dict[Path, Original]:
        """The files that are there before Rushes is."""
        out = self._daemon.out
        for name, content in {**BYSTANDERS, **{name: name.encode() for name in EXISTING}}.items():
            (out / name).parent.mkdir(exist_ok=True)
            (out / name).write_bytes(content)
        return {path: Original.of(path) for path in out.rglob("*") if path.is_file()}

    def _ffmpeg(self) -> Path:
        folder = self._daemon.base / "fakes"
        folder.mkdir()
        return make_noting(folder, make_temperamental(folder, find_ffmpeg()))

    # ------------------------------------------------------------ its course

    def run(self) -> None:
        """Clients talk and strikes hit, until both have done what is planned; then a daemon answers."""
        self._daemon.start(ffmpeg=self._ffmpeg())
        self._listening = self._pool.submit(self._ear.listen)
        talking = [
            self._pool.submit(client.play, steps)
            for client, steps in zip(self._clients, self._plan.clients, strict=True)
        ]
        for strike in self._plan.strikes:
            self._striker.strike(strike)
        self._daemon.await_ready()
        for one in talking:
            one.result()

    def rest(self) -> None:
        """Let jobs go on for a while; then cancel what still waits or runs, delete some, and let deletions be done."""
        self._closer.ask_all("resume", [{}])
        self._closer.ask_all("slots", [{"slots": SLOTS}])
        # One who vanished may have left a submit on its way. It stands before this one, which is refused.
        assert self._daemon.refusal("submit", job=WITHOUT_INPUT)["code"] == "invalid"
        self._closer.ask_all("unpause", [{"job_id": job_id} for job_id in self._paused()])
        with suppress(AssertionError):
            eventually(lambda: not self._active(), "all jobs have ended", timeout=self._plan.patience)
        self._let_all_go_on()
        self._cancel(self._active())
        assert not self._active(), "jobs are active after each was cancelled"
        self._striker.replace(self._plan.replaced)
        self._closer.ask_all("delete", [{"job_id": job["id"]} for job in all_jobs(self._daemon)[:: self._plan.tidied]])
        to_go = {
            str(one.body["job_id"]) for one in self._asked() if one.kind == "delete" and one.changes and one.result
        }
        eventually(lambda: not to_go & {job["id"] for job in all_jobs(self._daemon)}, "deleted jobs are gone")

    def gather(self) -> Evidence:
        """What is to be judged."""
        assert self._listening is not None
        self._ear.stop_after(self._daemon.result("status")["last_seq"])
        self._listening.result(PATIENCE)
        return gather(self._daemon, self._closer, self._asked(), self._ear, self._striker, self._originals)

    def end(self) -> list[str]:
        """Stop the daemon; what was wrong with it and its children while it lived."""
        status = self._daemon.terminate()
        if status != 0:
            self._striker.wrong.append(f"the daemon ended with {status} on SIGTERM")
        return self.wrong()

    def wrong(self) -> list[str]:
        """What the daemon did before everyone's eyes that it must not."""
        log = self._daemon.stderr()
        self.figures["kills"] = self._striker.kills
        self.figures["adoptions"] = log.count('"event":"child_adopted"')
        defects = [f"the daemon's log: {line}" for line in self._daemon.defects()]
        return [*self._striker.wrong, *self._ear.wrong, *defects]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Whatever came of it, no process, no thread and no connection is left."""
        self._board.is_over.set()
        self._ear.stop_after(0)
        self._pool.shutdown()
        for client in (*self._clients, self._closer):
            client.close()
        self._daemon.abandon()

    def leave(self, *, keep: bool) -> Path | None:
        """Take the folder away, or keep it for a look."""
        if keep:
            return self._daemon.base
        self._daemon.close()
        return None

    # ------------------------------------------------------------ within

    def _let_all_go_on(self) -> None:
        """What is unpaused and waits for its slots has them as soon as all that runs has given them up."""
        while waiting := self._paused():
            self._closer.ask_all("unpause", [{"job_id": job_id} for job_id in waiting])
            self._cancel([job_id for job_id in self._active() if job_id not in waiting])
            eventually(lambda: self._paused() != waiting, f"one of {waiting} goes on", timeout=GO_ON_SECONDS)

    def _cancel(self, job_ids: list[str]) -> None:
        self._closer.ask_all("cancel", [{"job_id": job_id, "wait": PATIENCE} for job_id in job_ids])

    def _active(self) -> list[str]:
        return [job["id"] for job in self._active_jobs()]

    def _paused(self) -> list[str]:
        return [job["id"] for job in self._active_jobs() if job["paused"] and job["phase"] != "stopping"]

    def _active_jobs(self) -> list[Map]:
        jobs: list[Map] = self._daemon.result("list", status=["queued", "processing"], limit=1000)["jobs"]
        return jobs

    def _asked(self) -> list[Asked]:
        return [one for client in (*self._clients, self._closer) for one in client.diary.values()]


def counts(evidence: Evidence) -> Counter[str]:
    """The round in figures."""
    ends = Counter(f"jobs {story.status}" for story in evidence.stories.values())
    return Counter(
        {
            **ends,
            "jobs": len(evidence.stories),
            "commands": len(evidence.asked),
            "unacknowledged": sum(one.reply is None for one in evidence.asked),
            "events": len(evidence.events),
            "heard": len(evidence.heard),
            "encodes": evidence.encodes.total(),
            "pauses of runs": sum(len(story.stills) for story in evidence.stories.values()),
            "looks at paused processes": len(evidence.looks),
            "trials": sum(one.is_tried for one in evidence.asked),
        }
    )
