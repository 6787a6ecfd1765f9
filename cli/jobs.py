"""Which job is meant by an id that was cut short."""

from bus.client import Client
from bus.errors import NotFound

FULL_ID_CHARS = 16
"""The ids that the daemon makes; anything shorter is a prefix."""


def find(client: Client, given: str) -> str:
    """The full id of the one job whose id begins with `given`.

    Raises:
        NotFound: there is none, or more than one.

    """
    if len(given) >= FULL_ID_CHARS:
        return given
    jobs = client.list(prefix=given, limit=2).jobs
    if len(jobs) == 1:
        return jobs[0].id
    if not jobs:
        raise NotFound(f"no job has an id that begins with {given!r}")
    raise NotFound(f"{given!r} is the beginning of {jobs[0].id}, {jobs[1].id} and perhaps more; give more of it")
