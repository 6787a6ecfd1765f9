"""A reader of events stays whole: whatever the publisher dropped, it gives each event once, in order."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from bus.follow import Follower, Next
from bus.messages import Event, EventsResult


def event(seq: int | None, kind: str = "job.submitted", **data: object) -> Event:
    return Event(seq=seq, at="", type=kind, job_id=None, session=None, by=None, command_id=None, data=dict(data))


def heartbeat(last_seq: int, epoch: str = "one") -> Event:
    return event(None, "daemon.heartbeat", last_seq=last_seq, epoch=epoch)


def page(seqs: Sequence[int], last_seq: int, epoch: str = "one") -> EventsResult:
    return EventsResult([event(seq) for seq in seqs], last_seq, 1, epoch)


def at(seen: int, epoch: str = "one", *, ephemeral: bool = False) -> Follower:
    """A follower that is whole up to `seen`."""
    follower = Follower(seen, ephemeral=ephemeral)
    list(follower.page(page([], seen, epoch)))
    return follower


def seqs_of(follower: Follower, fetched: EventsResult) -> list[int | None]:
    return [event.seq for event in follower.page(fetched)]


def test_the_next_event_is_given() -> None:
    follower = at(4)
    assert follower.offer(event(5)) is Next.GIVE
    assert follower.seen == 5


def test_an_event_that_was_given_is_skipped() -> None:
    follower = at(5)
    assert [follower.offer(event(seq)) for seq in (5, 1)] == [Next.SKIP, Next.SKIP]
    assert follower.seen == 5


def test_after_a_gap_the_rest_is_fetched() -> None:
    follower = at(5)
    assert follower.offer(event(7)) is Next.FETCH
    assert seqs_of(follower, page([6, 7], 7)) == [6, 7]
    assert follower.whole(page([6, 7], 7))


def test_a_heartbeat_with_a_higher_seq_means_that_something_was_missed() -> None:
    assert at(5).offer(heartbeat(6)) is Next.FETCH
    assert at(5).offer(heartbeat(5)) is Next.SKIP


def test_a_page_gives_nothing_twice() -> None:
    assert seqs_of(at(5), page([4, 5, 6, 7], 7)) == [6, 7]


def test_a_page_that_is_not_the_last_leaves_something_to_fetch() -> None:
    follower = at(5)
    first = page([6, 7], 9)
    assert seqs_of(follower, first) == [6, 7]
    assert not follower.whole(first)


def test_events_that_can_no_longer_be_read_are_not_waited_for() -> None:
    follower = at(5)
    assert seqs_of(follower, page([50, 51], 51)) == [50, 51]
    emptied = page([], 60)
    assert seqs_of(follower, emptied) == []
    assert follower.whole(emptied)


def test_one_that_is_ahead_of_the_history_goes_on_from_its_end() -> None:
    follower = at(1000)
    assert seqs_of(follower, page([], 5)) == []
    assert follower.offer(event(6)) is Next.GIVE


def test_another_epoch_is_another_history_and_begins_with_its_first_event() -> None:
    follower = at(5)
    assert follower.offer(heartbeat(5, "two")) is Next.FETCH
    stranger = page([], 5, "two")
    assert seqs_of(follower, stranger) == []
    assert not follower.whole(stranger)
    assert seqs_of(follower, page([1, 2], 2, "two")) == [1, 2]
    assert follower.offer(heartbeat(2, "two")) is Next.SKIP


def test_ephemeral_events_are_for_those_who_want_them() -> None:
    progress = event(None, "job.progress")
    assert at(5).offer(progress) is Next.SKIP
    assert at(5, ephemeral=True).offer(progress) is Next.GIVE


@given(
    since=st.integers(0, 5),
    length=st.integers(5, 30),
    heard=st.data(),
    page_size=st.integers(1, 7),
)
def test_whatever_is_dropped_or_comes_twice_each_event_is_given_once_in_order(
    since: int, length: int, heard: st.DataObject, page_size: int
) -> None:
    given_seqs: list[int | None] = []
    follower = Follower(since)

    def catch_up(published: int) -> None:
        while True:
            begin = follower.seen + 1
            fetched = page(range(begin, min(begin + page_size, published + 1)), published)
            given_seqs.extend(seqs_of(follower, fetched))
            if follower.whole(fetched):
                return

    for seq in range(since + 1, length + 1):
        arrivals = heard.draw(st.lists(st.integers(1, seq), max_size=3), label="comes over the socket")
        beats = heard.draw(st.booleans(), label="a heartbeat follows")
        for said in [event(arrival) for arrival in arrivals] + [heartbeat(seq)] * beats:
            match follower.offer(said):
                case Next.GIVE:
                    given_seqs.append(said.seq)
                case Next.FETCH:
                    catch_up(seq)
                case Next.SKIP:
                    pass
    if follower.offer(heartbeat(length)) is Next.FETCH:
        catch_up(length)
    assert given_seqs == list(range(since + 1, length + 1))
