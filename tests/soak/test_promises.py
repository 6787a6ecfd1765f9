"""The promises about pauses, slots and trials can be broken: each is held against a history in which it is not kept."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.soak.client import Asked
from tests.soak.evidence import Evidence
from tests.soak.plan import Order
from tests.soak.promises import durability, order, pauses, slots, trials
from tests.soak.stillness import Look
from tests.soak.story import seconds_of, stories
from tests.support.wire import Map

SLOTS: Map = {"cpu": 2, "nvenc": 1}

PAUSE: Map = {"released": False}
RELEASE: Map = {"released": True}
RETRY: Map = {"why": "retry"}
STOP: Map = {"why": "stop"}

Told = tuple[str, str | None, Map]
"""An event: its type, the job that it is about, its data."""


def submitted(job_id: str) -> Told:
    return "job.submitted", job_id, {"priority": 0}


def started(job_id: str, attempt: int = 1) -> Told:
    return "job.started", job_id, {"attempt": attempt}


def paused(job_id: str, data: Map = PAUSE) -> Told:
    return "job.paused", job_id, data


def unpaused(job_id: str) -> Told:
    return "job.unpaused", job_id, {}


def fewer(cpu: int) -> Told:
    return "daemon.slots", None, {"was": SLOTS, "slots": {**SLOTS, "cpu": cpu}}


def at(instant: int) -> str:
    return f"2026-11-01T12:00:{instant:02}.000000Z"


def evidence(*instants: Sequence[Told], needs: Map | None = None, asked: Iterable[Asked] = ()) -> Evidence:
    """A history in which each of these happened at one instant, one second after the other."""
    events: list[Map] = []
    submits: list[Asked] = []
    for instant, told in enumerate(instants):
        for kind, job_id, data in told:
            command_id = f"{job_id}'s" if kind == "job.submitted" else None
            events.append(
                {"seq": len(events) + 1, "at": at(instant), "type": kind, "job_id": job_id, "data": data,
                 "command_id": command_id}
            )  # fmt: skip
            if kind == "job.submitted":
                spec: Map = {"priority": 0, "outputs": []}
                if needs and job_id in needs:
                    spec["resources"] = needs[job_id]
                submits.append(Asked("one", {"id": command_id, "type": "submit", "job": spec}, Order("quick", spec, 1)))
    nowhere = Path("/nowhere")
    return Evidence(
        base=nowhere, out=nowhere, work=nowhere, slots=SLOTS, asked=[*submits, *asked], tried_again=[], again=[],
        events=events, stories=stories(events), views={}, listed=[], audit=[], last_seqs=(0, 0), heard=[],
        encodes=Counter(), twice=[], struck=frozenset(), thawed=frozenset(), intruders=frozenset(), looks=[],
        originals={},
    )  # fmt: skip


def wrong(check: Callable[[Evidence], Iterable[str]], found: Evidence) -> list[str]:
    return list(check(found))


def tale(found: Evidence) -> list[str]:
    return [line for story in found.stories.values() for line in story.wrong]


# ---------------------------------------------------------------- who is paused does not start


def test_a_paused_job_that_is_started_breaks_its_story() -> None:
    assert not tale(evidence([submitted("a"), paused("a"), unpaused("a"), started("a")]))
    (found,) = tale(evidence([submitted("a"), paused("a"), started("a")]))
    assert "being paused" in found


def test_one_that_is_queued_again_is_still_paused() -> None:
    history = [submitted("a"), started("a"), paused("a"), ("job.requeued", "a", STOP)]
    assert not tale(evidence([*history, unpaused("a"), started("a")]))
    assert tale(evidence([*history, started("a")]))


def test_no_output_is_begun_while_a_run_stands_still() -> None:
    begun: Told = ("job.output_started", "a", {"run": 1, "index": 0})
    assert not tale(evidence([submitted("a"), started("a"), paused("a"), unpaused("a"), begun]))
    assert tale(evidence([submitted("a"), started("a"), paused("a"), begun]))


def test_a_pause_is_told_once_and_once_more_where_it_leaves_its_slots() -> None:
    history = [submitted("a"), started("a"), paused("a")]
    assert not tale(evidence([*history, paused("a", RELEASE)]))
    assert tale(evidence([*history, paused("a")]))


# ---------------------------------------------------------------- who is paused stands still


@pytest.fixture
def held() -> Evidence:
    """A run that is paused from second 1 to second 5."""
    return evidence([submitted("a"), started("a")], [paused("a")], [], [], [], [unpaused("a")])


def look(second: float, state: str, switches: int = 100) -> Look:
    return Look(seconds_of(at(0)) + second, "a", 77, state, switches)


@pytest.mark.parametrize(
    ("seen", "is_wrong"),
    [
        ([look(1.1, "R"), look(1.2, "S", 101), look(1.5, "T", 102), look(4.9, "T", 102), look(5.1, "S", 150)], False),
        ([look(1.5, "T"), look(3.0, "S")], True),  # it went on, if only for a moment
        ([look(1.1, "S"), look(3.0, "S", 200)], True),  # it never stopped
        ([look(1.1, "D"), look(3.0, "D")], False),  # it waits for its device, and has not come to stop
        ([look(0.5, "R"), look(6.0, "R", 200)], False),
    ],
)
def test_a_paused_run_that_moves_is_seen(held: Evidence, seen: list[Look], is_wrong: bool) -> None:
    held = replace(held, looks=seen)
    assert bool(wrong(pauses.check, held)) == is_wrong
    assert not wrong(pauses.check, replace(held, thawed=frozenset({"a"})))


def test_a_stop_of_the_daemon_ends_a_pause_of_a_run() -> None:
    stopping: Told = ("daemon.stopping", None, {"mode": "stop"})
    leaving: Told = ("daemon.stopping", None, {"mode": "leave"})
    looks = [look(1.5, "T"), look(3.0, "S")]
    for told, is_wrong in ((stopping, False), (leaving, True)):
        history = evidence([submitted("a"), started("a")], [paused("a")], [told])
        assert bool(wrong(pauses.check, replace(history, looks=looks))) == is_wrong


def reply(result: Map) -> list[Map]:
    return [{"ok": True, "result": result}]


def test_a_queued_job_that_shows_another_pause_than_its_events_is_seen() -> None:
    def shown(pause: Map | None) -> list[Asked]:
        view = {"id": "a", "seq": 2, "status": "queued", "paused": pause}
        return [Asked("one", {"id": "1", "type": "get"}, replies=reply({"job": view}))]

    history = [submitted("a"), paused("a")]
    assert not wrong(pauses.check, evidence(history, asked=shown({"released": False})))
    assert wrong(pauses.check, evidence(history, asked=shown(None)))


def test_an_unpause_that_no_event_tells_of_is_seen() -> None:
    def asked(*, changed: bool) -> list[Asked]:
        body = {"id": "1", "type": "unpause", "job_id": "a"}
        return [Asked("one", body, replies=reply({"job": None, "changed": changed}))]

    history = [submitted("a"), started("a"), paused("a")]
    assert not wrong(pauses.check, evidence(history, asked=asked(changed=False)))
    assert wrong(pauses.check, evidence(history, asked=asked(changed=True)))


# ---------------------------------------------------------------- slots


def test_more_than_there_is_cannot_be_taken() -> None:
    two = [submitted("a"), submitted("b"), started("a"), started("b"), submitted("c")]
    assert not wrong(slots.check, evidence(two))
    assert wrong(slots.check, evidence([*two, started("c")]))
    assert wrong(slots.check, evidence(two, needs={"b": {"cpu": 2}}))


def test_who_runs_when_slots_become_fewer_runs_on_and_nobody_else_starts() -> None:
    history = [submitted("a"), submitted("b"), started("a"), started("b"), submitted("c"), fewer(1)]
    ended: Told = ("job.cancelled", "a", {"job": {"status": "cancelled", "seq": 7}})
    assert not wrong(slots.check, evidence([*history, ended]))
    assert wrong(slots.check, evidence([*history, ended, started("c")]))


def test_who_is_paused_and_leaves_its_slots_takes_none_until_it_goes_on() -> None:
    two = [submitted("a"), submitted("b"), started("a"), started("b"), submitted("c")]
    assert not wrong(slots.check, evidence([*two, paused("a", RELEASE), started("c")]))
    assert wrong(slots.check, evidence([*two, paused("a"), started("c")]))
    assert wrong(slots.check, evidence([*two, paused("a", RELEASE), started("c"), unpaused("a")]))


def test_who_waits_though_there_is_room_is_seen() -> None:
    assert wrong(slots.check, evidence([submitted("a")]))
    assert not wrong(slots.check, evidence([submitted("a"), paused("a")]))
    assert not wrong(slots.check, evidence([submitted("a")], needs={"a": {"cpu": 3}})), "nobody has so many"
    assert not wrong(slots.check, evidence([("daemon.draining", None, {})], [submitted("a")]))
    large = [submitted("a"), started("a"), submitted("b"), submitted("c")]
    assert not wrong(slots.check, evidence(large, needs={"b": {"cpu": 2}})), "what is free is kept for b"
    assert wrong(slots.check, evidence(large, needs={"b": {"cpu": 2}, "c": {"nvenc": 1}})), "c takes nothing of it"


def test_who_takes_what_another_waits_for_or_overtakes_it_is_seen() -> None:
    large = [submitted("a"), started("a"), submitted("b"), submitted("c"), started("c")]
    needs: Map = {"b": {"cpu": 2}}
    assert wrong(order.check, evidence(large, needs=needs))
    assert not wrong(order.check, evidence(large, needs={**needs, "c": {"nvenc": 1}}))
    assert not wrong(order.check, evidence([fewer(1)], large, needs={"a": {"nvenc": 1}, **needs})), "b takes too much"
    assert wrong(order.check, evidence([submitted("a"), submitted("b"), started("b")]))
    assert not wrong(order.check, evidence([submitted("a"), paused("a"), submitted("b"), started("b")]))


# ---------------------------------------------------------------- trials


TRIED = Asked(
    "one", {"id": "tried", "type": "cancel", "job_id": "a", "dry_run": True}, replies=reply({"dry_run": True})
)


def test_a_trial_that_leaves_a_trace_is_seen() -> None:
    clean = evidence([submitted("a")], asked=[TRIED])
    assert not wrong(trials.check, clean)
    event = {**clean.events[0], "command_id": "tried"}
    assert wrong(trials.check, replace(clean, events=[event]))
    assert wrong(trials.check, replace(clean, audit=[{"command_id": "tried"}]))
    refused = {"ok": False, "error": {"code": "id_reused"}}
    assert wrong(trials.check, replace(clean, tried_again=[replace(TRIED, replies=[refused])]))
    assert not wrong(trials.check, replace(clean, tried_again=[TRIED]))
    assert wrong(trials.check, evidence(asked=[replace(TRIED, replies=reply({"dry_run": False}))]))


def test_a_submit_may_only_take_too_much_where_the_slots_had_become_fewer() -> None:
    spec: Map = {"priority": 0, "resources": {"cpu": 2}}
    error = {"code": "invalid", "details": {"path": "job.resources.cpu"}}
    submit = Asked("one", {"id": "1", "type": "submit", "job": spec}, Order("quick", spec, 1))
    refused = replace(submit, replies=[{"ok": False, "error": error}])

    def unexplained(found: Evidence) -> list[str]:
        return [line for line in durability.check(found) if "nothing explains" in line]

    assert not unexplained(evidence([fewer(1)], asked=[refused]))
    assert unexplained(evidence([fewer(2)], asked=[refused]))
