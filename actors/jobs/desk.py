"""The Queue's front desk: who asked what, whether it was asked before, and when the reply is due.

A reply leaves with the turn that made it, or is held: until the job has ended, until it is deleted, or until the
asker's patience is over. A held reply comes from the same turn as the event that it waits for.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from actors.base import QUEUE
from actors.jobs import changes, pauses, shutdown, waiters
from actors.jobs.model import Job
from actors.jobs.records import CommandRow
from actors.jobs.states import is_ended
from actors.jobs.store import Store
from actors.jobs.turn import Cause, Turn
from actors.jobs.waiters import Waiter, Waiters
from actors.watcher import Watcher
from bus import codec
from bus import messages as m
from bus.errors import Busy, CommandRefused, IdReused, Internal, NotFound, Unavailable
from bus.inbox import Request
from bus.replies import refusal_body, result_body

NOT_REMEMBERED = (Busy, Unavailable, Internal)
"""Refusals that ask to try again: the same command, sent again, is to be looked at anew."""

HANDLERS: dict[type[m.Command], Callable[[Turn, Any, Cause], Any]] = {
    m.Cancel: changes.cancel,
    m.Delete: changes.delete,
    m.Boost: changes.boost,
    m.Retry: changes.retry,
    m.Pause: pauses.pause,
    m.Unpause: pauses.unpause,
    m.Drain: changes.drain,
    m.Resume: changes.drain,
    m.Shutdown: shutdown.shutdown,
    m.SetSlots: changes.slots,
    m.LogLevel: changes.log_level,
}

WAIT_OVER = "wait"
"""The name of the timer that ends a wait for a reply."""

TOO_MANY = "too many wait for jobs to end; ask again in a while, or listen to the events"
"""Why a `get` is not held any longer."""


class Held(NamedTuple):
    """A reply that this turn decided to hold, for so many `seconds` at most; None is for as long as it takes."""

    request: Request
    job_id: str
    until_deleted: bool
    changed: bool
    seconds: float | None


class Desk:
    """Takes commands and gives replies. What a turn decides about held replies counts once the turn is on disk."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher
        self._waiters = Waiters()
        self._held: list[Held] = []
        self._answered: dict[int, Waiter] = {}
        self._timers: dict[int, int] = {}

    def commit(self) -> None:
        """The turn is on disk."""
        for waiter in self._answered.values():
            self._forget(waiter)
        for one in self._held:
            self.hold(one)
        self.rollback()

    def _forget(self, waiter: Waiter) -> None:
        self._waiters.remove(waiter)
        timer = self._timers.pop(waiter.number, None)
        if timer is not None:
            self._watcher.cancel(timer)

    def rollback(self) -> None:
        """The turn was not to be."""
        self._held, self._answered = [], {}

    # ------------------------------------------------------------ commands

    def take(self, request: Request, turn: Turn) -> None:
        """Carry out a command that changes something, or answer it as it was answered before."""
        command, by = request.command, request.by
        digest = digest_of(command)
        known = turn.commands.get((by, command.id)) or turn.known.get((by, command.id))
        if known is None:
            self._carry_out(request, digest, turn)
        elif known.digest != digest:
            refusal = IdReused("this id came before with another body; a new command needs a new id")
            turn.reply(request.envelope, refusal_body(command.id, refusal))
        elif known.held:
            self._hold_again(request, known.job_id or "", known.reply, turn)
        else:
            turn.reply(request.envelope, known.reply)

    def _carry_out(self, request: Request, digest: bytes, turn: Turn) -> None:
        command, by = request.command, request.by
        job_id: str | None = getattr(command, "job_id", None)
        keys = {"type": str(command.__struct_config__.tag), "by": by, "command_id": command.id}
        try:
            result = carry_out(turn, request)
        except CommandRefused as refusal:
            body = refusal_body(command.id, refusal)
            turn.reply(request.envelope, body)
            turn.log("command_refused", job_id=job_id, code=refusal.code, message=refusal.message, **keys)
            if not isinstance(refusal, NOT_REMEMBERED):
                turn.audit(request, job_id, refusal.code, refusal.message)
                turn.remember(CommandRow(by, command.id, digest, turn.now, job_id, 0, body))
            return
        body = result_body(command.id, result)
        if isinstance(command, m.Submit):
            job_id = result.job.id
        turn.audit(request, job_id, "ok")
        turn.log("command_done", job_id=job_id, **keys)
        held = self._wants_hold(request, job_id, result, turn)
        turn.remember(CommandRow(by, command.id, digest, turn.now, job_id, int(held is not None), body))
        if held is None:
            turn.reply(request.envelope, body)
        else:
            self._held.append(held)

    def _wants_hold(self, request: Request, job_id: str | None, result: Any, turn: Turn) -> Held | None:
        """Whether this reply waits, and for what. A delete always does: its result is what was removed."""
        command = request.command
        deletes = isinstance(command, m.Delete)
        job = turn.store.job(job_id) if job_id and (command.wait or deletes) else None
        if job is None:
            return None
        if deletes:
            return Held(request, job.id, True, True, command.wait)
        if is_ended(job.status):
            return None
        return Held(request, job.id, False, bool(getattr(result, "changed", True)), command.wait)

    def _hold_again(self, request: Request, job_id: str, first: bytes, turn: Turn) -> None:
        """A held command was sent again: its client or the daemon had gone meanwhile."""
        deletes = isinstance(request.command, m.Delete)
        changed = bool(codec.decode_plain(first)["result"].get("changed", True))
        job = turn.store.job(job_id)
        if job is not None and (deletes or not is_ended(job.status)):
            self._held.append(Held(request, job_id, deletes, changed, request.command.wait))
        else:
            self._answer(request, _final(request, job_id, job, changed, turn), turn)

    # ------------------------------------------------------------ held replies

    def waiting(self) -> list[Request]:
        """Everyone whose reply is held."""
        return [waiter.request for waiter in self._waiters.all()]

    def hold_get(self, request: Request, store: Store) -> bool:
        """Hold a `get` that waits for the end of its job; False where there is nothing to wait for."""
        command = request.command
        job = store.job(command.job_id) if isinstance(command, m.Get) and command.wait else None
        if job is None or is_ended(job.status):
            return False
        self.hold(Held(request, job.id, until_deleted=False, changed=False, seconds=command.wait))
        return True

    def hold(self, one: Held) -> None:
        """Hold a reply from now on. Where too many are held, one of whoever has most of them is not any longer."""
        waiter = self._waiters.add(one.request, one.job_id, until_deleted=one.until_deleted, changed=one.changed)
        if one.seconds is not None:
            self._timers[waiter.number] = self._watcher.after(one.seconds, QUEUE, f"{WAIT_OVER}:{waiter.number}")
        dismissed = self._waiters.dismiss()
        if dismissed is not None:
            self._watcher.after(0.0, QUEUE, f"{WAIT_OVER}:{dismissed.number}")

    def job_ended(self, job: Job, turn: Turn) -> None:
        """Whoever waits for the job's end hears of it."""
        for waiter in self._waiters.of(job.id):
            if not waiter.until_deleted:
                self._answer_waiter(waiter, _final(waiter.request, job.id, job, waiter.changed, turn), turn)
        for one in [one for one in self._held if one.job_id == job.id and not one.until_deleted]:
            self._held.remove(one)
            self._answer(one.request, _final(one.request, job.id, job, one.changed, turn), turn)

    def job_removed(self, job: Job, result: m.DeleteResult, turn: Turn) -> None:
        """Whoever waits for the job hears that it is gone; the command that asked for it is noted as answered."""
        asked = job.deleting
        if asked is not None and asked.by is not None and asked.command_id is not None:
            turn.answer(asked.by, asked.command_id, result_body(asked.command_id, result))
        for waiter in self._waiters.of(job.id):
            self._answer_waiter(waiter, result, turn)
        for one in [one for one in self._held if one.job_id == job.id]:
            self._held.remove(one)
            self._answer(one.request, result, turn)

    def asker(self, what: str) -> Waiter | None:
        """Whoever only asks, and has waited as long as he wanted to, or may; None where the timer was for another."""
        name, _, number = what.partition(":")
        waiter = self._waiters.get(int(number)) if name == WAIT_OVER else None
        return waiter if waiter is not None and isinstance(waiter.request.command, m.Get) else None

    def let_go(self, waiter: Waiter) -> Request | None:
        """His question as one who does not wait; None where he has his reply. Raises `Busy` where too many wait."""
        if self._waiters.get(waiter.number) is None:
            return None
        is_one_too_many = self._waiters.is_dismissed(waiter)
        self._forget(waiter)
        if is_one_too_many:
            raise Busy(TOO_MANY, {"limit": waiters.MAX_WAITERS})
        return waiter.request._replace(command=msgspec.structs.replace(waiter.request.command, wait=None))

    def patience_over(self, number: int, turn: Turn) -> None:
        """A waiter has waited as long as it wanted to, or may: the job as it stands."""
        waiter = self._waiters.get(number)
        if waiter is None:
            return
        asked = (waiter.request.by, waiter.request.command.id)
        for other in self._waiters.of(waiter.job_id):
            if (other.request.by, other.request.command.id) == asked:
                self._answer_as_it_stands(other, turn)
        # Sent again in this very turn: it is to hear what the first one did, not wait for another end.
        for one in [one for one in self._held if (one.request.by, one.request.command.id) == asked]:
            self._answer_at_once(one, turn)

    def answer_all(self, turn: Turn) -> None:
        """The daemon ends: each job as it stands."""
        for one in [*self._held]:
            self._answer_at_once(one, turn)
        for waiter in self._waiters.all():
            self._answer_as_it_stands(waiter, turn)

    def _answer_at_once(self, one: Held, turn: Turn) -> None:
        """One whose reply was to be held from this turn on gets the job as it stands."""
        self._held.remove(one)
        job = turn.store.job(one.job_id)
        self._answer(one.request, _final(one.request, one.job_id, job, one.changed, turn), turn)

    def _answer_as_it_stands(self, waiter: Waiter, turn: Turn) -> None:
        job = turn.store.job(waiter.job_id)
        self._answer_waiter(waiter, _final(waiter.request, waiter.job_id, job, waiter.changed, turn), turn)

    def _answer_waiter(self, waiter: Waiter, result: Any, turn: Turn) -> None:
        if waiter.number not in self._answered:  # two things that end a wait may come in one turn
            self._answered[waiter.number] = waiter
            self._answer(waiter.request, result, turn)

    @staticmethod
    def _answer(request: Request, result: Any, turn: Turn) -> None:
        command_id = request.command.id
        refused = isinstance(result, CommandRefused)
        body = refusal_body(command_id, result) if refused else result_body(command_id, result)
        if not isinstance(request.command, m.Get):
            turn.answer(request.by, command_id, body)
        turn.reply(request.envelope, body)


def digest_of(command: m.Command) -> bytes:
    """What tells a command from another of the same id.

    A field that came after the first version of the protocol is left out where it says nothing: so a command that an
    earlier daemon remembers is known when it is sent again after the upgrade.
    """
    said = msgspec.to_builtins(command)
    said.pop("dry_run", None)  # what is only tried is not remembered
    if isinstance(command, m.Submit):
        if command.job.resources is None:
            del said["job"]["resources"]
        for output in said["job"]["outputs"]:
            if output["format"] is None:
                del output["format"]
    return blake2b(codec.encode(said), digest_size=16).digest()


def carry_out(turn: Turn, request: Request) -> Any:
    """The result of a command. Raises `CommandRefused`."""
    command, cause = request.command, Cause.of(request)
    shutdown.check_taken(turn.ledger, command)
    if not isinstance(command, m.Submit):
        return HANDLERS[type(command)](turn, command, cause)
    if isinstance(request.prepared, CommandRefused):
        raise request.prepared
    return changes.submit(turn, request.prepared, cause)


def _final(request: Request, job_id: str, job: Job | None, changed: bool, turn: Turn) -> Any:
    """What a held command's reply says in the end: its result, or a refusal where the job is gone."""
    command = request.command
    if isinstance(command, m.Delete):
        pending = changes.deleting_result(job_id)
        if job is not None:
            return pending
        return m.DeleteResult(job_id, "deleted", turn.now, pending.removed, pending.missing, pending.failed)
    if job is None:
        return NotFound(f"job {job_id} was deleted", {"job_id": job_id})
    shown = turn.placed(job)
    if isinstance(command, m.Cancel):
        # A job that is complete after all was not changed by the cancel that came too late.
        return m.CancelResult(shown, changed=changed and job.status in ("cancelled", "processing"))
    if isinstance(command, (m.Pause, m.Unpause)):
        return m.PauseResult(shown, changed=changed)
    if isinstance(command, m.Boost):
        return m.BoostResult(shown, shown.position)
    return m.JobResult(shown)
