"""T0 is the stamp of the first of our hosts that took the message from outside."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intake.archive.received import OurHosts, Receipt, find_receipt, parse_received

OURS = OurHosts.parse(
    [
        "mx1.ca.example",
        "IMAP.ca.example.",
        ".mail.ca.example",
        "10.0.0.0/8",
        "2001:db8:1::/48",
        "203.0.113.9",
    ]
)
SEEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
INTERNAL = datetime(2026, 11, 24, 11, 30, tzinfo=UTC)
STAMP = "Tue, 24 Nov 2026 12:00:00 +0100"
T0 = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def receipt(*received: str, internal: datetime | None = INTERNAL) -> Receipt:
    raw = "".join(f"Received: {one}\r\n" for one in received) + "Subject: x\r\n\r\nbody"
    return find_receipt(raw.encode(), our_hosts=OURS, internal_date=internal, seen_at=SEEN)


@pytest.mark.parametrize(
    "line",
    [
        f"from mail.x.test (mail.x.test [198.51.100.7])\r\n\tby mx1.ca.example (Postfix) with ESMTPS id 4Xy\r\n\tfor <cps@ca.example>; {STAMP} (CET)",
        f"from evil (unknown [198.51.100.7])\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n\t(Client CN \"a [10.0.0.1]\", Issuer \"x\" (not verified))\r\n\tby mx1.ca.example (Postfix); {STAMP}",
        f"from x.test ([192.0.2.1] helo=[10.0.0.1])\r\n\tby mx1.ca.example with esmtps (TLS1.3:ECDHE;x) (Exim 4.96)\r\n\t(envelope-from <a@b>) id 1abc-0001-XX for cps@ca.example; {STAMP}",
        f"from [192.0.2.1] (port=53422 helo=[10.0.0.1])\r\n\tby mx1.ca.example with esmtp (Exim 4.96) id 1abc; {STAMP}",
        f"from EX.test (192.0.2.1) by mx1.ca.example (10.1.1.1) with Microsoft SMTP\r\n Server (version=TLS1_2, cipher=X) id 15.1.2507.6; {STAMP}",
        f"from mail-a.google.com (mail-a.google.com. [209.85.1.1])\r\n by mx1.ca.example with ESMTPS id x; {STAMP}",
        f"from liar (a.test [192.0.2.1] (may be forged))\r\n\tby mx1.ca.example (8.17.1/8.17.1) with ESMTP id x; {STAMP}",
        f"from unknown (HELO [10.0.0.1]) (192.0.2.1)\r\n  by MX1.ca.example. with SMTP; {STAMP}",
        f"from x.test ([IPv6:2001:db8:ffff::1]) by mx1.ca.example with ESMTP; {STAMP}",
        f"from [10.0.0.1] (unknown [192.0.2.1]) by mx1.ca.example with ESMTP; {STAMP}",
        f"from evil by mx9.test (unknown [192.0.2.1]) by mx1.ca.example with ESMTP; {STAMP}",
        f"from x.test (x.test [192.0.2.1]) by in3.mail.ca.example with ESMTP; {STAMP}",
        f"from x.test (x.test [192.0.2.1]) by [203.0.113.9] with ESMTP; {STAMP}",
        f"from x.test (x.test [192.0.2.1]:2525) by mx1.ca.example with ESMTP (a; b); {STAMP}",
    ],
)  # fmt: skip
def test_the_stamp_of_our_border_host_counts(line: str) -> None:
    assert receipt(line) == Receipt(T0, "received")


def test_hops_within_our_system_are_walked_past() -> None:
    outside = f"from x.test (x.test [192.0.2.1]) by mx1.ca.example (Postfix); {STAMP}"

    found = receipt(
        "from imap.ca.example by imap.ca.example with LMTP id 3; Tue, 24 Nov 2026 11:20:05 +0000",
        "from mx1.ca.example ([10.1.2.3]) by imap.ca.example (Postfix); Tue, 24 Nov 2026 11:20:04 +0000",
        "from localhost (localhost [127.0.0.1]) by mx1.ca.example (Postfix); Tue, 24 Nov 2026 11:20:03 +0000",
        "from localhost (localhost [IPv6:::1]) by mx1.ca.example; Tue, 24 Nov 2026 11:20:02 +0000",
        "(qmail 123 invoked by uid 89); Tue, 24 Nov 2026 11:20:01 -0000",
        "from relay (relay [IPv6:2001:db8:1::5]) by mx1.ca.example; Tue, 24 Nov 2026 11:20:00 +0000",
        outside,
        "from older (older [192.0.2.9]) by mx1.ca.example; Tue, 24 Nov 2020 11:00:00 +0000",
    )

    assert found == Receipt(T0, "received")


def test_what_stands_below_the_entry_is_the_senders_claim() -> None:
    """A forged line of ours below the true one moves nothing, whatever it says."""
    found = receipt(
        f"from x.test (x.test [192.0.2.1]) by mx1.ca.example (Postfix); {STAMP}",
        "from y.test (y.test [192.0.2.2]) by mx1.ca.example (Postfix); Tue, 24 Nov 2026 11:55:00 +0000",
    )

    assert found == Receipt(T0, "received")


def test_a_line_of_a_stranger_on_top_leaves_the_internal_date() -> None:
    found = receipt(
        "from a (a [192.0.2.1]) by forwarder.test; Tue, 24 Nov 2026 11:10:00 +0000",
        f"from x.test (x.test [192.0.2.1]) by mx1.ca.example (Postfix); {STAMP}",
    )

    assert found == Receipt(INTERNAL, "internal_date")


@pytest.mark.parametrize(
    "stamp",
    ["", "; ", "; yesterday", "; Tue, 99 Nov 2026 12:00:00 +0100", "; Tue, 24 Nov 2026 12:00:00 +9999",
     "; Thu, 01 Jan 1970 00:00:00 +0000", "; Tue, 24 Nov 2099 12:00:00 +0000"],
)  # fmt: skip
def test_a_stamp_that_can_not_be_true_leaves_the_internal_date(stamp: str) -> None:
    line = f"from x.test (x.test [192.0.2.1]) by mx1.ca.example (Postfix){stamp}"

    assert receipt(line) == Receipt(INTERNAL, "internal_date")
    assert receipt(line, internal=None) == Receipt(SEEN, "first_seen")


def test_p31_nothing_is_received_after_it_was_seen() -> None:
    """A clock of ours that is two minutes fast does not win us two minutes."""
    line = "from x.test (x.test [192.0.2.1]) by mx1.ca.example; Tue, 24 Nov 2026 12:02:00 +0000"

    assert receipt(line) == Receipt(SEEN, "received")
    assert receipt(internal=SEEN + timedelta(hours=5)) == Receipt(SEEN, "internal_date")


def test_the_date_header_never_counts() -> None:
    raw = b"Date: Mon, 23 Nov 2026 00:00:00 +0000\r\n\r\n"

    assert find_receipt(raw, our_hosts=OURS, internal_date=None, seen_at=SEEN).at == SEEN


def test_the_seed_was_received_at_its_own_offset() -> None:
    raw = (
        b"Received: from mail.titanous.com (mail.titanous.com [198.51.100.20])\r\n"
        b"\tby mx1.ca.example (Postfix) with ESMTPS; Sun, 13 Aug 2017 00:45:12 -0400 (EDT)\r\n\r\n"
    )

    found = find_receipt(raw, our_hosts=OURS, internal_date=None, seen_at=SEEN)

    assert found.at == datetime(2017, 8, 13, 4, 45, 12, tzinfo=UTC)


def test_without_our_hosts_the_internal_date_counts() -> None:
    raw = f"Received: from x (x [192.0.2.1]) by mx1.ca.example; {STAMP}\r\n\r\n".encode()

    found = find_receipt(raw, our_hosts=OurHosts.parse([]), internal_date=INTERNAL, seen_at=SEEN)

    assert found == Receipt(INTERNAL, "internal_date")


pieces = st.sampled_from(
    ["from", "by", " ", "(", ")", "\\", ";", "[", "]", "mx1.ca.example", "[10.0.0.1]", "192.0.2.1",
     "helo=", "IPv6:", "::", STAMP, "\t", "with", "\xe9", "\x00", "%"]
)  # fmt: skip


@given(st.lists(pieces, max_size=30))
def test_any_received_line_is_read(parts: list[str]) -> None:
    text = "".join(parts)
    parse_received(text)

    assert receipt(text.replace("\x00", "")).at <= SEEN


@given(st.binary(max_size=300))
def test_any_bytes_have_a_receipt(raw: bytes) -> None:
    assert find_receipt(raw, our_hosts=OURS, internal_date=None, seen_at=SEEN).at <= SEEN


def test_a_thousand_parentheses_cost_little() -> None:
    assert receipt("(" * 200_000 + f" by mx1.ca.example; {STAMP}").source == "internal_date"
