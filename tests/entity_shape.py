"""What a parsed message is made of, to compare two ways of parsing."""

from typing import Any

from intake.evidence.entities import Entity


def shape(entity: Entity) -> Any:
    """Return fields, type, content or parts, and what stands around them."""
    children: Any = entity.get_payload() if entity.is_multipart() else entity.content()
    return (
        [(name, str(value)) for name, value in entity.raw_items()],
        entity.get_content_type(),
        [shape(child) for child in children] if isinstance(children, list) else children,
        entity.preamble or "",
        (entity.epilogue or "").strip(),
    )


def is_split_by_hand(entity: Entity) -> bool:
    """Tell whether the library had no part in it."""
    while entity.is_multipart():
        entity = entity.get_payload(0)  # type: ignore[assignment]
    return entity.body is not None
