"""The entry point: runs one command and turns whatever comes of it into a line and an exit status."""

import os
import sys
from typing import NoReturn

DONE = 0
REFUSED = 1
USAGE = 2
NO_DAEMON = 3
INTERRUPTED = 130
"""128 + SIGINT, as shells count."""
PIPE_CLOSED = 141
"""128 + SIGPIPE: what reads our output has gone, as in `rushes list | head -1`."""


def main() -> NoReturn:
    """Run the command in `sys.argv`."""
    try:
        # Imported here, so that Ctrl-C during the first 100 ms is as quiet as later.
        from cli.group import run

        status = run()
        sys.stdout.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more at its end, and must not complain of it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = PIPE_CLOSED
    sys.exit(status)
