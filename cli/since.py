"""`--since`: an event's number, how long ago, or a time."""

import re
from datetime import UTC, datetime, timedelta

import click

from bus.limits import MAX_SEQ

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
SPAN = re.compile(r"([0-9]+)([smhdw])")


def read_since(_ctx: click.Context, _param: click.Parameter, said: str | None) -> int | datetime | None:
    """The callback of `--since`: an `int`, which is a seq, or a `datetime` in UTC.

    A time without a zone is on this machine's clock, as `tail` prints them.
    """
    if said is None:
        return None
    now = datetime.now(UTC)
    try:
        found = _read(said, now)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "must be an event's number, how long ago (90s, 10m, 2h, 3d), or a time such as 2026-11-26T04:00:00Z, "
            f"not {said!r}"
        ) from None
    if isinstance(found, datetime) and found > now:
        raise click.BadParameter(f"{said!r} is still to come")
    return found


def _read(said: str, now: datetime) -> int | datetime:
    """Raises ValueError or OverflowError where it is none of these."""
    if re.fullmatch("[0-9]+", said):
        if int(said) > MAX_SEQ:
            raise ValueError(said)
        return int(said)
    if re.fullmatch(f"({SPAN.pattern})+", said):
        return now - sum((timedelta(**{UNITS[unit]: int(n)}) for n, unit in SPAN.findall(said)), timedelta())
    return datetime.fromisoformat(said).astimezone(UTC)
