"""What is changed in pkilint itself: a decoder that can't panic, and validators asked more seldom.

Both leave every result as it is. What is changed belongs to the version in `requirements.lock`.
"""

from typing import Any

from pkilint import document
from pkilint.validation import ValidatorContainer
from pyasn1.codec.der.decoder import decode as decode_slowly

decode_quickly = document.decode_der


def apply() -> None:
    """Change pkilint in this process, once and for all."""
    document.decode_der = _decode
    ValidatorContainer._validate_rec = _validate_with_children


def _decode(substrate: bytes, asn1Spec: Any) -> Any:  # noqa: ANN401, N803 - as pkilint calls it
    """Decode by pkilint's quick decoder; where that panics, by the slow one.

    It does so on sound CRLs that are for some reasons only, which are NIST's test material.
    """
    try:
        return decode_quickly(substrate, asn1Spec=asn1Spec)
    except BaseException as error:
        if type(error).__name__ != "PanicException":  # of Rust, which has no class to import
            raise
    return decode_slowly(substrate, asn1Spec=asn1Spec)


def _validate_with_children(container: Any, node: Any, results: list[Any]) -> None:  # noqa: ANN401
    """Validate a node and all below it by the validators of a container, in their order.

    pkilint asks each validator about each node; nine of ten answer by the node's class alone.
    """
    for validator in _for_class(container, type(node.pdu)):
        if validator.match(node):
            result = validator.validate_wrapper(node)
            if isinstance(result, list):
                results += result
            else:
                results.append(result)
    for child in node.children.values():
        _validate_with_children(container, child, results)


def _for_class(container: Any, kind: type) -> tuple[Any, ...]:  # noqa: ANN401
    """Return the validators that may match a node of a class; found out once for each."""
    known: dict[type, tuple[Any, ...]] = container.__dict__.setdefault("_for_class", {})
    if kind not in known:
        known[kind] = tuple(
            one
            for one in container.validators
            if getattr(one, "_pdu_class", None) is None or issubclass(kind, one._pdu_class)
        )
    return known[kind]
