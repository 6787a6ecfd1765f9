"""Free tcp ports, in the pairs that a bus address names."""

import os
import random
import socket

FIRST, EACH = 20_000, 1000
"""Below what the kernel gives to others. Each of the workers that pytest has tests run by has so many of its own: what
is free is not yet taken, and another worker must not find the same.
"""


def free_pair() -> int:
    """A port that nobody uses, nor the one after it."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
    while True:
        port = random.randrange(FIRST + worker * EACH, FIRST + (worker + 1) * EACH - 1)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
