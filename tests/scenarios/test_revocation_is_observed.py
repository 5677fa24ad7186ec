"""From a report to its revocation, as our own eyes see it published and nobody's word for it."""

import ssl
from pathlib import Path
from typing import Any

from cryptography.x509 import ReasonFlags

from intake.tickets import actions
from tests.builders import make_message
from tests.ca import MakeCa, publisher
from tests.servers import DovecotServer, SmtpPeer
from tests.world import World, arrived, make_world

ALLOWED = '[revocation]\nallow_hosts = ["127.0.0.1"]\n'


def act(world: World, action: Any, **words: Any) -> None:
    """Do what a person does in Slack or at the command line."""
    with world.database.write() as session:
        action(session, 1, "U0ALICE", world.clock.now, **words)


def test_revocation_is_owed_until_crl_and_ocsp_say_so(
    tmp_path: Path, dovecot: DovecotServer, smtp_peer: SmtpPeer
) -> None:
    """Closing as handled alarms while CRL and OCSP say good; publication meets what is owed."""
    ca = MakeCa()
    ca.write(tmp_path)
    entries: dict = {}
    options = {"issuing_cas": f'"{tmp_path}/ca.pem"', "more": ALLOWED}
    with publisher() as site, make_world(tmp_path, dovecot, smtp_peer, **options) as world:
        site.crl = lambda: ca.crl(entries, now=world.clock.now, number=1 + len(entries))
        site.ocsp = lambda request: ca.ocsp(request, entries, now=world.clock.now)
        der = ca.leaf(0x1234, crl_url=site.crl_url, ocsp_url=site.ocsp_url)
        body = ssl.DER_cert_to_PEM_cert(der)
        raw = make_message(body=body, received=(arrived(world.clock.now),))
        world.dovecot.append(raw, internal_date=world.clock.now)

        world.poll()

        assert world.ticket()["certificates"][0]["revocation"] == "good"
        assert "1 not revoked" in str(world.texts())
        act(world, actions.classify, item=1, reason="key_compromise")
        act(world, actions.close, reason="revoked")
        world.advance_and_poll(minutes=10)
        assert "was said to be revoked, and is not" in str(world.texts())
        assert world.ticket()["labels"] == ["revocation_alarm"]
        act(world, actions.reopen, reason="it was not")

        entries[0x1234] = (world.clock.now, ReasonFlags.key_compromise)
        world.advance_and_poll(minutes=20)

        ticket = world.ticket()
        detail = ticket["certificates"][0]["revocation_detail"]
        (owed,) = [one for one in ticket["obligations"] if one["kind"] == "revocation"]
        assert ticket["certificates"][0]["revocation"] == "revoked"
        assert (detail["observed_at"], detail["asserted_at"], detail["reason"]) == (
            "2026-11-24T12:30:00Z", "2026-11-24T12:10:00Z", 1,
        )  # fmt: skip
        assert owed["met_at"] == "2026-11-24T12:30:00Z"
        assert ticket["labels"] == []
        assert "1 revoked, since" in str(world.texts())
