"""Links in text, and what they name."""

import pytest

from intake.evidence.identifiers import find_named, named_by_link
from intake.evidence.link_meaning import read_link
from intake.evidence.links import find_links, ordinary_links
from intake.evidence.targets import differing_link
from intake.evidence.wrappers import unwrap

H64 = "9bf16ef6c1204b1a0f6d9f9dcd1b28a4e5d3c2b1a0f9e8d7c6b5a49382716054"
H40 = "9bf16ef6c1204b1a0f6d9f9dcd1b28a4e5d3c120"
SERIAL = "03a1b2c3d4e5f60718293a4b5c6d7e8f9012"


@pytest.mark.parametrize(
    ("link", "named"),
    [
        ("https://crt.sh/?id=19429431&opt=cablint", [("crtsh_id", "19429431")]),
        ("https://crt.sh/?opt=zlint&id=626981823", [("crtsh_id", "626981823")]),
        ("http://crt.sh/?ID=5&OPT=x509lint", [("crtsh_id", "5")]),
        ("https://crt.sh/?opt=cablint,x509lint,zlint,ocsp&amp;id=7", [("crtsh_id", "7")]),
        ("https://crt.sh/?d=19429431", [("crtsh_id", "19429431")]),
        ("https://crt.sh/?id=19429431,626981823", [("crtsh_id", "19429431"), ("crtsh_id", "626981823")]),
        ("https://crt.sh/?id=19%2C429%2C431", [("crtsh_id", "19429431")]),
        (f"https://crt.sh/?d={H64}", [("sha256", H64)]),
        (f"https://crt.sh/?c={H40}", [("sha1", H40)]),
        ("https://crt.sh/?c=12", [("crtsh_id", "12")]),
        (f"https://crt.sh/?sha256={H64.upper()}", [("sha256", H64)]),
        (f"https://crt.sh/?sha1={H40[1:]}", [("sha1", "0" + H40[1:])]),
        ("https://crt.sh/?asn1=44", [("crtsh_id", "44")]),
        ("https://crt.sh/?h=44&pv=44", [("crtsh_id", "44")]),
        (f"https://crt.sh/?q={H64}", [("sha256", H64)]),
        ("https://crt.sh/?q=" + ":".join(H64[i : i + 2] for i in range(0, 64, 2)), [("sha256", H64)]),
        (f"https://crt.sh/?q={H40}", [("sha1", H40)]),
        ("https://crt.sh/?q=19429431", [("crtsh_id", "19429431")]),
        (f"https://crt.sh/?q={SERIAL}", [("serial_number", SERIAL[1:])]),
        ("https://crt.sh/?q=mail.corp.local", [("domain", "mail.corp.local")]),
        ("https://crt.sh/?q=%25.example.com", [("domain", "example.com")]),
        ("https://crt.sh/?q=sha256/m/Fu9sEgSxoPbZ+dzRsopOXTwrGg+ejXxrWkk4JxYFQ=", [("spki_sha256", H64)]),
        (f"https://crt.sh/?spkisha256={H64}", [("spki_sha256", H64)]),
        ("https://crt.sh/?serial=0a:0b:0c:0d:0e:0f:01:02", [("serial_number", "a0b0c0d0e0f0102")]),
        (f"https://crt.sh/?ski={H40}", [("hex", H40)]),
        ("https://crt.sh/?caid=1191&opt=zlint", []),
        ("https://crt.sh/?CN=intranet.corp.example&exclude=expired", [("domain", "intranet.corp.example")]),
        ("https://crt.sh/?id=1;opt=x", [("crtsh_id", "1")]),
        ("https://crt.sh/?id=1&id=2&d=3", [("crtsh_id", "1"), ("crtsh_id", "2"), ("crtsh_id", "3")]),
        ("https://crt.sh/json?id=8", [("crtsh_id", "8")]),
        ("https://crt.sh/test/?id=8", [("crtsh_id", "8")]),
        ("https://crt.sh/19429431", [("crtsh_id", "19429431")]),
        ("https://crt.sh/?19429431", [("crtsh_id", "19429431")]),
        ("https://crt.sh:443/?id=+8#top", [("crtsh_id", "8")]),
        ("https://crt.sh/?id=3D19429431", [("crtsh_id", "19429431")]),
        ("https://crt.sh/?i%64=%31%32", [("crtsh_id", "12")]),
        ("https://crt.sh@evil.example/?id=8", []),
        ("https://crt.sh.evil.example/?id=8", []),
        ("https://evil.example/?id=8&sha256=" + H64, []),
        (f"https://search.censys.io/certificates/{H64}", [("sha256", H64)]),
        (f"https://censys.io/certificates/{H64}/table", [("sha256", H64)]),
        (f"https://v1.pwnedkeys.com/{H64}", [("spki_sha256", H64)]),
    ],
)  # fmt: skip
def test_each_link_form_names_what_its_parameter_says(link, named):
    assert read_link(link) == named


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("See https://crt.sh/?id=19429431&opt=cablint.", ["19429431"]),
        ("crt.sh/?id=19429431", ["19429431"]),
        ("(crt.sh/?id=5)", ["5"]),
        ("www.crt.sh/?id=5!", ["5"]),
        ("<https://crt.sh/?id=5>,<https://crt.sh/?id=6>", ["5", "6"]),
        ("https://crt.sh/?id=5,https://crt.sh/?id=6;https://crt.sh/?id=7", ["5", "6", "7"]),
        ("[https://crt.sh/?id=5](https://crt.sh/?id=6)", ["5", "6"]),
        ("|https://crt.sh/?id=5|https://crt.sh/?id=6|", ["5", "6"]),
        ("*https://crt.sh/?id=5*", ["5"]),
        ("hxxps://crt[.]sh/?id=5 and crt(.)sh/?id=6", ["5", "6"]),
        ("https[:]//crt[.]sh/?id=5", ["5"]),
        ("https://crt.sh/?id=\r\n19429431", ["19429431"]),
        ("https://crt.sh/?id=194=\r\n29431 now", ["19429431"]),
        ("https://crt.sh/?id=3D194=\r\n29431 now", ["19429431"]),
        ("<https://crt.sh/?opt=cablint\r\n&id=19429431>", ["19429431"]),
        ("crt.sh ID 19429431, crt.sh id: 6", ["19429431", "6"]),
        (
            "crt.sh IDs: 19429431, 626981823 and\r\n> 100609198.",
            ["19429431", "626981823", "100609198"],
        ),
        ("https://notcrt.sh/?id=5 https://example.com/crt.sh/?id=6", []),
    ],
)
def test_links_are_found_however_they_stand_in_text(text, ids):
    assert [one.value for one in find_named(text) if one.kind == "crtsh_id"] == ids


@pytest.mark.parametrize("quote", ["", "> ", "> > ", "   "])
def test_a_hash_broken_over_two_lines_is_one(quote):
    text = f"{quote}https://crt.sh/?q={H64[:50]}\r\n{quote}{H64[50:]}\r\n{quote}Regards"

    assert ("sha256", H64) in [(one.kind, one.value) for one in find_named(text)]


def test_a_link_is_named_as_it_was_written_and_at_its_place():
    text = "Look: hxxps://crt[.]sh/?id=5 please"
    found = next(one for one in find_named(text) if one.kind == "crtsh_id")

    assert text[found.offset :].startswith(found.named_as)
    assert found.named_as == "hxxps://crt[.]sh/?id=5"


@pytest.mark.parametrize(
    "wrapped",
    [
        "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fcrt.sh%2F%3Fid%3D5&data=05%7C01",
        "https://web.archive.org/web/20170813044512/https://crt.sh/?id=5",
        "https://urldefense.proofpoint.com/v2/url?u=https-3A__crt.sh_-3Fid-3D5&d=DwMF",
        "https://urldefense.com/v3/__https://crt.sh/?id=5__;!!abc$",
        "https://urldefense.com/v3/__https://crt.sh/*id=5__;Pw!!abc$",
        "https://www.google.com/url?q=https://crt.sh/?id=5",
    ],
)
def test_wrappers_of_mail_gateways_are_undone(wrapped):
    assert unwrap(wrapped) == "https://crt.sh/?id=5"
    assert [(one.kind, one.value) for one in find_named(wrapped)] == [
        ("url", "https://crt.sh/?id=5"), ("crtsh_id", "5"),
    ]  # fmt: skip


def test_the_host_of_a_link_made_harmless_is_named():
    text = "hxxps://login.bank.example/x is a fake of https://www.bank.example/"

    assert [one.value for one in find_named(text) if one.kind == "domain"] == ["login.bank.example"]


@pytest.mark.parametrize(
    "href", ["//crt.sh/?id=5", "https://crt.sh/\r\n?id=5", "HTTPS://CRT.SH/?ID=5"]
)
def test_the_target_of_an_html_link_is_read(href):
    assert ("crtsh_id", "5") in [(one.kind, one.value) for one in named_by_link(href)]


def test_links_of_other_schemes_name_nothing():
    assert named_by_link("javascript:location='https://crt.sh/?id=5'") == []
    assert named_by_link("mailto:cps@ca.example") == []


def test_balanced_brackets_belong_to_a_link():
    assert find_links("(see https://example.com/a_(b)_c).")[0].url == "https://example.com/a_(b)_c"


@pytest.mark.parametrize(
    ("wrapped", "inner"),
    [
        ("https://urldefense.proofpoint.com/v1/url?u=https%3A%2F%2Fcrt.sh%2F%3Fid%3D5&k=x&r=y", "https://crt.sh/?id=5"),
        ("https://urldefense.com/v3/__https://crt.sh/?q=a*b**Cd__;w6kwMTIz!!x$", "https://crt.sh/?q=aéb0123d"),
        ("https://urldefense.us/v3/__https:/crt.sh/?id=5__;!!x$", "https://crt.sh/?id=5"),
        ("https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fcrt.sh%2f%3fid%3d5&c=E,1,x", "https://crt.sh/?id=5"),
        ("https://protect2.fireeye.com/v1/url?k=1&q=1&e=x&u=https%3A%2F%2Fcrt.sh%2F%3Fid%3D5", "https://crt.sh/?id=5"),
        ("https://eu-central-1.protection.sophos.com/?d=crt.sh&u=aHR0cHM6Ly9jcnQuc2gvP2lkPTU=&i=x", "https://crt.sh/?id=5"),
        ("https://secure-web.cisco.com/1abc/https%3A%2F%2Fcrt.sh%2F%3Fid%3D5", "https://crt.sh/?id=5"),
        ("https://anything.example/out?to=https%3A%2F%2Fcrt.sh%2F%3Fid%3D5", "https://crt.sh/?id=5"),
        ("https://anything.example/out?to=https%3A%2F%2Fshop.example%2F", None),
        ("https://urldefense.com/v3/__nothing", None),
    ],
)  # fmt: skip
def test_links_are_taken_out_of_the_wrappers_of_gateways(wrapped, inner):
    assert unwrap(wrapped) == (inner or wrapped)


@pytest.mark.parametrize(
    ("link", "named"),
    [
        (f"https://platform.censys.io/certificates/{H64}", [("sha256", H64)]),
        (f"https://search.censys.io/search?q=fingerprint_sha256%3A{H64.upper()}", [("sha256", H64)]),
        (f"https://pwnedkeys.com/search/{H64}", [("spki_sha256", H64)]),
        (f"https://v1.pwnedkeys.com/{H64}.jws", [("spki_sha256", H64)]),
        (f"https://www.virustotal.com/gui/file/{H64}", []),
        ("https://misissued.com/batch/8/", []),
        ("https://crt.sh/?d=5&opt=zlint", [("crtsh_id", "5")]),
        ("https://crt.sh/?q=12345678901234", [("crtsh_id", "12345678901234"), ("serial_number", "12345678901234")]),
    ],
)  # fmt: skip
def test_other_places_name_certificates_too(link, named):
    assert read_link(link) == named


@pytest.mark.parametrize(
    ("text", "href", "differs"),
    [
        ("https://crt.sh/?id=5", "https://crt.sh/?id=6", True),
        ("https://crt.sh/?id=5", "https://crt.sh/?opt=zlint&id=5", False),
        (
            "crt.sh/?id=5",
            "https://nam02.safelinks.protection.outlook.com/?url=https%3A%2F%2Fcrt.sh%2F%3Fid%3D5",
            False,
        ),
        ("www.shop.example", "https://shop.example/start", False),
        ("www.shop.example", "https://evil.example/", True),
        ("https://shop.example/a", "https://shop.example/b", False),
        ("click here", "https://evil.example/", False),
        ("https://crt.sh/?id=…", "https://crt.sh/?id=6", False),
        ("https://crt.sh/?id=5", "mailto:rita@reporter.example", False),
    ],
)
def test_a_link_that_leads_elsewhere_is_told(text, href, differs):
    assert (differing_link(text, href, "1") is not None) is differs


def test_plain_targets_are_told_from_those_to_be_read():
    plain = ["https://shop.example/?a=1&b=2", "http://news.example/x"]
    others = [
        "https://crt.sh/?id=5",
        "mailto:a@b.example",
        "https://shop.example/a b",
        "hxxps://evil.example",
        "https://bücher.example/",
    ]
    ordinary, rest = ordinary_links([*plain, *others])

    assert ordinary == plain
    assert sorted(rest) == sorted(others)
