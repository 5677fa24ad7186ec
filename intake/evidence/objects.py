"""Notes DER objects that were recognised: certificates, requests, keys, and what holds them."""

from hashlib import sha256

from intake.evidence.der import PRIVATE_KEYS, read_signed, spki_of_csr, spki_of_public_key
from intake.evidence.gathering import Gathering
from intake.evidence.key_statements import prove_request
from intake.evidence.keys import read_key
from intake.evidence.locked import Locked
from intake.evidence.named import Named
from intake.evidence.proving import add_certificate, note_key, note_locked
from intake.evidence.values import FoundCsr

ENCRYPTED = "encrypted"


def add_object(what: str, der: bytes, path: str, gathering: Gathering) -> None:
    """Note a DER object that was recognised."""
    if what == "csr":
        spki = spki_of_csr(der)
        gathering.csrs[FoundCsr(der, sha256(spki).hexdigest() if spki else None, path)] = None
        gathering.prove(prove_request(der, path))
    elif what in PRIVATE_KEYS:
        note_key(read_key(der), path, gathering)
    elif what == "certificate":
        add_certificate(der, path, gathering)
    elif what == "pkcs7":
        _add_pkcs7(der, path, gathering)
    elif what == "pkcs12":
        note_locked(Locked("pkcs12", der, path), gathering)
    elif what == "enveloped":
        gathering.unread(path, ENCRYPTED)
    elif what in ("crl", "ocsp"):
        gathering.holds_status = True


def _add_pkcs7(der: bytes, path: str, gathering: Gathering) -> None:
    gathering.signing.add_cms(der, path)
    for one in read_signed(der)[0]:
        add_certificate(one, path, gathering)


def add_public_key(der: bytes, path: str, gathering: Gathering) -> bool:
    """Note the hash of a public key that makes up a whole file; tell whether it is one."""
    spki = spki_of_public_key(der)
    if spki:
        gathering.signing.add_key(spki)
        gathering.add_named([Named("spki_sha256", sha256(spki).hexdigest(), 0, "public key")], path)
    return spki is not None
