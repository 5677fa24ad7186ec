"""Signatures as `ssh-keygen -Y sign` makes them.

Source: PROTOCOL.sshsig of OpenSSH; RFC 4253 6.6; RFC 5656 3.1; RFC 8332 3.
"""

import base64
import hashlib
import struct
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_ssh_public_key,
)

from intake.evidence.private_keys import REFUSALS

SSH_MAGIC = b"SSHSIG"
VERSION = 1
MESSAGE_HASHES = (b"sha256", b"sha512")
DIGESTS = {  # by the kind of signature; SHA-1 is none that counts
    b"rsa-sha2-256": "sha256", b"rsa-sha2-512": "sha512", b"ssh-ed25519": "sha512",
    b"ecdsa-sha2-nistp256": "sha256", b"ecdsa-sha2-nistp384": "sha384", b"ecdsa-sha2-nistp521": "sha512",
}  # fmt: skip


@dataclass(frozen=True)
class SshSignature:
    """An SSH signature, with the key that it names."""

    spki: bytes
    namespace: bytes
    reserved: bytes
    hash_name: bytes  # of the message
    digest: str  # that the signature itself is over
    signature: bytes  # as X.509 has it

    def signed(self, message: bytes) -> bytes:
        """Return the bytes that are signed for a message."""
        within = hashlib.new(self.hash_name.decode(), message).digest()
        parts = (self.namespace, self.reserved, self.hash_name, within)
        return SSH_MAGIC + b"".join(struct.pack(">I", len(one)) + one for one in parts)


def read_ssh_signature(data: bytes) -> SshSignature | None:
    """Read the bytes within the armour; None if they are no signature that we can verify."""
    try:
        return _read(data)
    except REFUSALS:
        return None


def _read(data: bytes) -> SshSignature | None:
    start = len(SSH_MAGIC) + 4
    if data[:start] != SSH_MAGIC + struct.pack(">I", VERSION):
        return None
    key, namespace, reserved, hash_name, blob = _strings(data[start:])[:5]
    kind, value = _strings(blob)[:2]
    if kind not in DIGESTS or hash_name not in MESSAGE_HASHES:
        return None
    name = _strings(key)[0]
    public = load_ssh_public_key(name + b" " + base64.b64encode(key))
    spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if kind.startswith(b"ecdsa"):
        r, s = (int.from_bytes(one, "big") for one in _strings(value)[:2])
        value = utils.encode_dss_signature(r, s)
    return SshSignature(spki, namespace, reserved, hash_name, DIGESTS[kind], value)


def _strings(data: bytes) -> list[bytes]:
    """Return the strings of SSH's wire format, each with its length before it."""
    found, at = [], 0
    while at + 4 <= len(data):
        size = int(struct.unpack_from(">I", data, at)[0])
        if at + 4 + size > len(data):
            break
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found
