"""CMS signatures, taken apart: what is signed, how, and by which keys that came with them.

Source: RFC 5652 5.1, 5.3, 5.4.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from asn1crypto import cms

from intake.evidence.der import spki_of_certificate
from intake.evidence.private_keys import REFUSALS

LARGEST = 256 * 1024  # bytes
MOST_SIGNERS, MOST_CERTIFICATES = 5, 20


@dataclass(frozen=True)
class CmsSignature:
    """One signature of a CMS object."""

    digest: str  # such as sha256
    signature: bytes
    attributes: bytes | None  # what is signed where there are signed attributes
    message_digest: bytes | None  # in these attributes, of the content
    content: bytes | None  # None where it stands elsewhere
    keys: tuple[tuple[bytes, bytes], ...]  # SubjectPublicKeyInfo and certificate
    signed: bytes = b""

    def fits(self, content: bytes) -> bool:
        """Say whether the signature is over a content, as far as it says so itself."""
        if self.attributes is None:
            return True
        try:
            return hashlib.new(self.digest, content).digest() == self.message_digest
        except ValueError:
            return False

    def over(self, content: bytes) -> "CmsSignature":
        """Return it with the bytes that were signed."""
        return replace(self, signed=content if self.attributes is None else self.attributes)


def read_cms(der: bytes) -> list[CmsSignature]:
    """Return the signatures of a CMS object; none of what can't be read."""
    if len(der) > LARGEST:
        return []
    try:
        return list(_signatures(cms.ContentInfo.load(der)))
    except REFUSALS:
        return []


def _signatures(info: Any) -> Iterator[CmsSignature]:  # noqa: ANN401 - asn1crypto
    if info["content_type"].native != "signed_data":
        return
    data = info["content"]
    held = data["encap_content_info"]["content"].native
    content = held if isinstance(held, bytes) else None
    chosen = list(data["certificates"] or ())[:MOST_CERTIFICATES]
    ders = [one.chosen.dump() for one in chosen if one.name == "certificate"]
    found = [(spki_of_certificate(one), one) for one in ders]
    keys = tuple((spki, one) for spki, one in found if spki)
    for signer in list(data["signer_infos"])[:MOST_SIGNERS]:
        attributes, digest = _attributes(signer)
        name = signer["digest_algorithm"]["algorithm"].native
        signature = signer["signature"].native
        yield CmsSignature(name, signature, attributes, digest, content, keys)


def _attributes(signer: Any) -> tuple[bytes | None, bytes | None]:  # noqa: ANN401 - asn1crypto
    """Return the signed attributes as they are signed (with the tag of a SET), and the digest there."""
    held = signer["signed_attrs"]
    if not held or not len(held):
        return None, None
    digests = [
        value.native
        for one in held
        if one["type"].native == "message_digest"
        for value in one["values"]
    ]
    return b"\x31" + held.dump()[1:], digests[0] if len(digests) == 1 else None
