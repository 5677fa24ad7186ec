"""The rule behind each common lint finding: where it stands, in plain English, since when.

Linters name no section. This table does for the codes that reports are about; for any other code
the citation is the document alone and the date is unknown. Section numbers are those of TLS BR
2.2.5, which pkilint 0.13.3 follows; older and newer versions number some of them otherwise.

Source: BR 3.2.2.6, 4.2.2, 6.1.1.3, 6.1.5, 6.1.6, 6.3.2, 7.1, 7.2; RFC 5280; RFC 6962.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

FIRST = date(2012, 7, 1)  # the effective date of BR 1.0
PROFILES = date(2023, 9, 15)  # BR 2.0.0, SC062: Certificate Profiles Update
RFC5280 = date(2008, 5, 1)
INTERNAL_NAMES = date(2015, 11, 1)  # from then on none was allowed; see `since_for`
LETTER_FOR_LETTER = date(2021, 10, 1)  # ballot SC48; before it, case did not matter
WEAK_KEYS = date(2024, 11, 15)  # ballot SC073 names ROCA and Fermat
TLS = "cabf.serverauth."
LEAF = "cabf.serverauth.subscriber."


@dataclass(frozen=True)
class LintRule:
    """What stands behind a finding code."""

    citation: str
    plain: str  # one sentence for people
    since: date | None = None

    @property
    def effective_from(self) -> datetime | None:
        """Return the first instant at which the rule was in force."""
        if self.since is None:
            return None
        return datetime(self.since.year, self.since.month, self.since.day, tzinfo=UTC)


RULES = {
    # Names
    "cabf.internal_domain_name": LintRule(
        "BR 4.2.2, 7.1.2.7.12",
        "A name ends in no top-level domain of the public DNS, so nobody can own it.",
        INTERNAL_NAMES,
    ),
    "cabf.internal_ip_address": LintRule(
        "BR 4.2.2, 7.1.2.7.12",
        "An IP address is reserved, so nobody can own it.",
        INTERNAL_NAMES,
    ),
    f"{TLS}invalid_dnsname_syntax": LintRule(
        "BR 7.1.2.7.12; RFC 5280 4.2.1.6",
        "A DNS name has a character, a label or a wildcard that is not allowed there.",
        FIRST,
    ),
    f"{TLS}dnsname_contains_prohibited_reserved_label": LintRule(
        "BR 7.1.2.7.12",
        "A DNS label has hyphens in its third and fourth place and is no P-label.",
        date(2021, 10, 1),
    ),
    f"{TLS}invalid_plabel_encoding": LintRule(
        "BR 7.1.2.7.12", "A DNS label begins with xn-- and is no valid Punycode.", date(2021, 10, 1)
    ),
    f"{TLS}ip_reverse_zone_domain_name_present": LintRule(
        "BR 4.2.2", "A DNS name ends in in-addr.arpa or ip6.arpa.", date(2026, 3, 15)
    ),
    f"{TLS}prohibited_san_type": LintRule(
        "BR 7.1.2.7.12",
        "The subject alternative name holds something else than DNS names and IP addresses.",
        FIRST,
    ),
    f"{LEAF}subject_altname_extension_absent": LintRule(
        "BR 7.1.2.7.12", "There is no subject alternative name.", FIRST
    ),
    f"{TLS}subscriber_common_name_unknown_source": LintRule(
        "BR 7.1.4.3",
        "The common name is not, letter for letter, one of the subject alternative names.",
        FIRST,
    ),
    f"{TLS}dv.common_name_attribute_present": LintRule(
        "BR 7.1.2.7.2", "The common name should be left out.", PROFILES
    ),
    f"{TLS}ov.common_name_attribute_present": LintRule(
        "BR 7.1.2.7.4", "The common name should be left out.", PROFILES
    ),
    f"{TLS}iv.common_name_attribute_present": LintRule(
        "BR 7.1.2.7.3", "The common name should be left out.", PROFILES
    ),
    # Subject
    f"{TLS}ov.organizational_unit_name_attribute_present": LintRule(
        "BR 7.1.2.7.4", "The subject has an organizational unit.", date(2022, 9, 1)
    ),
    f"{TLS}iv.organizational_unit_name_attribute_present": LintRule(
        "BR 7.1.2.7.3", "The subject has an organizational unit.", date(2022, 9, 1)
    ),
    f"{TLS}dv.unknown_attribute_present": LintRule(
        "BR 7.1.2.7.2",
        "The subject of a domain-validated certificate says more than country and common name.",
        PROFILES,
    ),
    f"{TLS}ov.country_attribute_absent": LintRule(
        "BR 7.1.2.7.4", "The subject names no country.", FIRST
    ),
    f"{TLS}ov.organization_name_attribute_absent": LintRule(
        "BR 7.1.2.7.4", "The subject names no organization.", FIRST
    ),
    f"{TLS}subscriber_stateprovince_and_locality_missing": LintRule(
        "BR 7.1.2.7.4", "The subject names neither locality nor state or province.", FIRST
    ),
    f"{TLS}invalid_rdn_order": LintRule(
        "BR 7.1.4.2", "The parts of the subject stand in the wrong order.", PROFILES
    ),
    f"{TLS}rdn_contains_multiple_atvs": LintRule(
        "BR 7.1.4.2", "A part of the subject holds several values.", PROFILES
    ),
    f"{TLS}prohibited_duplicate_attribute_type": LintRule(
        "BR 7.1.4.2", "An attribute stands twice in the subject.", PROFILES
    ),
    f"{TLS}attribute_value_invalid_encoding_type": LintRule(
        "BR 7.1.4.2", "A value of the subject has a string type that is not allowed.", PROFILES
    ),
    f"{TLS}name_attribute_value_too_long": LintRule(
        "BR 7.1.4.2; RFC 5280 appendix A.1", "A value of the subject is too long.", RFC5280
    ),
    "cabf.insignificant_attribute_value_present": LintRule(
        "BR 7.1.4.2", "A value of the subject is only a dot, a dash or a blank.", FIRST
    ),
    "cabf.invalid_country_code": LintRule(
        "BR 7.1.4.2", "The country is no ISO 3166-1 code of two letters.", FIRST
    ),
    # Validity
    f"{TLS}certificate_validity_period_exceeds_398_days": LintRule(
        "BR 6.3.2", "It is valid for more than 398 days.", date(2020, 9, 1)
    ),
    f"{TLS}certificate_validity_period_exceeds_397_days": LintRule(
        "BR 6.3.2", "It is valid for more than the 397 days that are advised.", date(2020, 9, 1)
    ),
    f"{TLS}certificate_validity_period_exceeds_200_days": LintRule(
        "BR 6.3.2", "It is valid for more than 200 days.", date(2026, 3, 15)
    ),
    f"{TLS}certificate_validity_period_exceeds_199_days": LintRule(
        "BR 6.3.2", "It is valid for more than the 199 days that are advised.", date(2026, 3, 15)
    ),
    f"{TLS}certificate_validity_period_exceeds_100_days": LintRule(
        "BR 6.3.2", "It is valid for more than 100 days.", date(2027, 3, 15)
    ),
    f"{TLS}certificate_validity_period_exceeds_47_days": LintRule(
        "BR 6.3.2", "It is valid for more than 47 days.", date(2029, 3, 15)
    ),
    "pkix.certificate_negative_validity_period": LintRule(
        "RFC 5280 4.1.2.5", "It ends before it begins.", RFC5280
    ),
    # Keys and signatures
    f"{TLS}prohibited_signature_algorithm_encoding": LintRule(
        "BR 7.1.3.2",
        "The signature algorithm is not allowed, or is not encoded as prescribed (SHA-1, MD5).",
        date(2016, 1, 1),
    ),
    f"{TLS}prohibited_subject_public_key_algorithm_encoding": LintRule(
        "BR 7.1.3.1", "The key's algorithm is not allowed, or is not encoded as prescribed."
    ),
    "cabf.rsa_modulus_invalid_length": LintRule(
        "BR 6.1.5",
        "The RSA modulus is under 2048 bits, or its length is no multiple of 8.",
        date(2014, 1, 1),
    ),
    "cabf.rsa_exponent_prohibited_value": LintRule(
        "BR 6.1.6", "The RSA exponent is even or under 3.", date(2013, 1, 1)
    ),
    "cabf.rsa_exponent_not_in_recommended_range": LintRule(
        "BR 6.1.6", "The RSA exponent lies outside of the range that is advised.", date(2013, 1, 1)
    ),
    "cabf.rsa_modulus_has_small_prime_factor": LintRule(
        "BR 6.1.6", "The RSA modulus has a small factor, so the key is broken.", date(2013, 1, 1)
    ),
    "cabf.ecdsa_key_validation_failed": LintRule(
        "BR 6.1.6", "The point of the EC key does not lie on its curve.", date(2013, 1, 1)
    ),
    "pkix.certificate_signature_algorithm_mismatch": LintRule(
        "RFC 5280 4.1.1.2", "The two places that name the signature algorithm differ.", RFC5280
    ),
    # Extensions
    f"{TLS}subscriber_missing_reserved_policy_oid": LintRule(
        "BR 7.1.2.7.9", "No policy of the CA/Browser Forum is named.", date(2020, 9, 30)
    ),
    f"{TLS}subscriber_multiple_reserved_policy_oids": LintRule(
        "BR 7.1.2.7.9", "Several policies of the CA/Browser Forum are named.", PROFILES
    ),
    f"{TLS}subscriber_first_policy_oid_not_reserved": LintRule(
        "BR 7.1.2.7.9", "The CA/Browser Forum's policy should stand first.", PROFILES
    ),
    f"{LEAF}certificate_policies_extension_absent": LintRule(
        "BR 7.1.2.7.9", "No certificate policy is named.", FIRST
    ),
    f"{LEAF}extended_key_usage_extension_absent": LintRule(
        "BR 7.1.2.7.10", "There is no extended key usage.", FIRST
    ),
    f"{LEAF}serverauth_eku_absent": LintRule(
        "BR 7.1.2.7.10", "The extended key usage does not name TLS servers.", PROFILES
    ),
    f"{LEAF}anyeku_eku_present": LintRule(
        "BR 7.1.2.7.10", "The extended key usage allows everything.", PROFILES
    ),
    f"{LEAF}emailprotection_eku_present": LintRule(
        "BR 7.1.2.7.10", "The extended key usage names e-mail protection.", PROFILES
    ),
    f"{LEAF}codesigning_eku_present": LintRule(
        "BR 7.1.2.7.10", "The extended key usage names code signing.", PROFILES
    ),
    f"{TLS}subscriber_prohibited_ku_present": LintRule(
        "BR 7.1.2.7.11", "The key usage names a use that is not allowed.", PROFILES
    ),
    f"{TLS}subscriber_rsa_digitalsignature_and_keyencipherment_present": LintRule(
        "BR 7.1.2.7.11", "The key usage should not name signing and encipherment both.", PROFILES
    ),
    f"{TLS}subscriber_basic_constraints_ca_bit_set": LintRule(
        "BR 7.1.2.7.8", "A server certificate says that it is a CA.", FIRST
    ),
    f"{LEAF}authority_key_identifier_extension_absent": LintRule(
        "BR 7.1.2.11.1", "There is no authority key identifier.", PROFILES
    ),
    f"{LEAF}subject_key_identifier_extension_present": LintRule(
        "BR 7.1.2.7.6", "The subject key identifier should be left out.", PROFILES
    ),
    f"{LEAF}authority_info_access_extension_absent": LintRule(
        "BR 7.1.2.7.7", "It does not say where its issuer's certificate and OCSP are.", FIRST
    ),
    f"{LEAF}revocation_information_absent": LintRule(
        "BR 7.1.2.11.2, 7.1.2.7.7", "It names neither a CRL nor an OCSP responder."
    ),
    f"{TLS}certificate_policy_qualifier_present": LintRule(
        "BR 7.1.2.7.9", "Policy qualifiers should be left out.", PROFILES
    ),
    "pkix.duplicate_extension": LintRule("RFC 5280 4.2", "An extension stands twice.", RFC5280),
    "pkix.authority_key_identifier_extension_absent": LintRule(
        "RFC 5280 4.2.1.1", "There is no authority key identifier.", RFC5280
    ),
    "pkix.ct_precert_poison_and_sctlist_extensions_present": LintRule(
        "RFC 6962 3.1", "It is marked as a precertificate and carries SCTs as a final one does."
    ),
    "pkix.ct_precert_poison_extension_not_critical": LintRule(
        "RFC 6962 3.1", "The mark of a precertificate is not critical."
    ),
    # Shape
    "pkix.certificate_serial_number_out_of_range": LintRule(
        "RFC 5280 4.1.2.2; BR 7.1.2.7",
        "The serial number is zero, negative or longer than 20 octets.",
        RFC5280,
    ),
    "pkix.certificate_version_is_not_v3": LintRule(
        "RFC 5280 4.1.2.1; BR 7.1.2.7", "Its version is not 3.", FIRST
    ),
    "pkix.issuer_unique_id_present": LintRule(
        "RFC 5280 4.1.2.8; BR 7.1.2.7", "It carries an issuer unique id.", RFC5280
    ),
    "pkix.subject_unique_id_present": LintRule(
        "RFC 5280 4.1.2.8; BR 7.1.2.7", "It carries a subject unique id.", RFC5280
    ),
    "pkix.wrong_time_useful_type": LintRule(
        "RFC 5280 4.1.2.5", "A time has the wrong type for its year.", RFC5280
    ),
    "pkix.utctime_incorrect_syntax": LintRule(
        "RFC 5280 4.1.2.5.1", "A time is not written as prescribed.", RFC5280
    ),
    "pkix.generalizedtime_incorrect_syntax": LintRule(
        "RFC 5280 4.1.2.5.2", "A time is not written as prescribed.", RFC5280
    ),
    "pkix.invalid_domain_name_syntax": LintRule(
        "RFC 5280 4.2.1.6", "A DNS name is not written as prescribed.", RFC5280
    ),
    "pkix.ip_address_wrong_length": LintRule(
        "RFC 5280 4.2.1.6", "An IP address has neither 4 nor 16 octets.", RFC5280
    ),
    "itu.invalid_asn1_syntax": LintRule(
        "X.690; RFC 5280 4.1", "A part of it can't be decoded, so it was not checked.", RFC5280
    ),
    "base.unhandled_exception": LintRule(
        "none", "The linter failed at a part of it, so that part was not checked."
    ),
    # Our own
    "der.encoding_invalid": LintRule(
        "RFC 5280 4.1; X.690 (DER)",
        "It is not encoded as prescribed, so that the linter can't open it.",
        RFC5280,
    ),
    "der.bytes_after_certificate": LintRule(
        "RFC 5280 4.1; X.690 (DER)", "Further bytes stand after the certificate.", RFC5280
    ),
    "der.not_a_certificate": LintRule("RFC 5280 4.1", "No reader could find a certificate in it."),
    "names.wildcard_over_public_suffix": LintRule(
        "BR 3.2.2.6",
        "A wildcard stands for every name under a suffix where anybody can register names, which"
        " is allowed only to who controls all of them.",
        FIRST,
    ),
    "names.not_in_public_dns": LintRule(
        "BR 4.2.2, 7.1.2.7.12",
        "A name could not lie in the public DNS when it was issued, so nobody could own it.",
        INTERNAL_NAMES,
    ),
    "names.duplicate": LintRule(
        "no rule forbids it (RFC 5280 4.2.1.6)", "A name stands twice in the certificate."
    ),
    "names.common_name_in_other_case": LintRule(
        "BR 7.1.4.3",
        "The common name differs from the alternative name only in upper and lower case.",
        LETTER_FOR_LETTER,
    ),
    "serial_number.short": LintRule(
        "BR 7.1.2.7",
        "The serial number is shorter than 64 bits. Of random ones every second is, if just 64 bits"
        " are drawn: look whether others of the CA are as short.",
        date(2016, 9, 30),
    ),
    "ocsp.valid_for_over_10_days": LintRule(
        "BR 4.9.9", "The OCSP response is valid for more than 10 days.", FIRST
    ),
    # badkeys: of each check its name alone is kept, never the numbers that it found
    "badkeys.fermat": LintRule(
        "BR 6.1.1.3, 4.9.1.1",
        "The primes of the RSA key are so close that anybody can compute the private key.",
        WEAK_KEYS,
    ),
    "badkeys.roca": LintRule(
        "BR 6.1.1.3, 4.9.1.1",
        "The RSA key was made by a library whose keys can be computed (ROCA).",
        WEAK_KEYS,
    ),
    "badkeys.blocklist": LintRule(
        "BR 6.1.1.3, 4.9.1.1", "The private key of this key is publicly known.", FIRST
    ),
    "badkeys.rsainvalid": LintRule(
        "BR 6.1.6", "The RSA exponent makes encryption and signatures void.", date(2013, 1, 1)
    ),
    "badkeys.smallfactors": LintRule(
        "BR 6.1.6, 4.9.1.1",
        "The RSA modulus has a small factor, so anybody can compute the private key.",
        date(2013, 1, 1),
    ),
    "badkeys.sharedprimes": LintRule(
        "BR 4.9.1.1",
        "The RSA key shares a prime with a known one, so anybody can compute the private key.",
    ),
    "badkeys.rsapoly": LintRule(
        "BR 4.9.1.1", "The RSA modulus has a pattern by which anybody can compute the private key."
    ),
    "badkeys.smalld": LintRule(
        "BR 4.9.1.1", "The private exponent is so small that anybody can compute it."
    ),
    "badkeys.dsasparse": LintRule(
        "BR 4.9.1.1", "The DSA key has so few bits set that anybody can compute the private key."
    ),
    # CRLs
    "cabf.crl_invalid_validity_period": LintRule(
        "BR 4.9.7, 7.2", "The CRL is valid for more than 10 days.", FIRST
    ),
    "cabf.arl_invalid_validity_period": LintRule(
        "BR 4.9.7, 7.2", "The CRL of CA certificates is valid for more than a year.", FIRST
    ),
    "cabf.crl_prohibited_reason_code": LintRule(
        "BR 7.2.2", "An entry has a reason that is not allowed."
    ),
}

DOCUMENTS = (
    (TLS, "TLS BR 7.1"),
    ("cabf.ev_guidelines.", "EV Guidelines"),
    ("cabf.smime.", "S/MIME BR 7.1"),
    ("cabf.", "CA/Browser Forum BR 7.1"),
    ("pkix.", "RFC 5280"),
    ("itu.", "X.690"),
    ("iso.", "ISO 3166"),
    ("msft.", "Microsoft Root Program"),
    ("etsi.", "ETSI EN 319 412"),
)


UNDERSCORE = re.compile(r'label "[A-Za-z0-9_-]*_[A-Za-z0-9_-]*"')
UNDERSCORES_SINCE = date(2019, 4, 1)  # ballot SC12: until then they were disputed, then tolerated


def rule_of(code: str, message: str = "") -> LintRule:
    """Return the rule behind a finding.

    For an unknown code that is the document that its name points to. The linter's message is
    needed where a code stands for faults that were forbidden at different times.
    """
    if code == f"{TLS}invalid_dnsname_syntax" and UNDERSCORE.search(message):
        return replace(RULES[code], since=UNDERSCORES_SINCE)
    if code in RULES:
        return RULES[code]
    document = next((text for start, text in DOCUMENTS if code.startswith(start)), "unknown")
    return LintRule(document, "")
