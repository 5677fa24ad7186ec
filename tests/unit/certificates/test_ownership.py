"""Ours or not: only a signature says so."""

from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding
from cryptography.x509.oid import NameOID

from intake.certificates.ownership import IssuingCas
from intake.errors import ConfigError
from tests.issue import make_certificate

CERTIFICATES = Path(__file__).parents[3] / "fixtures" / "certificates"
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])


def der(name: str) -> bytes:
    return (CERTIFICATES / f"{name}.der").read_bytes()


def key(name: str):
    data = (CERTIFICATES / "keys" / f"{name}.key").read_bytes()
    return serialization.load_pem_private_key(data, password=None)


@pytest.fixture(scope="module")
def ours() -> IssuingCas:
    return IssuingCas.load([str(CERTIFICATES / "issuing_ca.pem")])


@pytest.mark.parametrize(
    "name",
    ["clean", "internal_name", "precertificate", "final", "elliptic", "sha1", "compromised"],
)
def test_what_our_key_signed_is_ours(ours, name):
    owner = ours.owner_of(der(name))

    assert owner.ours == "yes"
    assert owner.why.startswith("signed by our issuing CA CN=Example Trust Services Issuing CA 1")


@pytest.mark.parametrize("name", ["other_ca_leaf", "self_signed", "root", "other_ca"])
def test_what_somebody_else_signed_is_not_ours_and_says_whose_it_is(ours, name):
    owner = ours.owner_of(der(name))

    assert owner.ours == "no"
    assert owner.why.startswith("issued by CN=")


def test_our_name_without_our_signature_is_unknown_and_loud(ours):
    owner = ours.owner_of(der("impostor_leaf"))

    assert owner.ours == "unknown"
    assert "names our issuer CN=Example Trust Services Issuing CA 1" in owner.why
    assert "is not signed by its key" in owner.why


def test_our_name_in_another_string_type_is_loud_too(ours):
    certificate = asn1_x509.Certificate.load(der("other_ca_leaf"))
    certificate["tbs_certificate"]["issuer"] = asn1_x509.Name.build(
        {
            "country_name": "CH",
            "organization_name": "Example Trust Services",
            "common_name": "Example Trust Services Issuing CA 1",
        },
        use_printable=True,
    )

    assert ours.owner_of(certificate.dump(force=True)).ours == "unknown"


def test_a_changed_certificate_is_not_ours_any_more(ours):
    data = der("clean").replace(b"www.example.com", b"www.example.net")

    assert ours.owner_of(data).ours == "unknown"


def test_our_issuing_ca_itself_is_ours(ours):
    assert ours.owner_of(der("issuing_ca")).ours == "yes"


def test_bytes_that_are_no_certificate_are_unknown(ours):
    assert ours.owner_of(b"hello").ours == "unknown"


def test_without_a_configured_ca_nothing_is_known():
    owner = IssuingCas().owner_of(der("clean"))

    assert (owner.ours, "no issuing CA is configured" in owner.why) == ("unknown", True)


def test_a_malformed_certificate_is_ours_by_the_bytes_that_were_signed(ours):
    """A BOOLEAN that is no DER: encoding it again would change what the signature covers."""
    certificate = asn1_x509.Certificate.load(der("clean"))
    tbs = certificate["tbs_certificate"].dump()
    assert b"\x01\x01\xff" in tbs
    broken = tbs.replace(b"\x01\x01\xff", b"\x01\x01\x01", 1)
    signature = key("issuing_ca").sign(broken, padding.PKCS1v15(), hashes.SHA256())
    data = der("clean").replace(tbs, broken).replace(der("clean")[-256:], signature)
    with pytest.raises(ValueError, match="parsing"):
        x509.load_der_x509_certificate(data)

    assert ours.owner_of(data).ours == "yes"


def _issued_by(signer, algorithm, **options) -> tuple[bytes, bytes]:
    """Return a CA certificate and a leaf, both signed by the same key."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    )
    is_ca = x509.BasicConstraints(ca=True, path_length=None)
    ca = builder.public_key(signer.public_key()).serial_number(1)
    leaf = builder.public_key(key("self_signed").public_key()).serial_number(2)
    as_der = serialization.Encoding.DER
    return (
        ca.add_extension(is_ca, critical=True)
        .sign(signer, algorithm, **options)
        .public_bytes(as_der),
        leaf.sign(signer, algorithm, **options).public_bytes(as_der),
    )


PSS_384 = padding.PSS(mgf=padding.MGF1(hashes.SHA384()), salt_length=48)
PSS_256 = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=32)


@pytest.mark.parametrize(
    ("signer", "algorithm", "options"),
    [
        (key("leaf"), hashes.SHA384(), {"rsa_padding": PSS_384}),
        (key("leaf"), hashes.SHA256(), {"rsa_padding": PSS_256}),
        (key("leaf"), hashes.SHA512(), {}),
        (ec.generate_private_key(ec.SECP384R1()), hashes.SHA384(), {}),
        (ed25519.Ed25519PrivateKey.generate(), None, {}),
    ],
    ids=["pss-384", "pss-256", "pkcs1-512", "ecdsa-384", "ed25519"],
)
def test_every_kind_of_signature_is_checked(tmp_path, signer, algorithm, options):
    ca, leaf = _issued_by(signer, algorithm, **options)
    (tmp_path / "ca.der").write_bytes(ca)

    cas = IssuingCas.load([str(tmp_path / "*.der")])

    assert cas.owner_of(leaf).ours == "yes"
    assert cas.owner_of(leaf[:-1] + bytes([leaf[-1] ^ 1])).ours == "unknown"
    assert cas.owner_of(der("root")).ours == "no"


def test_patterns_der_and_bundles_are_read(tmp_path):
    (tmp_path / "a.pem").write_bytes((CERTIFICATES / "issuing_ca.pem").read_bytes())
    (tmp_path / "b.der").write_bytes(der("other_ca"))

    cas = IssuingCas.load([f"{tmp_path}/*.pem", f"{tmp_path}/b.der", f"{tmp_path}/a.pem"])

    assert len(cas.cas) == 2
    assert cas.owner_of(der("other_ca_leaf")).ours == "yes"


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("missing.pem", None, "no file matches"),
        ("empty.pem", b"", "holds no CA certificate"),
        ("text.pem", b"hello", "holds no CA certificate"),
        ("leaf.der", der("clean"), "holds no CA certificate"),
    ],
)
def test_a_file_that_gives_no_ca_is_a_fault_of_the_configuration(tmp_path, name, content, rule):
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(ConfigError) as raised:
        IssuingCas.load([str(tmp_path / name)])

    problem = raised.value.problems[0]
    assert (problem.key, problem.value) == ("certificates.issuing_cas", str(tmp_path / name))
    assert rule in problem.rule
    assert problem.fix


# ---- CAs that issue no more, and those that sign precertificates only -----------------------------


def made(folder: Path, name: str, **more) -> str:
    """Write a CA certificate and return its path."""
    is_ca = (x509.BasicConstraints(ca=True, path_length=0), True)
    values = {"common_name": name, "issuer": "Issuing CA", "extensions": (is_ca,), "purposes": ()}
    path = folder / f"{name}.der"
    path.write_bytes(make_certificate(**(values | more)))
    return str(path)


SIGNS_PRECERTIFICATES = (x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.4"),)


def test_a_ca_that_ended_long_ago_is_still_ours(tmp_path):
    begin = datetime(2001, 1, 1, tzinfo=UTC)
    retired = made(tmp_path, "Issuing CA", begin=begin, end=datetime(2011, 1, 1, tzinfo=UTC))

    assert IssuingCas.load([retired]).owner_of(make_certificate(issuer="Issuing CA")).ours == "yes"


def test_an_old_ca_that_a_strict_reader_refuses_is_still_ours(tmp_path):
    path = Path(made(tmp_path, "Issuing CA"))
    certificate = asn1_x509.Certificate.load(path.read_bytes())
    certificate["tbs_certificate"]["version"] = "v1"  # written out, which DER forbids
    path.write_bytes(certificate.dump(force=True))

    assert (
        IssuingCas.load([str(path)]).owner_of(make_certificate(issuer="Issuing CA")).ours == "yes"
    )


def test_a_precertificate_signing_ca_stands_for_the_ca_that_issued_it(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    issuing = made(tmp_path, "Issuing CA")
    signing = made(
        tmp_path,
        "Signing CA",
        key=key.public_key(),
        purposes=SIGNS_PRECERTIFICATES,
        serial_number=2,
    )
    cas = IssuingCas.load([issuing, signing])

    owner = cas.owner_of(make_certificate(issuer="Signing CA", signer=key))
    other = cas.owner_of(make_certificate(issuer="Issuing CA"))

    assert owner.ours == other.ours == "yes"
    subject = next(ca.subject for ca in cas.cas if ca.name == "CN=Issuing CA")
    assert owner.issuer_sha256 == sha256(subject).hexdigest()
    assert other.issuer_sha256 is None


def test_a_signing_ca_without_its_issuer_is_a_fault_of_the_configuration(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    signing = made(
        tmp_path, "Signing CA", key=key.public_key(), purposes=SIGNS_PRECERTIFICATES, signer=None
    )

    with pytest.raises(ConfigError) as caught:
        IssuingCas.load([signing])

    (problem,) = caught.value.problems
    assert "precertificate signing CA" in problem.rule
    assert "too" in problem.fix
