"""The pages of deploy/docs: every shell block runs, as it stands, in the order of its page; and the README's Python."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from actors.config import FROM_ENVIRONMENT, NAMES
from tests.support.daemon import Daemon, clean_environment
from tests.support.media import Clips
from tests.support.processes import descendants_of, eventually, kill_all
from tests.support.shell import RUSHES

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "deploy/docs").glob("*.md"))
README, PROTOCOL = ROOT / "README.md", ROOT / "bus/PROTOCOL.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")
NEEDS_A_DAEMON = "<!-- a daemon runs -->\n"
PAGE_SECONDS = 120
"""For a page; most take some seconds."""

BEFORE = "set -euo pipefail\n"
SERVE = "rushes serve & until rushes status >/dev/null 2>&1; do sleep 0.1; done\n"


@pytest.fixture
def folder(tmp_path: Path, clips: Clips) -> Iterator[Path]:
    """Where a reader tries things out, with a clip; whatever runs there at the end is ended."""
    for name in ("in.mov", "other.mov"):
        (tmp_path / name).write_bytes(clips.clip(1).read_bytes())
    yield tmp_path
    kill_all(descendants_of(tmp_path))
    eventually(lambda: not descendants_of(tmp_path), "nobody is left")


def blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text())


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_every_shell_block_runs_as_it_stands(page: Path, folder: Path, ffmpeg: Path) -> None:
    serve = SERVE if page.read_text().startswith(NEEDS_A_DAEMON) else ""
    script = BEFORE + serve + "\n".join(blocks(page))
    environment = clean_environment(
        {
            "RUSHES_DATA": str(folder / "data"),
            "RUSHES_BUS": f"ipc://{folder}/bus",
            "RUSHES_FFMPEG": str(ffmpeg),
            "HOME": str(folder),
            "PATH": f"{Path(RUSHES).parent}:{os.environ['PATH']}",
            "TEST_BASE": str(folder),
        }
    )
    output = folder / "said"
    with output.open("wb") as said:
        bash = subprocess.Popen(
            ["bash", "-c", script], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
            start_new_session=True,
        )  # fmt: skip
        try:
            status = bash.wait(PAGE_SECONDS)
        finally:
            with suppress(ProcessLookupError):  # its daemons have ended, too
                os.killpg(bash.pid, signal.SIGTERM)
    assert status == 0, output.read_text(errors="replace")[-3000:]


PYTHON = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", PYTHON.findall(README.read_text()), ids=["Python", "anything else"])
def test_the_python_of_the_readme_does_a_job(block: str, daemon: Daemon, clips: Clips, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    script = block.replace("/in.mov", str(clips.clip(1))).replace("/out.mp4", str(out))
    environment = clean_environment({"RUSHES_BUS": daemon.bus})
    ran = subprocess.run(
        [sys.executable, "-c", script.replace("ipc:///run/user/1000/rushes", daemon.bus)],
        env=environment, capture_output=True, text=True, timeout=PAGE_SECONDS, check=False,
    )  # fmt: skip
    assert (ran.returncode, ran.stderr) == (0, "")
    assert out.exists()


@pytest.mark.parametrize("page", [*PAGES, README, PROTOCOL], ids=lambda page: page.stem)
def test_every_link_leads_somewhere(page: Path) -> None:
    targets = [(page.parent / target) for target in LINK.findall(page.read_text())]
    assert [str(target) for target in targets if not target.exists()] == []


def test_the_readme_names_every_setting_and_its_variable() -> None:
    text = README.read_text()
    for name in NAMES:
        assert re.search(rf"`(?:--|\[+)?{name.replace('_', '[_-]')}\b", text), name
    for name in FROM_ENVIRONMENT:
        assert f"`RUSHES_{name.upper()}`" in text


def test_every_command_has_its_place_in_a_page() -> None:
    """What nobody reads of, nobody finds."""
    from cli.group import COMMANDS

    text = "\n".join(page.read_text() for page in [*PAGES, README])
    assert [name for name in COMMANDS if f"rushes {name}" not in text] == [], "in README.md, or a page of deploy/docs"
