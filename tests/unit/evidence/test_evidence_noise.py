"""Newsletters, spam and machine mail yield no certificate identifiers."""

import re

import pytest

from benchmarks.newsletters import generate_noise
from intake.evidence.extract import extract_evidence
from intake.evidence.identifiers import find_named

MOST_FALSE = 1 / 200
H64 = "9bf16ef6c1204b1a0f6d9f9dcd1b28a4e5d3c2b1a0f9e8d7c6b5a49382716054"
H40 = H64[:40]
GROUPS40 = " ".join(H40[at : at + 4] for at in range(0, 40, 4)).upper()


def test_noise_yields_at_most_one_in_two_hundred():
    messages = list(generate_noise(400, seed=7))
    found = [
        evidence
        for evidence in map(extract_evidence, messages)
        if evidence.identifiers or evidence.certificates
    ]

    assert len(found) <= MOST_FALSE * len(messages)


@pytest.mark.parametrize(
    ("pattern", "least"),
    [
        (r"(?m)^DKIM-Signature:", 1), (r"boundary=\"", 0.5), (r"(?m)^Message-ID: <[0-9a-f]{40}", 1),
        (r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", 0.4), (r"https://\S*[0-9a-f]{40}", 0.9),
        (r"(?i)commit[ /:]+[0-9a-f]{40}", 0.03), (r"(?i)sha-?(?:1|256)[ (:=]", 0.03), (r"\b[0-9a-f]{64}\b", 0.9),
        (r"(?i)serial", 0.1),
    ],
)  # fmt: skip
def test_the_noise_holds_what_could_be_mistaken(pattern, least):
    """Counting any one of these would break the limit above six times over."""
    messages = [raw.decode() for raw in generate_noise(400, seed=7)]
    share = sum(bool(re.search(pattern, text)) for text in messages) / len(messages)

    assert share >= least >= 6 * MOST_FALSE


def test_noise_is_no_report_by_its_words_and_may_be_called_spam():
    labelled = [extract_evidence(raw).suggested_spam for raw in generate_noise(50, seed=8)]

    assert sum(map(bool, labelled)) > 40


@pytest.mark.parametrize(
    "text",
    [
        f"{H64}  tool-1.2.tar.gz", f"{H64} *tool.zip", f"SHA256 (tool.tar.xz) = {H64}", f"SHA1 (tool.iso) = {H40}",
        f"tool==1.0 --hash=sha256:{H64}", f"image@sha256:{H64}", f"changes up to {H40}:", f"PGP fingerprint: {GROUPS40}",
        f"GPG Key fingerprint = {H40.upper()}", f"Key fingerprint = {GROUPS40}", f"pay to 0x{H40}", f"txid {H64}",
        f"BTC wallet {H64}", f"HEAD is now at {H40}", f"at rev {H40}", f"merge {H40}", f"branch main ({H40})",
        f"tx {H64}", f"block hash: {H64}", f"ipfs://{H64}", f'ETag: "{H40}"', f"session id {H64}", f"token: {H64}",
        f"api_key={H40}", f"unsubscribe code {H40}",
    ],
)  # fmt: skip
def test_checksums_commits_and_other_fingerprints_are_listed_and_no_more(text):
    assert {one.kind for one in find_named(text)} - {"domain", "url"} <= {"hex"}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (f"{H64}  leaf.der", "sha256"), (f"SHA256 (leaf.cer) = {H64}", "sha256"),
        (f"The HEAD of the branch serves {H64}", "sha256"), (f"found in a merge of both lists: {H64}", "sha256"),
        (f"for our session on Monday, {H40}", "sha1"),
        (f"session with the certificate {H40}", "sha1"), (f"token fingerprint {H64}", "sha256"),
        (f"GPG-signed mail. Certificate fingerprint: {H40}", "sha1"), (f"SHA-256 hash {H64}", "sha256"),
    ],
)  # fmt: skip
def test_what_may_be_a_certificate_is_still_one(text, kind):
    assert [one.kind for one in find_named(text) if one.kind in ("sha1", "sha256")] == [kind]


def test_the_digest_of_an_image_of_a_container_is_listed():
    assert [one.kind for one in find_named(f"FROM app.example/x:1@sha256:{H64}")][-1] == "hex"
