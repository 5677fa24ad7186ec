"""The world that every scenario plays in; after each one, its accounts balance."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.accounts import assert_accounts_balance
from tests.servers import DovecotServer, SmtpPeer
from tests.world import World, make_world


@pytest.fixture
def world(tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer) -> Iterator[World]:
    """An installation at noon on 24 November 2026."""
    with make_world(tmp_path, dovecot, smtp_peer) as made:
        yield made
        assert_accounts_balance(made.database, all_decided=False)


@pytest.fixture
def world_of_2017(tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer) -> Iterator[World]:
    """An installation on the Sunday morning on which the seed's report was sent."""
    sunday = datetime(2017, 8, 13, 4, 46, tzinfo=UTC)
    with make_world(tmp_path, dovecot, smtp_peer, now=sunday) as made:
        yield made
        assert_accounts_balance(made.database, all_decided=False)
