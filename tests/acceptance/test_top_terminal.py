"""`rushes top` in a real terminal, driven by keys."""

import pytest

from tests.support.daemon import Daemon
from tests.support.jobs import lasting, quick
from tests.support.processes import eventually
from tests.support.shell import DONE, INTERRUPTED, Shell
from tests.support.tmux import TMUX, Tmux

pytestmark = pytest.mark.skipif(TMUX is None, reason="tmux is not installed (apt-get install tmux)")


def test_a_person_at_a_terminal_sees_all_of_it_and_stops_a_job(daemon: Daemon, shell: Shell) -> None:
    film = daemon.rendering(lasting(daemon.out / "film.mp4", 120, name="Feature film"))
    trailer = daemon.rendering(lasting(daemon.out / "trailer.mp4", 120, name="Trailer"))
    waiting = daemon.submit(quick(daemon.out / "waits.mp4", name="Waits"))["id"]
    with Tmux(shell, "top") as terminal:
        terminal.reads("RUNNING", "2 jobs")
        terminal.reads(film[:8], "%", "x", "Feature film")
        terminal.reads(waiting[:8], "1", "Waits")
        terminal.choose(trailer[:8])
        terminal.press("c")
        terminal.reads("Cancel Job?")
        terminal.reads(trailer, "processing")
        terminal.write("wrong reel")
        terminal.press("Escape")
        eventually(lambda: "Cancel Job?" not in terminal.text, "the dialog is closed")
        assert daemon.view(trailer)["phase"] == "rendering"
        terminal.press("c")
        terminal.reads("Reason (optional")
        terminal.write("wrong reel")
        terminal.press("Enter", "Enter")
        terminal.reads(trailer[:8], "cancelled", "wrong reel")
        terminal.reads(waiting[:8], "completed")
        assert len(terminal.text.splitlines()) == 24
        terminal.press("q")
        assert terminal.ended() == DONE
        assert "RUNNING" not in terminal.text, "the terminal is the shell's again"
    assert daemon.view(trailer)["cancel"]["reason"] == "wrong reel"
    assert daemon.view(film)["phase"] == "rendering"


def test_a_daemon_that_is_killed_and_comes_back_is_told_of(held: Daemon, shell: Shell) -> None:
    waiting = held.submit(quick(held.out / "killed.mp4", name="Waits"))["id"]
    with Tmux(shell, "top") as terminal:
        terminal.reads(waiting[:8], "1", "Waits")
        held.kill9()
        terminal.reads("No daemon answers since", "Waiting for it.")
        held.start()
        terminal.reads("DRAINING")
        eventually(lambda: "No daemon" not in terminal.text, "it is told that it is back")
        terminal.press("s")
        terminal.reads(waiting[:8], "completed")
        terminal.press("C-c")
        assert terminal.ended() == INTERRUPTED


def test_keys_that_come_all_at_once_are_done_one_after_the_other(held: Daemon, shell: Shell) -> None:
    first, second = (held.submit(quick(held.out / f"{name}.mp4", name=name))["id"] for name in ("card", "other"))
    with Tmux(shell, "top") as terminal:
        terminal.choose(first[:8])
        terminal.write("/card\r")
        terminal.reads("ONLY 'card'")
        terminal.press("Escape")
        eventually(lambda: "ONLY" not in terminal.text, "all are listed")  # else a terminal takes Escape, j for Alt-j
        terminal.write("jcwrong LUT\tasked by colour\r")
        terminal.reads(second[:8], "cancelled", "wrong LUT")
        terminal.write("kd\r")
        terminal.reads(f"{first} deleted")
        terminal.write("q")
        assert terminal.ended() == DONE
    cancel = held.view(second)["cancel"]
    assert (cancel["reason"], cancel["notes"]) == ("wrong LUT", "asked by colour")
    assert [entry["job_id"] for entry in held.result("audit")["entries"] if entry["type"] == "cancel"][-1:] == [second]


def test_another_size_is_another_choice_of_lines(held: Daemon, shell: Shell) -> None:
    held.result("cancel", job_id=held.submit(quick(held.out / "over.mp4"))["id"])
    for number in range(30):
        held.submit(quick(held.out / f"{number}.mp4", name=f"number {number}"))
    shell.environment |= {"COLUMNS": "80", "LINES": "24"}  # as some shells export them: the terminal knows better
    with Tmux(shell, "top", columns=120, lines=50) as terminal:
        terminal.reads(" 20 ", "number 19")
        terminal.resize(60, 12)
        terminal.reads("QUEUE", "to", "shown")
        eventually(lambda: "number 19" not in terminal.text, "less is shown")
        terminal.reads("c Cancel")
        terminal.press("/")
        terminal.write("number")
        terminal.press("Enter")
        terminal.reads("ONLY 'number'")
        terminal.press("End")
        terminal.reads("number 29")
        terminal.resize(120, 50)
        terminal.reads(" 1 ", "number 0")
        terminal.press("q")
        assert terminal.ended() == DONE


def test_after_ctrl_z_and_with_ctrl_l_all_is_drawn_again(held: Daemon, shell: Shell) -> None:
    with Tmux(shell, "top") as terminal:
        terminal.reads("QUEUE", "0 waiting")
        terminal.press("C-z")
        terminal.reads("stopped")
        terminal.press("Enter")
        terminal.reads("QUEUE", "0 waiting")
        terminal.wipe()
        terminal.press("C-l")
        terminal.reads("QUEUE", "0 waiting")
        terminal.press("q")
        assert terminal.ended() == DONE
