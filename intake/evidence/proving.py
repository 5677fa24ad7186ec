"""Notes private keys and what they prove, and tries the passwords of the text on what is locked.

A key is derived once, however often it stands in the message; how many are derived is bounded.
"""

from hashlib import sha256

from intake.evidence.der import spki_of_certificate, spki_of_csr
from intake.evidence.gathering import Gathering
from intake.evidence.key_statements import KeyProof, prove_certificate
from intake.evidence.locked import Budget, Locked, Opened, open_locked
from intake.evidence.passwords import password_candidates
from intake.evidence.private_keys import Derived, HeldKey
from intake.evidence.signed_statements import MOST_KEYS, PublicKey, claims_of, verify
from intake.evidence.values import NO_KNOWN_FILE, FoundKey, UnreadablePart

OCTETS_OF_2048_BITS = 1200  # of a PKCS#1 key; the work grows with the third power
MOST_LOCKED = 50
NOT_OPENED = "a PKCS#12 file, which is locked with a password that the message does not say"


def note_key(key: HeldKey, part: str, gathering: Gathering) -> None:
    """Note a private key, the public key derived from it, and its proof."""
    digest = sha256(key.material).hexdigest()
    derived = _derive(key, digest, gathering)
    _note(key.kind, derived, digest, part, gathering, encrypted=key.encrypted)
    if key.encrypted and key.kind == "pkcs8" and key.material:
        _lock(Locked("pkcs8", key.material, part), gathering)


def note_locked(locked: Locked, gathering: Gathering) -> None:
    """Note a file that may hold a private key, locked with a password."""
    gathering.keys[FoundKey(locked.kind, encrypted=True, spki_sha256=None, part=locked.part)] = None
    _lock(locked, gathering)


def add_certificate(der: bytes, part: str, gathering: Gathering) -> None:
    """Add a certificate, unless it is a proof in the form of one."""
    proof = prove_certificate(der, part)
    if proof is None:
        gathering.add_certificate(der, part)
    gathering.prove(proof)


def open_what_is_locked(gathering: Gathering) -> None:
    """Try what the text says as a password on everything that is locked."""
    if not gathering.locked:
        return
    candidates = password_candidates(gathering.said)
    budget = Budget()
    for locked in gathering.locked:
        opened = open_locked(locked, candidates, budget)
        if opened is not None:
            _take_out(locked, opened, gathering)
        elif locked.kind == "pkcs12":
            gathering.unread(locked.part, NOT_OPENED)


def prove_statements(gathering: Gathering) -> None:
    """Verify signed statements with the keys of the message; what is left waits for its key."""
    held = [one.der for one in gathering.certificates.values()][:MOST_KEYS]
    keys = [PublicKey(spki, der) for der in held if (spki := spki_of_certificate(der))]
    keys += [PublicKey(one) for one in gathering.signing.keys]
    requests = [spki_of_csr(one.der) for one in gathering.csrs][:MOST_KEYS]
    keys += [PublicKey(one) for one in requests if one]
    for claim, within in claims_of(gathering.signing):
        tried = ((key, verify(claim, key)) for key in [*within, *keys])
        key, proof = next((one for one in tried if one[1] is not None), (None, None))
        if key is None:
            gathering.claim([claim])
            continue
        gathering.prove(proof)
        gathering.unreadable.pop(UnreadablePart(claim.part, NO_KNOWN_FILE), None)
        if key.certificate and key in within:
            gathering.add_certificate(key.certificate, claim.part)


def _take_out(locked: Locked, opened: Opened, gathering: Gathering) -> None:
    gathering.keys.pop(FoundKey(locked.kind, True, None, locked.part), None)
    if opened.holds_key:
        digest = sha256(locked.data).hexdigest()
        _note(locked.kind, opened.key, digest, locked.part, gathering, encrypted=True)
    for der in opened.certificates:
        add_certificate(der, locked.part, gathering)


def _lock(locked: Locked, gathering: Gathering) -> None:
    if len(gathering.locked) < MOST_LOCKED:
        gathering.locked[locked] = None
    elif locked not in gathering.locked:
        gathering.hit(
            f"more than {MOST_LOCKED} things locked with a password; the rest stays locked"
        )


def _derive(key: HeldKey, digest: str, gathering: Gathering) -> Derived | None:
    if digest not in gathering.derived:
        gathering.key_work += (len(key.material) / OCTETS_OF_2048_BITS) ** 3
        if gathering.key_work > gathering.limits.keys:
            gathering.hit("more private keys than are checked; look at the rest by hand")
            return None
        gathering.derived[digest] = key.derive()
    return gathering.derived[digest]


def _note(
    kind: str,
    derived: Derived | None,
    digest: str,
    part: str,
    gathering: Gathering,
    *,
    encrypted: bool,
) -> None:
    spki = None if derived is None else derived.spki_sha256
    gathering.keys[FoundKey(kind, encrypted, spki, part)] = None
    if derived is not None:
        gathering.prove(
            KeyProof(
                "private_key", derived.spki_sha256, derived.key_match, derived.method, digest, part
            )
        )
