from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.notices.words import (
    both_times,
    clean,
    code,
    from_mail,
    left,
    mention,
    person,
    span,
    utc,
)
from tests.builders import NOW


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!channel> <https://x|ok>", "&lt;!channel&gt; &lt;https://x|ok&gt;"),
        ("*bold* ~gone~ `code`", "∗bold∗ ∼gone∼ ˋcodeˋ"),
        ("_italic_ but snake_case", "＿italic＿ but snake_case"),
        (":white_check_mark: done", "∶white_check_mark∶ done"),
        ("serial 0a:bc:de:01", "serial 0a:bc:de:01"),
        ("at 10:30:45 from 2001:db8::1", "at 10:30:45 from 2001:db8::1"),
        ("a\r\n\t b", "a b"),
        ("evil\u202egnp.exe\u200b\u2066\x1b[31m\x07", "evilgnp.exe[31m"),
        ("blank\u3164\u2800letters", "blankletters"),
        ("AT&T &lt;", "AT&amp;T &amp;lt;"),
    ],
)
def test_text_from_mail_is_shown_literally(text, shown):
    assert from_mail(text) == shown


@given(st.text(max_size=300))
def test_text_from_mail_never_calls_links_or_turns(text):
    shown = from_mail(text)

    assert not set("<>*`~\n\u202e\u200b") & set(shown)
    assert not code(text).strip("`").count("`")


def test_long_text_is_cut_with_a_sign():
    assert clean("x" * 10_000, 10) == "x" * 9 + "…"


def test_a_wall_of_invisible_characters_is_not_walked_through_for_ever():
    assert clean("\u200b" * 10_000_000 + "x", 10) == ""


@pytest.mark.parametrize(
    ("instant", "shown"),
    [
        (NOW + timedelta(hours=1, minutes=5), "13:05 UTC"),
        (NOW + timedelta(hours=25), "Wed 25 Nov 13:00 UTC"),
        (datetime(2017, 8, 13, 4, 45, 12, tzinfo=UTC), "Sun 13 Aug 2017 04:45 UTC"),
    ],
)
def test_utc_names_the_day_unless_it_is_today(instant, shown):
    assert utc(instant, NOW) == shown


def test_an_instant_is_written_for_the_readers_zone_and_in_utc():
    shown = both_times(NOW, NOW)

    assert shown == "<!date^1795521600^{time} {date_short_pretty}|12:00 UTC> (12:00 UTC)"


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        (timedelta(hours=3, minutes=12, seconds=59), "3 h 12 min"),
        (timedelta(hours=4), "4 h"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(seconds=30), "less than a minute"),
        (timedelta(days=5, hours=2), "5 d 2 h"),
    ],
)
def test_durations_have_two_units_at_most(duration, shown):
    assert span(duration) == shown


def test_what_is_late_says_so():
    assert left(NOW - timedelta(hours=2, minutes=5), NOW) == "overdue by 2 h 5 min"


def test_people_and_groups_are_called_by_their_ids():
    assert [person("U0ALICE"), person("root"), person(None)] == ["<@U0ALICE>", "root", "nobody"]
    assert [mention("S0ONCALL"), mention("U0MIRA"), mention("C0CPR")] == [
        "<!subteam^S0ONCALL>",
        "<@U0MIRA>",
        "",
    ]
