"""Fingerprints, serial numbers and names in text, and the noise that is none."""

import time

import pytest

from intake.evidence.identifiers import find_named
from intake.evidence.serials import find_serials

H64 = "9bf16ef6c1204b1a0f6d9f9dcd1b28a4e5d3c2b1a0f9e8d7c6b5a49382716054"
H40 = "9bf16ef6c1204b1a0f6d9f9dcd1b28a4e5d3c120"
COLONS64 = ":".join(H64[i : i + 2] for i in range(0, 64, 2)).upper()
SPACES40 = " ".join(H40[i : i + 2] for i in range(0, 40, 2))
GROUPS40 = " ".join(H40[i : i + 4] for i in range(0, 40, 4))


def named(text: str) -> list[tuple[str, str]]:
    return [(one.kind, one.value) for one in find_named(text) if one.kind not in ("url", "domain")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (H64, [("sha256", H64)]),
        (H64.upper() + ".", [("sha256", H64)]),
        (f"SHA256 Fingerprint={COLONS64}", [("sha256", H64)]),
        (f"SHA256 Fingerprint={COLONS64[:60]}\r\n    {COLONS64[60:]}", [("sha256", H64)]),
        (f"> {H64[:40]}\r\n> {H64[40:]}\r\n", [("sha1", H64[:40]), ("hex", H64[40:])]),
        (f"> {H64[:50]}\r\n> {H64[50:]}\r\n", [("sha256", H64)]),
        (f"Thumbprint: {SPACES40}", [("sha1", H40)]),
        (f"Thumbprint: {GROUPS40}", [("sha1", H40)]),
        (f"{SPACES40}\n{SPACES40.replace('9b', '9c')}", [("sha1", H40), ("sha1", "9c" + H40[2:])]),
        (f"sha1 {H40}", [("sha1", H40)]),
        (f"SPKI SHA-256: {H64}", [("spki_sha256", H64)]),
        ('pin-sha256="m/Fu9sEgSxoPbZ+dzRsopOXTwrGg+ejXxrWkk4JxYFQ="', [("spki_sha256", H64)]),
        (f"serial number {H40}", [("serial_number", H40), ("sha1", H40)]),
        ("0123456789abcdef0123", [("hex", "0123456789abcdef0123")]),
        ("0x0123456789abcdef0123", [("hex", "0123456789abcdef0123")]),
        (f"X509v3 Subject Key Identifier:\n                {COLONS64[:59]}", [("hex", H64[:40])]),
        (f"git commit {H40}", [("hex", H40)]),
        (f"commit message said so; certificate fingerprint {H40}", [("sha1", H40)]),
    ],
)
def test_hex_is_read_by_length_and_label(text, expected):
    assert named(text) == expected


@pytest.mark.parametrize(
    ("text", "serials"),
    [
        ("Serial Number: 03:a1:b2:c3:d4:e5:f6:07", ["3a1b2c3d4e5f607"]),
        ("Serial Number:\r\n            03:a1:b2:c3:d4:e5:f6:07:18", ["3a1b2c3d4e5f60718"]),
        ("serial 0x03A1B2C3", ["3a1b2c3"]),
        ("serial number is 3c 7c fb bf 10 22 33", ["3c7cfbbf102233"]),
        ("Serial: 4660", ["1234"]),
        ("Serial Number: 4096 (0x1000)", ["1000"]),
        ("serial (decimal): 20015998343868", ["123456789abc"]),
        ("serial (hex): 1234567890", ["1234567890"]),
        ("serial no. 0973C18232DBBA", ["973c18232dbba"]),
        ("Serials: 0973C18232DBBA 00AB12CD34EF56 1A2B3C4D5E6F7A", ["973c18232dbba", "ab12cd34ef56", "1a2b3c4d5e6f7a"]),
        ("Serial numbers:\r\n> 0973C18232DBBA\r\n> 00AB12CD34EF56\r\n", ["973c18232dbba", "ab12cd34ef56"]),
        ("Seriennummer: 0973C18232DBBA", ["973c18232dbba"]),
        ("numéro de série : 0973C18232DBBA", ["973c18232dbba"]),
        ("CN=x, serialNumber=5157550, O=Example", []),
        ("serialNumber = 0973C18232DBBA0102", ["973c18232dbba0102"]),
        ("S/N: 09:73:c1:82:32:db:ba", ["973c18232dbba"]),
        ("s/n 0x0973c18232dbba", ["973c18232dbba"]),
        ("Your washing machine, S/N: 356938035643809", []),
        ('"serialNumber": "0973C18232DBBA"', ["973c18232dbba"]),
        ("serial number 12 certificates were wrong", []),
        ("the serialised form 0973C18232DBBA", []),
        ("serial numbers added to the list", []),
    ],
)  # fmt: skip
def test_labelled_serial_numbers_are_read_in_any_notation(text, serials):
    assert [one.value for one in find_serials(text)] == serials


@pytest.mark.parametrize(
    "text",
    [
        "crt.sh IDs 19429431, 626981823",
        "crt.sh certificate IDs: 19429431 and 626981823",
        "crt.sh ids\r\n19429431\r\n626981823\r\n",
        '"crtsh_ids": [\n  19429431,\n  626981823\n]',
        '{"crtsh_id":19429431}\n{"crtsh_id":"626981823"}',
        "- crtsh_id: 19429431\n- crtsh_id: 626981823",
        "| crt.sh ID | 19429431 |\n| crt.sh ID | 626981823 |",
        "crt.sh ID 19,429,431 and crt.sh ID 626 981 823",
        "crt.sh ids 19429431,626981823",
        "crt.sh id 19429431 and id 626981823",
        "crt.sh: 19429431, 626981823",
        "crt.sh #19429431 and crt.sh #626981823",
    ],
)
def test_ids_of_crtsh_are_read_from_prose_lists_and_json(text):
    assert [one.value for one in find_named(text) if one.kind == "crtsh_id"] == [
        "19429431", "626981823",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["crt.sh IDs:\n1. the first", "look at crt.sh ID\n2026 was long ago", "crtsh idea 55555", "crt.sh id x19429431",
     "crt.sh:443 55555", "crt.sh: 2026-12-01", "crt.sh: 55555.5", "crt.sh #5"],
)  # fmt: skip
def test_other_numbers_are_no_ids_of_crtsh(text):
    assert [one for one in find_named(text) if one.kind == "crtsh_id"] == []


@pytest.mark.parametrize(
    "label",
    [
        "SPKI", "public key", "öffentlicher Schlüssel", "clé publique", "clave pública", "chave pública", "chiave pubblica",
        "publieke sleutel", "klucz publiczny", "veřejný klíč", "открытый ключ", "відкритий ключ", "公開鍵", "公钥", "公鑰", "공개 키",
    ],
)  # fmt: skip
def test_the_hash_of_a_key_is_labelled_in_the_usual_languages(label):
    found = find_named(f"{label} SHA-256: {H64}\n")

    assert [(one.kind, one.value) for one in found] == [("spki_sha256", H64)]


@pytest.mark.parametrize(
    "label",
    [
        "Serial #", "Seriennr.", "N° de série", "número de serie", "numero seriale", "numero di serie", "serienummer",
        "sorozatszám", "numer seryjny", "sériové číslo", "sarjanumero", "seerianumber", "seri numarası", "număr de serie",
        "σειριακός αριθμός", "Σειριακός Αριθμός", "серийный номер", "серійний номер", "сериен номер", "serijski broj",
        "serijska številka", "sērijas numurs", "serijos numeris", "序列号", "序號", "シリアル番号", "일련번호", "الرقم التسلسلي",
        "מספר סידורי", "सीरियल नंबर", "nomor seri", "số sê-ri", "หมายเลขซีเรียล",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", ["0A:1B:2C:3D:4E:5F:60:71:82", "0x0a1b2c3d4e5f607182", "186425448081911738754"])  # fmt: skip
def test_a_serial_number_is_labelled_in_the_usual_languages(label, value):
    found = find_named(f"The {label}: {value}\n")

    assert [one.value for one in found if one.kind == "serial_number"] == ["a1b2c3d4e5f607182"]


@pytest.mark.parametrize(
    "noise",
    [
        f"DKIM-Signature: v=1; a=rsa-sha256; d=example.com;\r\n\tb={H64}",
        f"X-Tracking: {H64}",
        f"Message-ID: <{H40}@mail.example.com>",
        f"References: <a@b>\r\n <{H64}@mail.example.com>",
        f"--{H64}",
        f"------=_Part_{H40}",
        f"https://click.example.com/{H64}?u={H40}",
        f"mail {H40}@bounce.example.com",
        "id 123e4567-e89b-12d3-a456-426614174000",
        f"cid:{H40}@01D2",
        "call 0041 4400 0012 3456 7890",
        "2015 2016 2017 2018 2019 2020 2021 2022 2023 2024",
    ],
)
def test_noise_is_no_identifier(noise):
    assert [one for one in named(noise) if one[0] != "hex"] == []


@pytest.mark.parametrize(
    ("text", "domains"),
    [
        ("The certificate for mail.corp.local is wrong.", ["mail.corp.local"]),
        (
            "It names *.example.org and EXAMPLE.NET, e.g. for a.m. use",
            ["*.example.org", "example.net"],
        ),
        ("see crt.sh, pkimet.al, report.zip, leaf.der, i.e. the file", []),
        ("write to me@reporter.example or at https://reporter.example/", []),
        ("It was issued.Please act. Version 1.2.3", []),
        ("www.bücher.example", ["www.bücher.example"]),
        ("xn--bcher-kva.example", ["xn--bcher-kva.example"]),
    ],
)
def test_domain_names_are_those_that_a_text_speaks_of(text, domains):
    assert [one.value for one in find_named(text) if one.kind == "domain"] == domains


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("The names 10.0.0.1 and FE80::1 are in no public registry.", ["10.0.0.1", "fe80::1"]),
        ("IP Address:192.168.1.1, IP 2001:0db8:85a3:0:0:8a2e:0370:7334", ["192.168.1.1", "2001:db8:85a3::8a2e:370:7334"]),
        ("DNS:a.example, IP Address:2001:DB8:0:0:0:0:0:1", ["2001:db8::1"]),
        ("IP:2001:db8::1 and IP=2001:db8::2, IPv6:2001:db8::3 iPAddress:::1", ["2001:db8::1", "2001:db8::2", "2001:db8::3", "::1"]),
        ("skip:2001:db8::1 x[a:1::2] std::2", []),
        ("It holds ::1 and 10.1.2.3.", ["10.1.2.3", "::1"]),
        ("version 1.2.3.4, v1.2.3.4, 1.2.3.4.5, 256.1.1.1, 01.2.3.4", []),
        ("Received: from a.example (a.example [198.51.100.7]) by b ([IPv6:fe80::2])", []),
        ("std::string a::b 12:30:45 0A:1B:2C:3D:4E:5F:60:71 me@10.0.0.1 x/10.0.0.1", []),
    ],
)  # fmt: skip
def test_ip_addresses_are_named_as_domain_names_are(text, addresses):
    kept = [one.value for one in find_named(text) if one.kind == "domain"]

    assert sorted(one for one in kept if one.replace(".", "").isdigit() or ":" in one) == sorted(
        addresses
    )


@pytest.mark.parametrize("blank", ["\u00a0", "\u2009", "\u202f", "\u3000"])
def test_blanks_of_any_width_stand_between_label_and_value(blank):
    text = f"Serial{blank}number:{blank}0a1b2c3d4e5f6071 and SHA-256:{blank}{'ab' * 32}"
    found = find_named(text)

    assert [one.value for one in found] == ["a1b2c3d4e5f6071", "ab" * 32]
    assert all(text[one.offset :].startswith(one.named_as) for one in found)


def test_wide_letters_and_digits_are_read():
    text = (
        "証明書：ｈｔｔｐｓ：／／ｃｒｔ．ｓｈ／？ｉｄ＝５７　シリアル番号：０ａ１ｂ２ｃ３ｄ４ｅ５ｆ"
    )
    found = [one for one in find_named(text) if one.kind != "url"]

    assert [(one.kind, one.value) for one in found] == [
        ("crtsh_id", "57"), ("serial_number", "a1b2c3d4e5f"),
    ]  # fmt: skip
    assert all(one.named_as in text for one in found)


LENGTH = 100_000


@pytest.mark.parametrize(
    "unit",
    [
        "a", "0", "ab:", "ab ", "ab-", "ab\r\n", "abcd ", "abcdef0123456789", "abcdef0123456789 ", ">", " ", "\t\n",
        "=\r\n", "https://", "crt.sh/?", "hxxps://crt[.]sh/?id=1 ", "[.]", "http://a", "<http://a\n", "(", "))",
        "a.1.2", "1.", "::", ":abc:", "1.2.3.4 ", "::1 ", ".1.1.1.1", "f::f", "\u00a0", "serial\u00a0",
        "serial ", "serial:\n", "serial 0x1 ", "Serial: 12 ", "a.", "*.", ".a", "a@", "@", "sha256/", "crt.sh id ",
        "--a\n", "X-A: ", "&", "id=1&", "%25", "-----", "https://crt.sh/?q=a\n", "\n ", "ab: \n",
    ],
)  # fmt: skip
def test_a_long_text_of_anything_is_read_in_linear_time(unit):
    text = unit * (LENGTH // len(unit))
    start = time.perf_counter()
    find_named(text)

    assert time.perf_counter() - start < 3


def test_one_long_link_list_is_read_in_linear_time():
    text = "".join(f"https://crt.sh/?id={number}&opt=cablint\r\n" for number in range(1, 5_001))

    assert len({one.value for one in find_named(text) if one.kind == "crtsh_id"}) == 5_000
