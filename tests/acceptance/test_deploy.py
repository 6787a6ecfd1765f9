"""deploy/: what an operator installs fits the program, and is taken by the programs that it is for."""

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from actors.catalogue import CATALOGUE, EVERYWHERE, WHERE_THEY_APPLY
from actors.config import DEFAULT_GRACE_SECONDS, FROM_ENVIRONMENT, load
from actors.daemon import GRACES_TO_STOP
from cli.group import COMMANDS
from tests.support.daemon import Daemon, clean_environment, serving
from tests.support.jobs import quick
from tests.support.shell import Shell

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"

MOST_EXPOSED = 20
"""Tenths of what systemd-analyze calls the exposure level: 96 is a unit without any hardening."""


def run(*words: str | Path, env: dict[str, str] | None = None) -> str:
    """What a program says; it must succeed."""
    done = subprocess.run(
        [*map(str, words)], capture_output=True, text=True, check=False, timeout=60, env=env or clean_environment()
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def needs(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


# ---------------------------------------------------------------- man pages and completion scripts


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make man` makes now."""
    folder = tmp_path_factory.mktemp("made")
    run(sys.executable, DEPLOY / "make_man.py", folder)
    return folder


@pytest.mark.parametrize("kind", ["man", "completions"])
def test_what_is_made_from_the_command_line_is_as_it_would_be_made_now(made: Path, kind: str) -> None:
    def contents(folder: Path) -> dict[str, str]:
        return {path.name: path.read_text() for path in (folder / kind).iterdir()}

    assert contents(made) == contents(DEPLOY), "say `make man`"


@pytest.mark.parametrize("page", ["log.md", "metrics.md"])
def test_the_tables_of_the_pages_are_those_of_the_catalogues(made: Path, page: str) -> None:
    assert (made / "docs" / page).read_text() == (DEPLOY / "docs" / page).read_text(), "say `make man`"


def test_every_command_has_a_page_with_its_options(made: Path) -> None:
    assert {path.name for path in (made / "man").iterdir()} == {"rushes.1", *(f"rushes-{name}.1" for name in COMMANDS)}
    for name in ("submit", "serve", "doctor"):
        page = (made / f"man/rushes-{name}.1").read_text()
        assert "\\-\\-bus ADDRESS" in page
        assert f"rushes {name}" in page


def test_the_pages_are_set_without_a_warning(made: Path) -> None:
    needs("groff")
    pages = sorted((made / "man").iterdir())
    assert run("groff", "-man", "-Tutf8", "-ww", "-z", *pages) == ""
    needs("man")
    shown = run("man", "-l", made / "man/rushes-cancel.1", env={**clean_environment(), "MANWIDTH": "80", "LC_ALL": "C"})
    assert "rushes cancel --session dailies --reason" in re.sub(".\b", "", shown), (
        "an example can be copied from the page"
    )


def test_the_scripts_are_what_the_command_prints(tmp_path: Path) -> None:
    shell = Shell(f"ipc://{tmp_path}/bus", tmp_path)
    for name, file in (("bash", "rushes.bash"), ("zsh", "_rushes"), ("fish", "rushes.fish")):
        assert shell.do("completion", name) == (DEPLOY / "completions" / file).read_text()


# ---------------------------------------------------------------- systemd


def unit() -> dict[str, list[str]]:
    """The settings of the unit by name; a name may stand several times."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "rushes.service").read_text().splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_ends_the_daemon_and_leaves_its_children_to_it() -> None:
    settings = unit()
    assert settings["KillMode"] == ["process"], "else an upgrade kills what encodes"
    assert int(settings["TimeoutStopSec"][0]) > GRACES_TO_STOP * DEFAULT_GRACE_SECONDS
    assert settings["Restart"] == ["on-failure"], "after `shutdown --mode leave` the new version is to be started"
    for needed in ("PrivateUsers", "RemoveIPC", "ProcSubset", "MemoryDenyWriteExecute"):
        assert needed not in settings, "see the unit's last comment"
    assert settings["RuntimeDirectory"] == settings["StateDirectory"] == ["rushes"]


def test_the_unit_waits_for_a_late_disk_and_then_gives_up_so_that_somebody_is_told() -> None:
    settings = unit()
    [pause], [starts], [interval] = (
        [int(value) for value in settings[name]] for name in ("RestartSec", "StartLimitBurst", "StartLimitIntervalSec")
    )
    assert 120 <= pause * starts < interval - starts, "a start that fails takes less than a second"


def test_systemd_takes_the_unit_and_finds_it_hardened(tmp_path: Path) -> None:
    needs("systemd-analyze")
    file = tmp_path / "rushes.service"  # with a program that is there
    file.write_text((DEPLOY / "rushes.service").read_text().replace("/opt/rushes/bin/rushes", "/bin/true"))
    assert "rushes.service:" not in run("systemd-analyze", "verify", "--man=no", file)
    run("systemd-analyze", "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager", file)


def test_the_unit_the_configuration_and_the_folders_name_the_same_places(tmp_path: Path) -> None:
    settings = load({}, DEPLOY / "rushes.toml", {})
    folders = {line.split()[1] for line in (DEPLOY / "tmpfiles.conf").read_text().splitlines() if line.startswith("d ")}
    assert folders == {settings.data, settings.bus.removeprefix("ipc://")} == {"/var/lib/rushes", "/run/rushes"}
    needs("systemd-tmpfiles")
    if os.geteuid() != 0:
        pytest.skip("only root can make folders for others")
    (tmp_path / "etc").mkdir()
    run("systemd-sysusers", f"--root={tmp_path}", DEPLOY / "sysusers.conf")
    run("systemd-tmpfiles", f"--root={tmp_path}", "--create", DEPLOY / "tmpfiles.conf")
    (uid,) = [
        line.split(":")[2] for line in (tmp_path / "etc/passwd").read_text().splitlines() if line.startswith("rushes:")
    ]
    for folder, mode in (("run/rushes", 0o40750), ("var/lib/rushes", 0o40700)):
        found = (tmp_path / folder).stat()
        assert (found.st_mode, found.st_uid) == (mode, int(uid))


def commands(text: str) -> list[str]:
    """Those of an installation by root that can be done below another folder than /."""
    lines = [line.removeprefix("#").strip() for line in text.splitlines()]
    found = [part.strip() for line in lines for part in line.split("&&")]
    return [one for one in found if one.startswith(("install -", "systemd-sysusers "))]


@pytest.mark.parametrize("where", ["rushes.service", "docs/install.md"])
def test_an_installation_as_it_is_written_makes_the_user_and_puts_the_files_in_place(
    where: str, tmp_path: Path
) -> None:
    needs("systemd-sysusers")
    if os.geteuid() != 0:
        pytest.skip("only root can make users")
    for folder in ("etc/systemd/system", "srv"):
        (tmp_path / folder).mkdir(parents=True)
    for command in commands((DEPLOY / where).read_text()):
        here = command.replace("systemd-sysusers", f"systemd-sysusers --root={tmp_path}")
        here = here.replace(" -o rushes -g rushes", "")  # whom only that folder knows
        here = here.replace(" /etc/", f" {tmp_path}/etc/").replace(" /srv/", f" {tmp_path}/srv/")
        run("bash", "-c", f"cd {ROOT} && {here}")
    assert "rushes:" in (tmp_path / "etc/passwd").read_text()
    assert (tmp_path / "etc/rushes/rushes.toml").read_bytes() == (DEPLOY / "rushes.toml").read_bytes()
    assert (tmp_path / "etc/systemd/system/rushes.service").exists()
    media = unit()["ReadWritePaths"][0].removeprefix("-")
    assert (tmp_path / media.removeprefix("/")).is_dir()


def test_a_log_file_is_where_the_unit_lets_it_be_written_and_logrotate_looks() -> None:
    example = re.search(r'^# log_file = "(.*?)"', (DEPLOY / "rushes.toml").read_text(), re.MULTILINE)
    assert example is not None
    (folder,) = unit()["LogsDirectory"]
    assert example[1] == f"/var/log/{folder}/rushes.log"
    assert f"\n{example[1]} {{\n" in (DEPLOY / "logrotate").read_text()
    assert f"\n    su {unit()['User'][0]} " in (DEPLOY / "logrotate").read_text()


# ---------------------------------------------------------------- containers


def ignored(path: str) -> bool:
    """True where .dockerignore keeps a path of the top level from the build: all but what it names."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in lines
    return f"!{path}" not in lines


def test_the_image_is_built_of_what_is_there_and_sets_what_can_be_set() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for word in line.split()]
    assert {"actors", "bus", "cli", "pyproject.toml", "requirements-run.lock"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists(), path
        assert not ignored(path), path
    assert "tests" not in copied
    assert {name.lower() for name in re.findall(r"RUSHES_(\w+)=", text)} <= FROM_ENVIRONMENT
    assert text.count("--require-hashes") == 2
    assert re.search(r"^USER [1-9]\d*:\d+$", text, re.MULTILINE), "not root, and by number"
    assert 'ENTRYPOINT ["tini", "--"]' in text
    for words in re.findall(r'CMD \["rushes", "(\w+)"', text):
        assert words in COMMANDS


def test_the_service_of_the_container_has_time_for_an_ordered_stop_and_publishes_nothing() -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    (seconds,) = re.findall(r"stop_grace_period: (\d+)s", text)
    assert int(seconds) > GRACES_TO_STOP * DEFAULT_GRACE_SECONDS
    assert "network_mode: none" in text
    assert "ports:" not in text
    assert 'test: ["CMD", "rushes", "status"]' in text
    image = (DEPLOY / "Dockerfile").read_text()
    for folder in ("/var/lib/rushes", "/run/rushes", "/srv/media"):
        assert f":{folder}\n" in text
        assert folder in image


NAME = re.compile(r"^([a-z0-9-]+)==(\S+)", re.MULTILINE)


def pinned(lock: str) -> dict[str, tuple[str, frozenset[str]]]:
    """The packages of a lock: the version of each, and the hashes that it may have."""
    found = {}
    for piece in re.split(r"\n(?=[a-z0-9-]+==)", (ROOT / lock).read_text()):
        named = NAME.search(piece)
        if named is not None:
            found[named[1]] = (named[2], frozenset(re.findall(r"sha256:([0-9a-f]{64})", piece)))
    return found


def test_what_runs_is_locked_as_what_is_tested_and_nothing_else_with_it() -> None:
    runs, tested = pinned("requirements-run.lock"), pinned("requirements.lock")
    assert runs.items() <= tested.items(), "say `make lock`"
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[><=\[ ]", name)[0] for name in wanted} <= runs.keys()
    assert not {"pytest", "mypy", "ruff", "hatchling"} & runs.keys()
    assert all(hashes for _, hashes in runs.values())


# ---------------------------------------------------------------- the log


LNAV = DEPLOY / "lnav/rushes.json"


def lnav_format() -> dict[str, object]:
    found: dict[str, object] = json.loads(LNAV.read_text())["rushes_log"]
    return found


def test_lnavs_format_names_keys_that_the_log_has() -> None:
    known = {*EVERYWHERE, *WHERE_THEY_APPLY, *(key for entry in CATALOGUE.values() for key in entry.keys.split())}
    found = lnav_format()
    values, lines = found["value"], found["line-format"]
    assert isinstance(values, dict)
    assert isinstance(lines, list)
    named = {part["field"] for part in lines if isinstance(part, dict)} - {"__timestamp__", "__level__"}
    fields = {str(found[f"{kind}-field"]) for kind in ("timestamp", "level", "body", "opid")}
    assert values.keys() | named | fields <= known


@pytest.fixture(scope="module")
def a_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of a daemon that has done a job, and failed one."""
    folder = tmp_path_factory.mktemp("log")
    with serving(slots=1, log_file=folder / "rushes.log") as daemon:
        _work(daemon)
    return folder / "rushes.log"


def _work(daemon: Daemon) -> None:
    assert daemon.finish(quick(daemon.out / "done.mp4"))["status"] == "completed"
    job = quick(daemon.out / "fails.mp4")
    job["outputs"][0]["args"] = ["-c:v", "no-such-encoder"]
    assert daemon.finish(job)["status"] == "failed"


def test_lnav_reads_a_real_log(a_log: Path, tmp_path: Path) -> None:
    needs("lnav")
    environment = {**clean_environment(), "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path), "TERM": "xterm"}
    run("lnav", "-i", LNAV, env=environment)
    ask = ";SELECT log_level, log_body, job_id, output, code FROM rushes_log"
    asked = run("lnav", "-n", "-c", ask, "-c", ":write-csv-to -", a_log, env=environment)
    rows = list(csv.DictReader(io.StringIO(asked)))
    lines = [json.loads(line) for line in a_log.read_text().splitlines()]
    assert [row["log_body"] for row in rows] == [line["event"] for line in lines]
    assert [row["log_level"] for row in rows] == [line["level"] for line in lines]
    (failed,) = [row for row in rows if row["log_body"] == "job_failed"]
    (line,) = [line for line in lines if line["event"] == "job_failed"]
    assert (failed["job_id"], failed["code"]) == (line["job_id"], "unknown_encoder")
    text = run("lnav", "-n", a_log, env=environment)
    assert re.search(
        rf"WARNING\s+{line['job_id']}\s+job_failed\s+unknown_encoder Unknown encoder 'no-such-encoder'", text
    )
