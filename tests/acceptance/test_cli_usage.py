"""What all commands have in common: their help, their completion, and their exit status for each thing that fails."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest

from cli.group import COMMANDS
from tests.support.daemon import Daemon, serving
from tests.support.ports import free_pair
from tests.support.shell import DONE, NO_DAEMON, PIPE_CLOSED, REFUSED, RUSHES, WRONG_USAGE, Shell

NOBODY = "a" * 16

CLIENTS: dict[str, list[str]] = {
    "submit": ["/in.mov", "/out.mp4"],
    "wait": [NOBODY],
    "cancel": [NOBODY],
    "delete": [NOBODY, "--yes"],
    "boost": [NOBODY, "--front"],
    "retry": [NOBODY],
    "pause": [NOBODY],
    "unpause": [NOBODY],
    "slots": ["cpu=2"],
    "top": [],
    "list": [],
    "show": [NOBODY],
    "why": [NOBODY],
    "session": ["dailies"],
    "log": [NOBODY],
    "tail": ["--no-follow"],
    "audit": [],
    "formats": [],
    "status": [],
    "drain": [],
    "resume": [],
    "shutdown": [],
    "log-level": ["info"],
    "backup": ["/nowhere/copy.sqlite3"],
}
"""The commands that ask a daemon, each with words that are right."""

OTHERS = ["serve", "doctor", "demo", "completion"]

COLUMNS, LINES = 100, 24


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    """A daemon whose users may only look."""
    with serving(slots=1, env={"RUSHES_DEFAULT_ROLE": "viewer"}) as daemon:
        yield daemon


@pytest.fixture
def viewer(shared: Daemon) -> Shell:
    return Shell(shared.bus, shared.out)


@pytest.fixture
def lonely(tmp_path: Path) -> Shell:
    """The shell of a user who has no daemon."""
    return Shell(f"ipc://{tmp_path}/bus", tmp_path)


# ---------------------------------------------------------------- help


def test_the_help_is_a_screen_and_names_every_command(lonely: Shell) -> None:
    lines = lonely.do("--help").splitlines()
    assert len(lines) <= LINES, "have it share the line of a command that it belongs to (cli/group.py)"
    assert max(map(len, lines)) <= COLUMNS
    assert lonely.do("-h").splitlines() == lines
    for command in COMMANDS:
        assert any(re.search(rf"\b{command}(?:, [a-z]+)?\s\s+[A-Z]", line) for line in lines), command


def test_every_command_explains_itself_with_an_example(lonely: Shell) -> None:
    assert {*CLIENTS, *OTHERS} == {*COMMANDS}, "a new one stands in CLIENTS or OTHERS above"
    for command, ran in zip(COMMANDS, lonely.each([command, "--help"] for command in COMMANDS), strict=True):
        assert ran.status == DONE
        assert max(map(len, ran.out.splitlines())) <= COLUMNS, command
        example = ran.out[ran.out.index("Example") : ran.out.index("\nOptions:")]
        assert f"rushes {command}" in example
        assert "-h, --help" in ran.out
        assert "x>=" not in ran.out, "a range in words"
        if command in CLIENTS:
            assert "--bus ADDRESS" in ran.out, command
            assert "--json" in ran.out, command


# ---------------------------------------------------------------- completion


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_completion_script_is_one_that_its_shell_can_read(lonely: Shell, name: str) -> None:
    script = lonely.do("completion", name)
    assert f"_RUSHES_COMPLETE={name}_complete" in script
    program = shutil.which(name)
    if program is not None:
        run = subprocess.run([program, "-n"], input=script, capture_output=True, text=True, check=False)
        assert (run.returncode, run.stderr) == (0, "")


def test_commands_options_and_values_are_completed(lonely: Shell) -> None:
    assert lonely.completions("rushes", "re") == {"retry", "resume"}
    assert lonely.completions("rushes", "cancel", "--re") == {"--reason"}
    assert lonely.completions("rushes", "list", "--status", "c") == {"completed", "cancelled"}


# ---------------------------------------------------------------- exit status


def test_no_command_takes_an_option_that_it_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cli.group import rushes

    monkeypatch.setenv("RUSHES_BUS", f"ipc://{tmp_path}/bus")  # one that did would ask a daemon
    for command in CLIENTS:
        with pytest.raises(click.NoSuchOption, match="--no-such-option"):
            rushes.main([command, "--no-such-option"], prog_name="rushes", standalone_mode=False)


def test_wrong_usage_ends_with_two_and_leads_to_the_commands_own_help(lonely: Shell) -> None:
    """Two of those whose usage is judged at one place, and each that is judged at one of its own."""
    commands = ["submit", "list", *OTHERS]
    runs = lonely.each([command, "--no-such-option"] for command in commands)
    for command, ran in zip(commands, runs, strict=True):
        said, hint = ran.err.splitlines()
        assert (ran.status, hint) == (WRONG_USAGE, f"Try `rushes {command} --help`.")
        assert said.startswith("rushes: ")
        assert "--no-such-option" in said


WRONG = [
    (["--bus", "ipc:///b", "list"], "options go after the command: rushes list --bus ..."),
    (["--json", "status"], "rushes status --json ..."),
    (["list", "--json=1"], "Try `rushes list --help`."),
    (["list", "--limit"], "Try `rushes list --help`."),
    (["list", "--limit", "0"], "must be a whole number, 1 to 1000, not '0'"),
    (["lits"], "did you mean 'list'?"),
    (["status", "--bus", "nonsense"], "ipc:///absolute/folder"),
    (["list", "--order", "queue", "--status", "failed"], "--order queue is of queued jobs alone"),
    (["completion"], "Missing argument '{bash|zsh|fish}'. Choose from: bash, zsh, fish\n"),
    ([], "Usage: rushes COMMAND"),
]
"""Words after `rushes`, and what is said to them."""


def test_what_is_wrong_is_said_with_what_would_be_right(lonely: Shell) -> None:
    for ran, (words, said) in zip(lonely.each(words for words, _ in WRONG), WRONG, strict=True):
        assert (ran.status, ran.out) == (WRONG_USAGE, ""), words
        assert said in ran.err


def test_where_no_daemon_answers_each_command_ends_with_three_and_says_where(lonely: Shell, tmp_path: Path) -> None:
    ipc, tcp = f"ipc://{tmp_path}/bus", f"tcp://127.0.0.1:{free_pair()}"

    def ask(words: list[str]) -> str:
        return lonely.fails(NO_DAEMON, *words)

    with ThreadPoolExecutor(len(CLIENTS) + 1) as pool:  # each waits a second for a daemon to come back
        over_tcp = pool.submit(ask, ["status", "--bus", tcp])
        said = list(pool.map(ask, ([command, *words] for command, words in CLIENTS.items())))
    to_do = "; is `rushes serve` running? `rushes doctor` tells\n"
    assert all(words.endswith(f"rushes: no daemon answered at {ipc} within 1 s{to_do}") for words in said)
    assert over_tcp.result() == f"rushes: no daemon answered at {tcp} within 1 s{to_do}"


def test_a_job_that_is_not_there_ends_with_one_and_the_code(viewer: Shell) -> None:
    commands = ("wait", "cancel", "delete", "boost", "retry", "show", "log")
    for ran in viewer.each([command, *CLIENTS[command]] for command in commands):
        assert (ran.status, ran.err) == (REFUSED, f"rushes: not_found: there is no job {NOBODY}\n")


def test_what_a_role_may_not_do_ends_with_one_and_the_code(viewer: Shell) -> None:
    for ran in viewer.each([command, *CLIENTS[command]] for command in ("submit", "drain", "resume", "shutdown")):
        assert ran.status == REFUSED
        assert "rushes: forbidden: " in ran.err


def test_what_is_done_ends_with_zero(viewer: Shell) -> None:
    for ran in viewer.each([command, *CLIENTS[command]] for command in ("list", "tail", "audit", "status")):
        assert ran.status == DONE


def test_whoever_closes_the_pipe_hears_no_complaint(viewer: Shell) -> None:
    theirs, ours = os.pipe()
    os.close(theirs)
    run = subprocess.run([RUSHES, "status"], stdout=ours, stderr=subprocess.PIPE, check=False, env=viewer.environment)
    os.close(ours)
    assert (run.returncode, run.stderr) == (PIPE_CLOSED, b"")
