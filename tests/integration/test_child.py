"""One process group, with small shell scripts in FFmpeg's place: spawned, asked, signalled, reaped, adopted, empty."""

import fcntl
import os
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors.ffmpeg.brake import Brake
from actors.ffmpeg.child import Child, end_by_force, is_unlocked, kill_strays
from actors.ffmpeg.processes import LOCK_FD, is_of_run, living, process
from actors.ffmpeg.workspace import Noted, Workspace
from tests.integration.children import FOR_EVER, PARTIAL, READY, READY_ELSEWHERE, Spawn, await_end, await_ready
from tests.support.processes import eventually

STANDARD_SIGNALS = 2**31 - 1
"""SigIgn's bits for signals 1 to 31; the C library ignores some of its own above them."""


def group(leader: int) -> list[int]:
    """The pids of a process group."""
    return [stat.pid for stat in living() if stat.group == leader]


def ended(child: Child) -> int | None:
    """Wait for its end; how it ended."""
    await_end(child)
    child.reap()
    return child.exit_status()


# ---------------------------------------------------------------- how it ends


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("exit 0", 0),
        ("exit 3", 3),
        ("exit 183", 183),
        ("exit 255", 255),
        ("kill -KILL $$", -signal.SIGKILL),
        ("kill -SEGV $$", -signal.SIGSEGV),
        ("kill -TERM $$", -signal.SIGTERM),
    ],
)
def test_how_ffmpeg_ended_is_known(spawn: Spawn, script: str, status: int) -> None:
    child = spawn(script)
    assert ended(child) == status
    assert child.is_empty()


def test_a_program_that_is_not_there_is_a_status_too(workspace: Workspace) -> None:
    child = Child.spawn(["/nowhere/ffmpeg"], workspace)
    assert ended(child) == 127
    child.close()


def test_while_it_runs_it_has_no_status(spawn: Spawn) -> None:
    child = spawn(READY + FOR_EVER)
    await_ready(child)
    assert child.exit_status() is None
    assert child.has_ended() is False
    assert child.is_empty() is False
    assert 0 <= child.age < 600


def test_one_that_has_ended_is_seen_to_have(spawn: Spawn) -> None:
    child = spawn("exit 0")
    await_end(child)
    assert child.has_ended() is True
    child.reap()
    child.reap()
    assert child.age == 0.0


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process may have descriptors above 1023."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("many_files")
def test_a_descriptor_may_have_any_number(spawn: Spawn) -> None:
    """`select` takes none above 1023."""
    child = spawn("exit 0")
    low, child.pidfd = child.pidfd, fcntl.fcntl(child.pidfd, fcntl.F_DUPFD_CLOEXEC, 1100)
    os.close(low)
    await_end(child)
    assert child.has_ended() is True


# ---------------------------------------------------------------- asked


def test_a_q_reaches_its_stdin(spawn: Spawn) -> None:
    child = spawn('test "$(head -c 1)" = q && exit 5')
    child.ask()
    assert ended(child) == 5


def test_its_stdin_does_not_end_of_itself(spawn: Spawn) -> None:
    child = spawn(READY + "head -c 1 >/dev/null; exit 5")
    await_ready(child)
    assert child.has_ended() is False
    child.ask()
    assert ended(child) == 5


def test_one_that_does_not_read_can_be_asked_as_often_as_one_likes(spawn: Spawn) -> None:
    child = spawn(READY + FOR_EVER)
    await_ready(child)
    fifo = os.open(child.workspace.stdin, os.O_WRONLY | os.O_NONBLOCK)
    with suppress(BlockingIOError):
        while os.write(fifo, b"x" * 4096):
            pass
    os.close(fifo)
    child.ask()


def test_one_that_has_gone_may_be_asked(spawn: Spawn) -> None:
    child = spawn("exit 0")
    ended(child)
    child.ask()
    child.workspace.remove_fifo()
    child.ask()


# ---------------------------------------------------------------- signalled


def test_the_shim_outlives_the_sigterm_that_is_meant_for_ffmpeg(spawn: Spawn) -> None:
    child = spawn(f"trap 'exit 9' TERM; {READY}{FOR_EVER}")
    await_ready(child)
    child.signal(signal.SIGTERM)
    assert ended(child) == 9


def test_ffmpeg_has_its_signals_as_any_program(spawn: Spawn, workspace: Workspace) -> None:
    """The shim's trap, and what this process ignores or blocks, are not handed down."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR2})
    child = spawn("grep -E 'Sig(Blk|Ign)' /proc/self/status >signals")
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    ended(child)
    _, blocked, _, ignored = (workspace.folder / "signals").read_text().split()
    assert int(blocked, 16) == 0
    assert int(ignored, 16) & STANDARD_SIGNALS == 0


def test_a_sigkill_leaves_no_note_and_is_known_all_the_same(spawn: Spawn) -> None:
    child = spawn(READY + FOR_EVER)
    await_ready(child)
    child.signal(signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    assert child.workspace.exit_status() is None


def test_a_stopped_group_goes_on_when_it_is_told_to(spawn: Spawn) -> None:
    child = spawn(f"trap 'exit 9' TERM; {READY}{FOR_EVER}")
    await_ready(child)
    child.signal(signal.SIGSTOP)
    eventually(lambda: (stat := process(child.pid)) and stat.state == "T", "the group is stopped")
    child.signal(signal.SIGCONT)
    child.signal(signal.SIGTERM)
    assert ended(child) == 9


def test_one_that_has_gone_may_be_held(spawn: Spawn, workspace: Workspace) -> None:
    """A pause meets a child that ends in this moment, and that somebody has taken off the process table."""
    child = spawn("exit 0")
    await_end(child)
    child.reap()
    brake = Brake(workspace)
    brake.apply(child)
    brake.release(child)
    assert ended(child) == 0


def test_a_group_is_not_empty_before_the_last_grandchild_has_gone(spawn: Spawn) -> None:
    child = spawn(f"(trap '' TERM HUP; {READY}{FOR_EVER}) & head -c 1 >/dev/null; exit 0")
    await_ready(child)
    child.ask()
    assert ended(child) == 0
    assert child.is_empty() is False
    assert child.pid not in group(child.pid)
    child.signal(signal.SIGTERM)
    assert child.is_empty() is False
    child.signal(signal.SIGKILL)
    eventually(child.is_empty, "the grandchild has gone")
    child.signal(signal.SIGKILL)  # there is nobody any more


def test_a_process_may_call_itself_what_is_no_utf_8(spawn: Spawn, workspace: Workspace) -> None:
    """The kernel cuts a name after 15 bytes, also in the middle of a letter."""
    program = workspace.folder / "fourteen-charsü"
    shutil.copy("/bin/sleep", program)
    child = spawn(f"echo $$ >me; {READY}exec ./{program.name} 1000")
    await_ready(child)
    ffmpeg = (workspace.folder / "me").read_text().strip()
    eventually(lambda: b"\xc3)" in Path(f"/proc/{ffmpeg}/stat").read_bytes(), "the program runs")
    assert sorted(group(child.pid)) == [child.pid, int(ffmpeg)]


# ---------------------------------------------------------------- what it gets


def test_it_leads_a_session_of_its_own(spawn: Spawn) -> None:
    child = spawn(READY + FOR_EVER)
    await_ready(child)
    assert (os.getpgid(child.pid), os.getsid(child.pid)) == (child.pid, child.pid)


def test_it_gets_no_descriptor_of_the_daemons_own_and_its_words_are_kept(spawn: Spawn, workspace: Workspace) -> None:
    inherited = {
        fd for fd in (int(entry.name) for entry in Path("/proc/self/fd").iterdir()) if fd > 2 and _is_handed_down(fd)
    }
    ended(spawn("ls /proc/$$/fd >&2; echo lost; echo kept >&2"))
    *found, last = workspace.stderr.read_text().split()
    assert last == "kept"
    assert {int(fd) for fd in found} - inherited <= {0, 1, 2, LOCK_FD, *SHELLS_OWN}


SHELLS_OWN = range(10, 13)
"""Where a shell keeps descriptors that it has redirected."""


def _is_handed_down(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False  # the one that listed the folder


def test_it_does_not_get_an_environment_that_would_change_what_it_writes(
    spawn: Spawn, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FFREPORT", "file=x")
    monkeypatch.setenv("AV_LOG_FORCE_COLOR", "1")
    monkeypatch.setenv("KEPT", "yes")
    ended(spawn("env >&2"))
    said = workspace.stderr.read_text()
    assert "KEPT=yes" in said
    assert "FFREPORT" not in said
    assert "AV_LOG_FORCE_COLOR" not in said


@pytest.mark.parametrize("word", ["a b", "$HOME", "`id`", "'", '"', "*", "\n", "-n", "ü", ""])
def test_no_shell_reads_its_words(workspace: Workspace, word: str) -> None:
    child = Child.spawn(["/usr/bin/printf", "[%s]", word], workspace)
    ended(child)
    child.close()
    shutil.rmtree(workspace.folder)
    workspace.prepare(PARTIAL)
    child = Child.spawn(["/bin/sh", "-c", 'printf "[%s]" "$1" >&2', "sh", word], workspace)
    assert ended(child) == 0
    assert workspace.stderr.read_text() == f"[{word}]"
    child.close()


def test_a_workspace_that_is_not_prepared_is_an_error_and_nothing_stays_open(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Child.spawn(["/bin/true"], Workspace(tmp_path / "gone"))


# ---------------------------------------------------------------- adopted


def test_one_that_runs_is_adopted_and_obeys(spawn: Spawn, workspace: Workspace) -> None:
    child = spawn(READY + "head -c 1 >/dev/null; exit 5")
    await_ready(child)
    adopted = Child.adopt(workspace)
    assert adopted is not None
    assert adopted.pid == child.pid
    adopted.ask()
    assert ended(adopted) == 5
    assert adopted.is_empty()
    adopted.close()


def rewrite(workspace: Workspace, change: Callable[[str], str]) -> None:
    """Change the note of the child, in its place."""
    record = workspace.record.read_text()
    note = next(line for line in record.split("\n") if line.startswith("child "))
    workspace.record.write_text(record.replace(note + "\n", change(note + "\n")))


@pytest.mark.parametrize(
    "other", [{"boot_id": "00000000-0000-0000-0000-000000000000"}, {"pid": 4194304}, {"start": 123}], ids=str
)
def test_one_that_is_not_proved_to_be_ours_is_not_adopted_and_left_alone(
    spawn: Spawn, workspace: Workspace, other: dict[str, Any]
) -> None:
    child = spawn(READY + FOR_EVER)
    await_ready(child)
    noted = workspace.noted("child", Noted)
    assert noted is not None
    workspace.note("child", msgspec.structs.replace(noted, **other))
    assert Child.adopt(workspace) is None
    assert child.has_ended() is False


@pytest.mark.parametrize(
    "change",
    [lambda note: note[:30], lambda note: note.partition("\n")[0], lambda _note: ""],
    ids=["part of a note", "all but its end", "no word"],
)
def test_one_that_no_daemon_had_the_time_to_note_is_known_by_its_lock(
    spawn: Spawn, workspace: Workspace, change: Callable[[str], str]
) -> None:
    child = spawn(f"sh -c '{FOR_EVER}' & {READY}{FOR_EVER}")
    await_ready(child)
    noted = workspace.noted("child", Noted)
    rewrite(workspace, change)
    assert workspace.noted("child", Noted) is None
    adopted = Child.adopt(workspace)
    assert adopted is not None
    assert adopted.pid == child.pid
    assert workspace.noted("child", Noted) == noted
    adopted.close()


def test_without_a_note_nobody_is_adopted(workspace: Workspace) -> None:
    assert Child.adopt(workspace) is None
    assert kill_strays(workspace) is False


def test_one_that_has_ended_is_not_adopted_and_no_zombie_stays(spawn: Spawn, workspace: Workspace) -> None:
    child = spawn("exit 3")
    await_end(child)
    assert Child.adopt(workspace) is None
    assert process(child.pid) is None
    assert child.exit_status() == 3


def swept(child: Child) -> bool:
    """Kill whoever is left, as a Render does again and again; True once nobody is. One may be made in between."""
    child.signal(signal.SIGKILL)
    return child.is_empty()


def members(workspace: Workspace) -> list[int]:
    """Who is of the run, by its folder or its lock."""
    return [stat.pid for stat in living() if is_of_run(stat.pid, workspace.folder, workspace.record)]


def test_what_a_dead_shim_has_left_is_found_wherever_it_went_and_ended(spawn: Spawn, workspace: Workspace) -> None:
    away = f"(cd /; exec setsid sh -c '{FOR_EVER}')"
    child = spawn(f"{away} & (cd /; {FOR_EVER}) & {READY}{FOR_EVER}")
    await_ready(child)
    eventually(lambda: len(members(workspace)) >= 4, "the shim, the script, and both that went away")
    os.kill(child.pid, signal.SIGKILL)
    assert ended(child) == -signal.SIGKILL
    assert Child.adopt(workspace) is None
    assert is_unlocked(workspace) is False
    assert child.is_empty() is False
    end_by_force(workspace)
    assert members(workspace) == []
    assert is_unlocked(workspace)
    assert child.is_empty()


def test_one_that_left_group_and_session_is_ended_with_the_others(spawn: Spawn, workspace: Workspace) -> None:
    away = f"cd /; {READY_ELSEWHERE.format(workspace.folder)}{FOR_EVER}"
    child = spawn(f"setsid sh -c '{away}' & cat ready; exit 0")  # it ends once the other has gone
    assert ended(child) == 0
    assert child.is_empty() is False, "it holds the run's lock, whatever its group"
    eventually(lambda: swept(child), "nothing of the run is left")


def test_one_that_closed_everything_and_went_away_is_still_of_the_group(spawn: Spawn, workspace: Workspace) -> None:
    child = spawn(f"(cd /; exec 3>&-; {READY_ELSEWHERE.format(workspace.folder)}{FOR_EVER}) & cat ready; exit 0")
    assert ended(child) == 0
    assert is_unlocked(workspace)
    assert child.is_empty() is False
    eventually(lambda: swept(child), "nothing of the group is left")


def test_a_shim_that_is_not_noted_counts(spawn: Spawn, workspace: Workspace) -> None:
    """The daemon may die in the instant after the spawn; the lock is held from before that."""
    child = spawn(READY + FOR_EVER)
    await_ready(child)
    rewrite(workspace, lambda _note: "")
    assert kill_strays(workspace) is True
    await_end(child)


def test_a_full_disk_hides_neither_who_runs_nor_how_it_ended(spawn: Spawn, workspace: Workspace) -> None:
    """Both are written over room that is there: no file grows, or is cut first."""
    before = workspace.record.stat()
    assert ended(spawn("exit 7")) == 7
    assert workspace.noted("child", Noted) is not None
    assert workspace.exit_status() == 7
    after = workspace.record.stat()
    assert (after.st_size, after.st_blocks, after.st_ino) == (before.st_size, before.st_blocks, before.st_ino)


def test_to_kill_one_that_has_gone_is_no_error(spawn: Spawn, workspace: Workspace) -> None:
    child = spawn("exit 0")
    ended(child)
    child.signal(signal.SIGKILL)
    assert kill_strays(workspace) is False
