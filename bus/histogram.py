"""A histogram of plain numbers: one thread counts in it at a fraction of a microsecond, any thread may look."""

from bisect import bisect_left
from collections.abc import Sequence


class Histogram:
    """How often a value was in each range, and the sum of all.

    Whoever looks while another thread counts may find the last value in one of the two and not yet in the other.

    Args:
        bounds: the upper bound of each range, rising; what is above the last has a range of its own.

    """

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count a value in the first range whose bound it does not pass."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value
