"""Daemons for the acceptance tests: one that a module shares, or one that a test may kill."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.daemon import Daemon, serving


@pytest.fixture(scope="module")
def shared() -> Iterator[Daemon]:
    """The daemon that a module's tests share. A module that needs other options has a `shared` of its own."""
    with serving(slots=2) as daemon:
        yield daemon


@pytest.fixture
def daemon(shared: Daemon) -> Iterator[Daemon]:
    """The module's daemon, with nothing waiting and nothing running before and after the test."""
    yield shared
    shared.clear()


@pytest.fixture
def start() -> Iterator[Callable[..., Daemon]]:
    """Starts daemons that are this test's own, to be killed, restarted or broken."""
    with ExitStack() as stack:

        def start_one(**options: Any) -> Daemon:
            return stack.enter_context(serving(**options))

        yield start_one


@pytest.fixture
def own(start: Callable[..., Daemon]) -> Daemon:
    """A daemon of this test's own, with the default options."""
    return start(slots=2)
