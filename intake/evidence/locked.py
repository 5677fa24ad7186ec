"""Keys and certificates that are locked with a password which the message says.

What a password opens stays here: the public key that was derived, and certificates. How often a
password is tried is bounded by how much work each try is, which the file itself says.

Source: RFC 7292 4; RFC 8018 5.2; RFC 5958 3.
"""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from asn1crypto import algos, keys, pkcs12
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, load_der_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

from intake.evidence.private_keys import REFUSALS, Derived, derive_loaded

MOST_WORK = 4_000_000  # iterations of key stretching in one message: a few seconds
WORK_UNKNOWN = 500_000  # taken for a method whose work can't be told
MOST_TRIES = 60
_ERRORS = (*REFUSALS, AttributeError, AssertionError, RecursionError, ArithmeticError, UserWarning)


@dataclass(frozen=True)
class Locked:
    """Something that is locked with a password; it never leaves the process that reads."""

    kind: str  # pkcs8 | pkcs12
    data: bytes
    part: str


@dataclass(frozen=True)
class Opened:
    """What a password opened."""

    key: Derived | None  # None: a key that proves nothing, or none at all
    holds_key: bool
    certificates: tuple[bytes, ...] = ()


class Budget:
    """How much work may still be done on locked things."""

    def __init__(self, left: int = MOST_WORK) -> None:
        """Start with everything left."""
        self.left = left


def open_locked(locked: Locked, candidates: Iterable[str], budget: Budget) -> Opened | None:
    """Return what the first fitting password opens; None if none fits."""
    work = max(work_of(locked), 1)
    for tries, candidate in enumerate(candidates):
        if work > budget.left or tries >= MOST_TRIES:
            return None
        budget.left -= work
        opened = _try(locked, candidate)
        if opened is not None:
            return opened
    return None


def _try(locked: Locked, password: str) -> Opened | None:
    secret = password.encode("utf-8", "replace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the certificates inside
            return _OPENERS[locked.kind](locked.data, secret)
    except _ERRORS:
        return None


def _open_pkcs8(data: bytes, password: bytes) -> Opened:
    key = load_der_private_key(data, password, unsafe_skip_rsa_key_validation=True)
    return Opened(derive_loaded(key), holds_key=True)


def _open_pkcs12(data: bytes, password: bytes) -> Opened:
    key, own, others = load_key_and_certificates(data, password)
    found = [one for one in (own, *others) if one is not None]
    return Opened(
        None if key is None else derive_loaded(key),
        holds_key=key is not None,
        certificates=tuple(one.public_bytes(Encoding.DER) for one in found),
    )


_OPENERS = {"pkcs8": _open_pkcs8, "pkcs12": _open_pkcs12}


# ---- how much work a try is --------------------------------------------------------------------


def work_of(locked: Locked) -> int:
    """Return the iterations that one try costs, as far as the file says them openly."""
    try:
        if locked.kind == "pkcs8":
            info = keys.EncryptedPrivateKeyInfo.load(locked.data)
            return _iterations(info["encryption_algorithm"])
        return sum(_pkcs12_iterations(pkcs12.Pfx.load(locked.data)))
    except (*_ERRORS, UnsupportedAlgorithm):
        return WORK_UNKNOWN


def _pkcs12_iterations(pfx: Any) -> Iterator[int]:  # noqa: ANN401 - asn1crypto
    mac = pfx["mac_data"]
    if mac.native is not None:
        yield int(mac["iterations"].native)
    for info in pfx.authenticated_safe:
        kind = info["content_type"].native
        if kind == "encrypted_data":
            yield _iterations(
                info["content"]["encrypted_content_info"]["content_encryption_algorithm"]
            )
        elif kind == "data":
            for bag in pkcs12.SafeContents.load(info["content"].native):
                if bag["bag_id"].native == "pkcs8_shrouded_key_bag":
                    yield _iterations(bag["bag_value"]["encryption_algorithm"])


def _iterations(algorithm: algos.EncryptionAlgorithm) -> int:
    if algorithm["algorithm"].native == "pbes2":
        parameters = algorithm["parameters"]["key_derivation_func"]
        if parameters["algorithm"].native != "pbkdf2":
            return WORK_UNKNOWN  # scrypt, bounded by what the library allows
        return int(parameters["parameters"]["iteration_count"].native)
    return int(algorithm["parameters"]["iterations"].native)
