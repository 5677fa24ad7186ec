"""Requests to revoke a certificate, as ACME clients send them, that somebody shows us.

One that is signed by the certificate's own key and gives key compromise as its reason is a
statement of whoever holds that key, about that key and no other: a proof. One with another reason
or none shows who holds the key and not that it is lost, so only the certificate in it counts.

Source: RFC 8555 7.6; RFC 5280 5.3.1.
"""

import binascii
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from intake.evidence.der import recognise, spki_of_certificate
from intake.evidence.gathering import Gathering
from intake.evidence.key_statements import (
    WebSignature,
    decode_web,
    json_objects,
    read_web_signature,
    verify_claim,
)
from intake.evidence.proving import add_certificate

KEY_COMPROMISE = 1
LONGEST_REQUEST = 64 * 1024
WHAT = "an ACME request to revoke for key compromise"


def note_revocations(text: str, part: str, gathering: Gathering) -> None:
    """Note the certificates in requests to revoke, and what their signatures prove."""
    if '"protected"' not in text or '"payload"' not in text:
        return
    for _, _, jws in json_objects(text, "signature"):
        web = read_web_signature(jws)
        if web is not None and len(web.said) <= LONGEST_REQUEST:
            _note(web, part, gathering)


def _note(web: WebSignature, part: str, gathering: Gathering) -> None:
    request = _request(web)
    der = None if request is None else _certificate(request)
    if request is None or der is None:
        return
    add_certificate(der, part, gathering)
    spki = spki_of_certificate(der)
    reason = request.get("reason")
    if spki and type(reason) is int and reason == KEY_COMPROMISE and _is_acme(web):
        claim = web.claim(sha256(spki).hexdigest(), part)
        gathering.prove(verify_claim(claim, spki, what=WHAT))


def _request(web: WebSignature) -> Mapping[str, Any] | None:
    if b'"certificate"' not in web.said:
        return None
    try:
        request = json.loads(web.said)
    except (ValueError, RecursionError):
        return None
    return request if isinstance(request, dict) else None


def _certificate(request: Mapping[str, Any]) -> bytes | None:
    """Return the certificate that a request names."""
    try:
        der = decode_web(str(request.get("certificate", "")))
    except (ValueError, binascii.Error):
        return None
    found = recognise(der)
    return der[: found[1]] if found is not None and found[0] == "certificate" else None


def _is_acme(web: WebSignature) -> bool:
    """Tell whether it is signed for an ACME server, by a key that is not known as an account."""
    return all(isinstance(web.header.get(one), str) for one in ("nonce", "url")) and isinstance(
        web.header.get("jwk"), dict
    )
