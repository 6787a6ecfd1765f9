"""A line for each client, served in turn; where it is too much, whoever has most gives way."""

from collections import Counter
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from bus.lines import Bounds, Lines

PLENTY = Bounds(10_000, 10_000_000)


class One(NamedTuple):
    client: bytes
    number: int
    size: int = 1


def put(lines: Lines[One], one: One, bounds: Bounds = PLENTY) -> list[One]:
    return lines.put(one.client, one, bounds)


def drained(lines: Lines[One]) -> list[One]:
    found = []
    while lines:
        found.append(lines.next())
    return found


def test_each_client_has_its_turn_and_its_own_order() -> None:
    lines: Lines[One] = Lines()
    for number in range(3):
        put(lines, One(b"many", number))
    put(lines, One(b"few", 0))
    assert [(one.client, one.number) for one in drained(lines)] == [
        (b"many", 0), (b"few", 0), (b"many", 1), (b"many", 2),
    ]  # fmt: skip


def test_who_comes_to_a_full_room_gets_in_and_the_longest_line_loses_its_newest() -> None:
    lines: Lines[One] = Lines()
    bounds = Bounds(100, 10_000)
    for number in range(100):
        assert put(lines, One(b"flood", number), bounds) == []
    assert put(lines, One(b"flood", 100), bounds) == [One(b"flood", 100)]
    assert put(lines, One(b"polite", 0), bounds) == [One(b"flood", 99)]
    assert lines.next() == One(b"flood", 0)
    assert lines.next() == One(b"polite", 0)


def test_bytes_count_as_well_and_then_the_heaviest_gives_way() -> None:
    lines: Lines[One] = Lines()
    bounds = Bounds(1000, 1000)
    put(lines, One(b"heavy", 0, 900), bounds)
    for number in range(10):
        assert put(lines, One(b"light", number, 10), bounds) == []
    assert put(lines, One(b"light", 10, 10), bounds) == [One(b"heavy", 0, 900)]
    assert (lines.messages, lines.size) == (11, 110)


def test_one_that_is_too_much_by_itself_does_not_get_in() -> None:
    lines: Lines[One] = Lines()
    assert put(lines, One(b"x", 0, 20), Bounds(10, 10)) == [One(b"x", 0, 20)]
    assert put(lines, One(b"x", 0), Bounds(0, 10)) == [One(b"x", 0)]
    assert not lines


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", None]), st.integers(1, 40)), max_size=80))
def test_nothing_is_lost_or_doubled_and_the_bounds_hold(steps: list[tuple[bytes | None, int]]) -> None:
    lines: Lines[One] = Lines()
    bounds = Bounds(12, 150)
    inside: Counter[One] = Counter()
    for number, (client, size) in enumerate(steps):
        if client is None:
            if lines:
                inside[lines.next()] -= 1
            continue
        one = One(client, number, size)
        inside[one] += 1
        for gone in put(lines, one, bounds):
            inside[gone] -= 1
        assert lines.messages <= bounds.messages
        assert lines.size <= bounds.size
    left = drained(lines)
    assert Counter(left) == +inside
    for client in (b"a", b"b", b"c"):
        own = [one.number for one in left if one.client == client]
        assert own == sorted(own)
    assert (lines.messages, lines.size) == (0, 0)


def test_it_knows_how_many_clients_wait() -> None:
    lines: Lines[One] = Lines()
    assert lines.clients == 0
    for client in (b"a", b"b", b"a"):
        put(lines, One(client, 1))
    assert lines.clients == 2
    assert [lines.next().client, lines.next().client] == [b"a", b"b"]
    assert lines.clients == 1
