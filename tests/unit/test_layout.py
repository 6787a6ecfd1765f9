"""The layout of DESIGN.md, read from the code's own imports: who knows whom, and which third party stays where."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("actors", "bus", "cli")
MAX_LINES = 400

ROOMS = {
    "zmq": ["bus/*.py"],
    "msgpack": ["bus/codec.py"],
    "sqlite3": [
        "actors/jobs/database.py",
        "actors/jobs/store.py",
        "actors/jobs/sql.py",
        "actors/archive.py",
        "actors/backup.py",
        "actors/doctor/store.py",
    ],
    "subprocess": ["actors/ffmpeg/*.py", "cli/demo*.py"],
    "pykka": ["actors/*.py"],
    "structlog": ["actors/logs.py"],
    "prometheus_client": ["actors/metrics/collector.py"],
    "rich": ["cli/bars.py", "cli/top/*.py"],
    "textual": ["cli/top/*.py"],
}
"""Each third party (and each costly module) and the only files that may import it."""

NOT_AT_START = {"rich", "structlog", "pykka", "sqlite3", "asyncio", "textual", "prometheus_client", "actors"}
"""What a command of the CLI may not have loaded, so that it feels instant."""


def sources() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def place(path: Path) -> str:
    """A file as the rules name it."""
    return str(path.relative_to(ROOT))


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file imports, wherever in the file."""
    return frozenset(_imports(ast.parse(path.read_text())))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole module"
            yield node.module or ""


def importers(name: str) -> list[str]:
    """The files that import a module or anything in it."""
    return [
        place(path)
        for path in sources()
        if any(module == name or module.startswith(f"{name}.") for module in imports(path))
    ]


@pytest.mark.parametrize(
    ("package", "stranger"), [("bus", "actors"), ("bus", "cli"), ("cli", "actors"), ("actors", "cli")]
)
def test_a_package_does_not_know(package: str, stranger: str) -> None:
    assert [path for path in importers(stranger) if path.startswith(f"{package}/")] == []


@pytest.mark.parametrize("third_party", ROOMS)
def test_a_third_party_stays_in_its_room(third_party: str) -> None:
    found = importers(third_party)
    assert found, f"nobody imports {third_party}: this rule is about nothing"
    assert [path for path in found if not any(fnmatch(path, room) for room in ROOMS[third_party])] == []


def test_the_states_know_nobody() -> None:
    assert imports(ROOT / "actors/jobs/states.py") == frozenset()


def test_every_file_is_short_enough_to_read() -> None:
    lengths = {place(path): len(path.read_text().splitlines()) for path in sources()}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_a_daemon_does_not_load_what_it_is_not_configured_to_do() -> None:
    """No metrics, no webhooks; and never rich, which its log's library would take along."""
    look = (
        "import sys, actors.__main__; from pathlib import Path; from actors.metrics.service import Metrics;"
        "from actors.webhooks.service import Webhooks;"
        "Metrics.of(0); Webhooks((), '', Path(), None); print(*sys.modules);"
        "import actors.metrics.collector, actors.webhooks.courier, actors.metrics.server; print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=ROOT)
    without, with_ = (set(line.split()) for line in run.stdout.splitlines())
    assert {"actors.daemon", "structlog.dev"} <= without, "the look saw nothing"
    assert {name for name in with_ - without if "." not in name} >= {"prometheus_client", "http"}
    assert "rich" not in without


def test_no_command_loads_what_it_does_not_need_to_start() -> None:
    """All modules of all commands at once: what none of them loads, no command loads."""
    look = (
        "import sys, click, cli.main, bus.client;"
        "from cli import group;"
        "[group.rushes.get_command(click.Context(group.rushes), name) for name in group.COMMANDS];"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in run.stdout.split()}
    assert {"click", "zmq", "msgspec", "cli"} <= loaded, "the look saw nothing"
    assert loaded & NOT_AT_START == set()
