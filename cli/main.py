"""The entry point: runs one command and turns whatever comes of it into a line and an exit status."""

import gc
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


GC_THRESHOLD = 100_000
"""Start-up makes some 50,000 objects that stay; looking for garbage among them takes a tenth of its time."""


def main() -> NoReturn:
    """Run the command in `sys.argv`."""
    gc.set_threshold(GC_THRESHOLD)
    try:
        # Imported here, so that Ctrl-C during the first 100 ms is as quiet as later.
        from cli.group import run

        status = run()
    except KeyboardInterrupt:
        status = INTERRUPTED
    gc.freeze()  # nor is there any use in looking once more at the end
    sys.exit(status)
