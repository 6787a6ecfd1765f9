"""Which lines of several lists stand on a screen of a few. Pure."""

from collections.abc import Sequence

SHARES = (2, 3, 2)
"""How running jobs, queue and outcomes share a screen that is too small for all of them."""


def allot(lengths: Sequence[int], height: int) -> list[int]:
    """Lines for each list: its share at least, and what others do not need.

    Args:
        lengths: lines of each list.
        height: lines there are, for all of them.

    """
    given = [0] * len(lengths)
    while (left := height - sum(given)) > 0:
        wanting = [number for number, length in enumerate(lengths) if given[number] < length]
        if not wanting:
            break
        shares = sum(SHARES[number] for number in wanting)
        for number in wanting:
            part = max(1, left * SHARES[number] // shares)
            given[number] += min(part, lengths[number] - given[number], height - sum(given))
    return given


def scrolled(top: int, chosen: int | None, length: int, height: int) -> int:
    """The first line of a list that is shown: as before, but so that the chosen one is seen.

    Args:
        top: the first line that was shown.
        chosen: the line that must be seen, None where it is in another list.
        length: lines of the list.
        height: lines of it that are shown.

    """
    if chosen is not None:
        top = min(max(top, chosen - height + 1), chosen)
    return max(0, min(top, length - height))
