"""`intake keys export`: the block list of proven keys."""

import csv
import io
import json
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from tests.builders import NOW, make_message
from tests.desk import make_installation
from tests.keys import pem, spki

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
MODULUS = sha256(KEY.private_numbers().public_numbers.n.to_bytes(256, "big")).hexdigest()


def test_a_proven_key_is_listed_by_every_digest(tmp_path: Path, capsys) -> None:
    installation = make_installation(tmp_path)
    message = installation.receive(make_message(body=pem(KEY)), at=NOW)

    assert installation.intake("keys", "export", "--json") == 0

    (row,) = json.loads(capsys.readouterr().out)
    assert (row["key_match"], row["badkeys_hash"]) == (MODULUS, MODULUS[:30])
    assert row["spki_sha256s"] == [sha256(spki(KEY)).hexdigest()]
    assert (row["message"], row["ticket"], row["kind"]) == (message.sha256, 1, "private_key")
    installation.intake("keys", "export", "--csv")
    (line,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert line["key_match"] == MODULUS
    installation.intake("keys", "export")
    assert MODULUS in capsys.readouterr().out
    installation.database.close()


def test_without_proofs_the_list_is_empty(tmp_path: Path, capsys) -> None:
    installation = make_installation(tmp_path)

    assert installation.intake("keys", "export", "--json") == 0

    assert json.loads(capsys.readouterr().out) == []
    installation.database.close()


def test_reading_again_tells_of_a_proof_that_was_never_carried_out(tmp_path: Path, capsys) -> None:
    from sqlalchemy import delete

    from intake.tables import ProvenKey

    installation = make_installation(tmp_path)
    installation.receive(make_message(body=pem(KEY)), at=NOW)
    with installation.database.write() as session:
        session.execute(delete(ProvenKey))

    assert installation.intake("reprocess", "--json") == 1

    (difference,) = json.loads(capsys.readouterr().out)["differences"]
    assert (difference["what"], difference["derived"]) == ("keys proved compromised", [MODULUS])
    installation.database.close()
