"""Daemons for the acceptance tests: one that a module shares, or one of a test's own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemon import Daemon, serving
from tests.support.doctor import open_folder
from tests.support.shell import Shell
from tests.support.wire import Listener


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    """The daemon that a module's tests share. A module that needs other options has a `shared` of its own."""
    with serving(slots=2) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Daemon) -> Iterator[Daemon]:
    """The module's daemon, with nothing waiting and nothing running before and after the test.

    A test may kill it, restart it and give it other options: afterwards it is as it was.
    """
    seen = len(shared.stderr())
    yield shared
    print(shared.stderr()[seen:])  # what pytest shows of a test that failed
    shared.reset()


@pytest.fixture(scope="module")
def deaf_hook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration with a webhook that nobody takes."""
    path = tmp_path_factory.mktemp("hook") / "rushes.toml"
    path.write_text('[[notify]]\nname = "farm"\nurl = "http://127.0.0.1:1/"\n')
    return path


@pytest.fixture
def held(daemon: Daemon) -> Daemon:
    """The module's daemon, which starts no job until it is resumed."""
    daemon.result("drain")
    return daemon


@pytest.fixture
def shell(daemon: Daemon) -> Shell:
    """Runs `rushes` as a user of the module's daemon would, in the folder of its outputs."""
    return Shell(daemon.bus, daemon.out)


@pytest.fixture(scope="module")
def subscriber(shared: Daemon) -> Iterator[Listener]:
    """Hears all that the module's daemon publishes, in modules where it is not restarted."""
    with shared.listener() as listener:
        yield listener


@pytest.fixture
def listener(subscriber: Listener, daemon: Daemon) -> Listener:
    """Hears what the daemon publishes from now on."""
    subscriber.forget()
    return subscriber


@pytest.fixture
def start() -> Iterator[Callable[..., Daemon]]:
    """Starts daemons that are this test's own."""
    with ExitStack() as stack:

        def start_one(**options: Any) -> Daemon:
            daemon = stack.enter_context(serving(**options))
            stack.callback(lambda: print(daemon.stderr()))  # what pytest shows of a test that failed
            return daemon

        yield start_one


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the test's own that other users may enter, too."""
    yield from open_folder()
