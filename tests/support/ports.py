"""Free tcp ports, in the pairs that a bus address names."""

import random
import socket


def free_pair() -> int:
    """A port that nobody uses, nor the one after it; below what the kernel gives to others."""
    while True:
        port = random.randrange(20_000, 30_000)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
