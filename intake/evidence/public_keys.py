"""What makes two public keys one: the RSA modulus, or the x coordinate of the curve point.

The same key is encoded in several ways (with another exponent, with a compressed point, as a key
for PSS only), so the digest of its SubjectPublicKeyInfo tells less than the number in it does. Who
knows the private key of a point knows that of the point with the opposite y, too.

Source: RFC 5280 4.1.2.7; RFC 5480 2.2; badkeys.
"""

from hashlib import sha256

from intake.evidence.der import INTEGER, OID, SEQUENCE, children, read_element

BIT_STRING = 0x03
RSA = {bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a864886f70d01010a")}  # and PSS
ELLIPTIC = {bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2b8104010c")}  # and ECDH
EDWARDS = {bytes.fromhex("2b6570"), bytes.fromhex("2b6571")}
UNCOMPRESSED, COMPRESSED = (4, 6, 7), (2, 3)
BADKEYS_DIGITS = 30  # hex digits that badkeys keeps of the digest


def key_match(spki: bytes) -> str | None:
    """Return the digest by which a key is known again in every encoding; None if it can't be read."""
    number = key_number(spki)
    return None if number is None else match_of(number)


def match_of(number: int) -> str:
    """Return the SHA-256 of an RSA modulus or of an x coordinate, without leading zeros.

    Its first 30 digits are what badkeys calls BKHASH.
    """
    return sha256(number.to_bytes((number.bit_length() + 7) // 8, "big")).hexdigest()


def badkeys_hash(match: str) -> str:
    """Return the form in which badkeys' block lists hold a key."""
    return match[:BADKEYS_DIGITS]


def key_number(spki: bytes) -> int | None:
    """Return the RSA modulus, the x coordinate or the Edwards key as a number; never raises."""
    outer = read_element(spki, 0, len(spki)) if spki[:1] == b"\x30" else None
    fields = children(spki, outer, most=2) if outer else []
    if [one.tag for one in fields] != [SEQUENCE, BIT_STRING]:
        return None
    algorithm = children(spki, fields[0], most=1)
    if not algorithm or algorithm[0].tag != OID:
        return None
    oid = spki[algorithm[0].body : algorithm[0].end]
    bits = spki[fields[1].body + 1 : fields[1].end]
    if oid in RSA:
        return _modulus(bits)
    if oid in ELLIPTIC:
        return _x_coordinate(bits)
    return int.from_bytes(bits, "big") or None if oid in EDWARDS else None


def _modulus(bits: bytes) -> int | None:
    outer = read_element(bits, 0, len(bits))
    numbers = children(bits, outer, most=1) if outer else []
    if not numbers or numbers[0].tag != INTEGER:
        return None
    # Without its sign: a modulus that lacks the leading zero octet is still that modulus.
    return int.from_bytes(bits[numbers[0].body : numbers[0].end], "big") or None


def _x_coordinate(point: bytes) -> int | None:
    if point[:1] and point[0] in COMPRESSED:
        return int.from_bytes(point[1:], "big") or None
    if point[:1] and point[0] in UNCOMPRESSED and len(point) % 2:
        return int.from_bytes(point[1 : 1 + len(point) // 2], "big") or None
    return None
