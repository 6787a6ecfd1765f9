"""Slots: what jobs take, and how many there are."""

from hypothesis import given
from hypothesis import strategies as st

from actors.jobs.slots import fits, in_force, need_of, shape_of, with_setting

needs = st.dictionaries(st.from_regex(r"[a-z][a-z0-9_-]{0,31}", fullmatch=True), st.integers(1, 1024), min_size=1)


@given(needs)
def test_a_shape_says_what_is_needed(need: dict[str, int]) -> None:
    assert need_of(shape_of(need)) == need


@given(needs)
def test_equal_needs_have_one_shape_however_they_are_written(need: dict[str, int]) -> None:
    assert shape_of(need) == shape_of(dict(reversed(need.items())))


def test_a_job_that_does_not_say_takes_one_slot() -> None:
    assert need_of(shape_of(None)) == {"cpu": 1}


def test_what_fits_is_there_of_each_resource() -> None:
    assert fits({"cpu": 2, "nvenc": 1}, {"cpu": 2, "nvenc": 1, "disk": 0})
    assert not fits({"cpu": 2, "nvenc": 1}, {"cpu": 8, "nvenc": 0})
    assert not fits({"cpu": 1, "tape": 1}, {"cpu": 8})


def test_a_number_that_was_set_counts_until_the_configuration_says_another() -> None:
    noted = with_setting(None, {"cpu": 4}, {"cpu": 8, "nvenc": 2})
    assert in_force({"cpu": 8, "nvenc": 2}, noted) == {"cpu": 4, "nvenc": 2}
    assert in_force({"cpu": 8, "nvenc": 3}, noted) == {"cpu": 4, "nvenc": 3}
    assert in_force({"cpu": 16, "nvenc": 2}, noted) == {"cpu": 16, "nvenc": 2}
    assert in_force({"nvenc": 2}, noted) == {"nvenc": 2}
    assert in_force({"cpu": 8}, None) == {"cpu": 8}


def test_what_was_set_before_stays_where_another_resource_is_set() -> None:
    configured = {"cpu": 8, "nvenc": 2}
    noted = with_setting(with_setting(None, {"cpu": 4}, configured), {"nvenc": 0}, configured)
    assert in_force(configured, noted) == {"cpu": 4, "nvenc": 0}
