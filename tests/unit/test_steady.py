"""The clock that decides when a job's time is over counts the time that passed, whatever the wall clock is set to."""

import time
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.jobs import steady
from actors.jobs.steady import SAVE_SECONDS, Mark, Moment, SteadyClock

DAY = 86_400.0
THIS_BOOT, NEXT_BOOT = "a", "b"

seconds = st.integers(0, 10 * 365 * 86_400).map(float)
wall = st.integers(-10 * 365 * 86_400, 10 * 365 * 86_400).map(float)


class Machine:
    """A machine's clocks, which a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.boot_id = THIS_BOOT
        self.booted = 1000.0
        self.wall = 1_700_000_000.0
        clocks = {"CLOCK_BOOTTIME": time.CLOCK_BOOTTIME, "clock_gettime": lambda _: self.booted}
        monkeypatch.setattr(steady, "time", SimpleNamespace(time=lambda: self.wall, **clocks))
        monkeypatch.setattr(Moment, "now", self.moment)

    def moment(self) -> Moment:
        return Moment(self.boot_id, self.booted, self.wall)

    def passes(self, seconds: float) -> None:
        self.booted += seconds
        self.wall += seconds

    def reboots(self, seconds: float) -> None:
        """It is off for so long."""
        self.boot_id, self.booted = NEXT_BOOT, 5.0
        self.wall += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_a_new_store_has_not_lived(machine: Machine) -> None:
    clock = SteadyClock(None, machine.moment())
    assert clock.now() == 0
    machine.passes(7)
    assert clock.now() == 7


@pytest.mark.parametrize("jump", [DAY, -DAY, 0.0])
def test_a_wall_clock_that_is_set_while_it_runs_is_not_looked_at(machine: Machine, jump: float) -> None:
    clock = SteadyClock(None, machine.moment())
    machine.passes(10)
    machine.wall += jump
    machine.passes(10)
    assert clock.now() == 20


@pytest.mark.parametrize("jump", [DAY, -DAY, 0.0])
def test_within_one_boot_a_restart_counts_what_passed(machine: Machine, jump: float) -> None:
    first = SteadyClock(None, machine.moment())
    machine.passes(10)
    noted = first.due()
    assert noted is not None
    machine.wall += jump
    machine.passes(5)
    second = SteadyClock(noted, machine.moment())
    assert second.now() == 15
    machine.passes(5)
    assert second.now() == 20


def test_after_another_boot_the_wall_clock_says_how_long_it_was_off(machine: Machine) -> None:
    first = SteadyClock(None, machine.moment())
    machine.passes(10)
    noted = first.due()
    machine.reboots(3600)
    second = SteadyClock(noted, machine.moment())
    assert second.now() == 3610
    machine.passes(1)
    assert second.now() == 3611


def test_after_another_boot_with_the_wall_clock_set_back_nothing_is_younger_than_it_was(machine: Machine) -> None:
    first = SteadyClock(None, machine.moment())
    machine.passes(10)
    noted = first.due()
    machine.reboots(-DAY)
    assert SteadyClock(noted, machine.moment()).now() == 10


def test_a_mark_is_due_at_once_and_then_every_minute(machine: Machine) -> None:
    clock = SteadyClock(None, machine.moment())
    assert clock.due() is not None
    machine.passes(SAVE_SECONDS - 1)
    assert clock.due() is None
    machine.wall += DAY
    assert clock.due() is None
    machine.passes(1)
    noted = clock.due()
    assert noted is not None
    assert msgspec.json.decode(noted, type=Mark).lived == SAVE_SECONDS
    assert clock.due() is None


@given(lived=seconds, booted=seconds, left=wall, back=wall, same_boot=st.booleans(), passed=seconds)
def test_it_never_goes_back(
    lived: float, booted: float, left: float, back: float, passed: float, *, same_boot: bool
) -> None:
    mark = msgspec.json.encode(Mark(THIS_BOOT, booted, left, lived))
    moment = Moment(THIS_BOOT if same_boot else NEXT_BOOT, booted + passed if same_boot else passed, back)
    assert SteadyClock(mark, moment)._lived >= lived


def test_the_real_clocks_are_read() -> None:
    moment = Moment.now()
    clock = SteadyClock(None, moment)
    assert moment.boot_id
    assert 0 <= clock.now() < 60
