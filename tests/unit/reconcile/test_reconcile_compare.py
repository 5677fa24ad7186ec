"""Where server and archive differ, and what is only a matter of the next poll."""

from hypothesis import given
from hypothesis import strategies as st

from intake.reconcile.compare import (
    Comparison,
    Difference,
    Kept,
    Served,
    choose,
    compare,
    differences,
    in_both,
    without,
)
from tests.builders import NOW


def served(*uids: int, uidvalidity: int = 1, uidnext: int | None = 100) -> Served:
    return Served(uidvalidity, uidnext, frozenset(uids), NOW)


def kept(*live: int, cursor: int = 99, **values: object) -> Kept:
    return Kept(uidvalidity=1, cursor=cursor, live=frozenset(live), **values)  # type: ignore[arg-type]


def test_equal_lists_do_not_differ() -> None:
    assert compare(served(1, 2, 5), kept(1, 2, 5)) == Comparison({}, {})
    assert compare(served(), kept()) == Comparison({}, {})


def test_below_the_cursor_it_is_certain_above_it_a_matter_of_the_next_poll() -> None:
    found = compare(served(1, 2, 8, 9), kept(1, cursor=8))

    assert found.certain == {"not_archived": {2, 8}}
    assert found.pending == {"not_archived": {9}}


def test_what_went_away_or_came_back_is_for_the_next_poll() -> None:
    found = compare(served(1, 3), kept(1, 2, gone=frozenset({3})))

    assert found.certain == {}
    assert found.pending == {"not_gone": {2}, "wrongly_gone": {3}}


def test_what_was_archived_after_our_look_is_no_difference() -> None:
    assert compare(served(1, 2, uidnext=3), kept(1, 2, 3, 4)) == Comparison({}, {})
    assert compare(served(1, 2, uidnext=None), kept(1, 2, 3)) == Comparison({}, {})


def test_what_is_not_handed_out_is_known_and_only_for_a_while() -> None:
    lacking = frozenset({2, 3})
    found = compare(served(1, 2, 3), kept(1, lacking=lacking, lacking_for_long=frozenset({3})))

    assert found == Comparison({"not_whole": frozenset({3})}, {})


def test_folders_as_a_whole() -> None:
    assert compare(served(1), None).pending == {"folder_unknown": {0}}
    assert compare(served(1), kept(1, is_gone=True)).pending == {"folder_unknown": {0}}
    assert compare(served(1, uidvalidity=2), kept(1)).pending == {"other_uidvalidity": {0}}
    assert [*differences("Junk", compare(served(1), None).pending)] == [
        Difference("folder_unknown", "Junk", ())
    ]


def test_what_is_found_twice_is_confirmed_also_when_the_cursor_passed_it() -> None:
    pending = {"not_archived": frozenset({7, 8, 9})}
    now = Comparison(
        certain={"not_archived": frozenset({7})},  # type: ignore[dict-item]
        pending={"not_archived": frozenset({9, 10})},  # type: ignore[dict-item]
    )

    confirmed = in_both(pending, now)  # type: ignore[arg-type]

    assert confirmed == {"not_archived": {7, 9}}
    assert without(now.pending, confirmed) == {"not_archived": {10}}
    assert in_both(pending, Comparison({}, {})) == {}  # type: ignore[arg-type]


def test_a_difference_says_what_where_and_how_many() -> None:
    one = Difference("not_archived", "INBOX", (7,))
    many = Difference("bytes_differ", "Junk", tuple(range(1, 31)))

    assert str(one) == "INBOX: 1 message on the server and not archived (UID 7)"
    assert str(many).startswith("Junk: 30 messages archived with other bytes")
    assert str(many).endswith("19, 20 and 10 more)")


# ---- which messages are compared byte for byte -------------------------------------------------


def sample(uids: range, **values: object):
    given_: dict[str, object] = {"compared_to": 0, "sample_from": 1, "again": (), "full": False}
    return choose(list(uids), **(given_ | values))  # type: ignore[arg-type]


def test_everything_new_is_compared() -> None:
    assert sample(range(1, 1001)).new == tuple(range(1, 1001))
    assert sample(range(1, 1001), compared_to=990).new == tuple(range(991, 1001))


def test_a_part_of_the_older_ones_goes_round_within_thirty_days() -> None:
    uids, sample_from, seen = range(1, 6001), 1, set()
    for _ in range(30):
        found = sample(uids, compared_to=6000, sample_from=sample_from)
        assert len(found.older) == 200
        seen.update(found.older)
        sample_from = found.next_from

    assert seen == set(uids)


def test_it_begins_anew_at_the_end() -> None:
    found = sample(range(1, 301), compared_to=300, sample_from=250)

    assert found.older == (*range(1, 50), *range(250, 301))
    assert found.next_from == 50


def test_full_means_every_one() -> None:
    found = sample(range(1, 301), compared_to=200, full=True)

    assert found.older + found.new == tuple(range(1, 301))


def test_what_differed_is_compared_again_while_it_is_there() -> None:
    found = sample(range(1, 1001), compared_to=1000, sample_from=500, again=(3, 2000))

    assert 3 in found.older
    assert 2000 not in found.older


@given(
    st.lists(st.integers(1, 500), unique=True).map(sorted),
    st.integers(0, 500),
    st.integers(1, 600),
    st.booleans(),
)
def test_nothing_is_compared_twice_and_nothing_new_left_out(
    uids: list[int], compared_to: int, sample_from: int, full: bool
) -> None:
    found = choose(uids, compared_to=compared_to, sample_from=sample_from, again=(), full=full)

    assert found.new == tuple(uid for uid in uids if uid > compared_to)
    assert list(found.older) == sorted(set(found.older))
    assert set(found.older) <= {uid for uid in uids if uid <= compared_to}
    assert not full or len(found.older) + len(found.new) == len(uids)
