"""A child that is held: who of its run stands still, and one that ends in that moment."""

import os
import signal
import time

from actors.ffmpeg.brake import Brake
from actors.ffmpeg.processes import is_of_run, living
from actors.ffmpeg.workspace import Workspace
from tests.integration.children import FOR_EVER, READY, READY_ELSEWHERE, Spawn, await_ready
from tests.support.processes import eventually


def states(workspace: Workspace, session: int) -> set[str]:
    """Of all of a run that is in that session, but for the shim."""
    return {
        stat.state
        for stat in living()
        if stat.session == session != stat.pid and is_of_run(stat.pid, workspace.folder, workspace.record)
    }


def stand_still(workspace: Workspace) -> set[int]:
    """The pids of all of a run that stand still."""
    return {
        stat.pid for stat in living() if stat.state == "T" and is_of_run(stat.pid, workspace.folder, workspace.record)
    }


def test_what_was_held_goes_on_and_the_shim_always_did(spawn: Spawn, workspace: Workspace) -> None:
    child, brake = spawn(READY + FOR_EVER), Brake(workspace)
    await_ready(child)
    brake.apply(child)
    eventually(lambda: states(workspace, child.pid) == {"T"}, "all of the group stand still")
    eventually(lambda: child.pid not in stand_still(workspace), "the shim does not")
    assert brake.is_on
    brake.release(child)
    eventually(lambda: not stand_still(workspace), "nobody stands still")
    assert not brake.is_on


def test_the_time_of_a_run_stands_still_while_it_is_held(spawn: Spawn, workspace: Workspace) -> None:
    child, brake = spawn(READY + FOR_EVER), Brake(workspace)
    await_ready(child)
    assert brake.now() < brake.now()
    least = most = 0.0
    for _ in range(2):
        before = time.monotonic()
        brake.apply(child)
        begin, held = time.monotonic(), brake.now()
        eventually(lambda: states(workspace, child.pid) == {"T"}, "all of the group stand still")
        assert brake.now() == held
        least += time.monotonic() - begin
        brake.release(child)
        most += time.monotonic() - before
        assert held < brake.now() < brake.now()
        own = brake.now()
        assert least <= time.monotonic() - own
        assert time.monotonic() - most <= brake.now()


def test_nobody_is_stopped_who_would_not_be_let_go_on(spawn: Spawn, workspace: Workspace) -> None:
    """The group is held and let go on (PROTOCOL.md, `pause`); who has left it is none of that."""
    away = f"cd /; {READY_ELSEWHERE.format(workspace.folder)} exec sleep 1000"
    child, brake = spawn(f"setsid sh -c '{away}' & {FOR_EVER}"), Brake(workspace)
    await_ready(child)
    brake.apply(child)
    eventually(lambda: states(workspace, child.pid) == {"T"}, "all of the group stand still")
    brake.release(child)
    eventually(lambda: not stand_still(workspace), "nobody stands still")


def test_one_that_has_ended_and_is_reaped_by_another_may_be_held(spawn: Spawn, workspace: Workspace) -> None:
    """So it is with a child that was adopted: the init of the machine reaps it."""
    child, brake = spawn(READY + FOR_EVER), Brake(workspace)
    await_ready(child)
    os.killpg(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)
    brake.apply(child)
    brake.release(child)
