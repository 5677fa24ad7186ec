"""Kinds of columns that several tables have."""

from typing import Any

from sqlalchemy import JSON, BigInteger, Column
from sqlmodel import Field


def json_list() -> Any:  # noqa: ANN401
    """A list of JSON values, empty at first."""
    return Field(default_factory=list, sa_column=Column(JSON, nullable=False))


def json_object() -> Any:  # noqa: ANN401
    """A JSON object, empty at first."""
    return Field(default_factory=dict, sa_column=Column(JSON, nullable=False))


def unsigned(**values: Any) -> Any:  # noqa: ANN401
    """A number of IMAP: 32 bits without a sign, for which PostgreSQL's INTEGER is too short."""
    return Field(sa_type=BigInteger, **values)
