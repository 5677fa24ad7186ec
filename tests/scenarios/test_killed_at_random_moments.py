"""kill -9 of the real service while mail arrives: nothing lost, nothing doubled, the chain holds.

`make torture` is the long form of it.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import DovecotServer, SmtpPeer
from tests.torture import Campaign, run_campaign
from tests.world import World, make_world


@pytest.fixture
def world(tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer) -> Iterator[World]:
    more = '[service]\noversize = "2MB"'
    with make_world(tmp_path, dovecot, smtp_peer, more=more) as made:
        yield made


@pytest.mark.timeout(300)
def test_p12_killed_at_random_moments(world: World) -> None:
    """After twenty kills the archive is the mailbox, and each report has one ticket and card."""
    campaign = Campaign(
        kills=20, messages=120, latest=0.6, rate=12, large_every=60, at_work_every=3
    )

    report = run_campaign(world, campaign)

    assert report.faults == []
    assert report.kills_at_work >= 5
    assert report.stubs == 2
