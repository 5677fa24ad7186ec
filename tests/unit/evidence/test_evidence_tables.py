"""Serial numbers, ids and hashes in columns of tables."""

import time

import pytest

from intake.evidence.identifiers import find_named

H64 = "9bf16ef6c1204b1a0f6d9f9dcd1b28a4e5d3c2b1a0f9e8d7c6b5a49382716054"


def named(text: str) -> list[tuple[str, str]]:
    return [(one.kind, one.value) for one in find_named(text) if one.kind not in ("url", "domain")]


def serials(text: str) -> list[str]:
    return [value for kind, value in named(text) if kind == "serial_number"]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("Name,Serial\na,0973C18232DBBA\nb,00AB12CD34EF56", ["973c18232dbba", "ab12cd34ef56"]),
        ("Name,Serial\r\na,0973C18232DBBA\r\n", ["973c18232dbba"]),
        ("Seriennummer;Name\n09:73:C1:82:32:DB:BA;a", ["973c18232dbba"]),
        ("Numéro de série\tNom\n0x0973C18232DBBA\ta", ["973c18232dbba"]),
        ("| Certificate Serial Number | CN |\n|---|---|\n| 09 73 c1 82 32 db ba | a |", ["973c18232dbba"]),
        ("Serial Number        Name\n0973C18232DBBA       a", ["973c18232dbba"]),
        ('"Name","serial_number"\n"a, b","0973C18232DBBA"', ["973c18232dbba"]),
        ('"Name","Serial"\n"a\nb","0973C18232DBBA"', ["973c18232dbba"]),
        ('Name,Serial\na,"=""0973C18232DBBA"""', ["973c18232dbba"]),
        ("Name,Serial (decimal)\na,20015998343868", ["123456789abc"]),
        ("Name,Serial\na,20015998343868\nb,20015998343869", ["123456789abc", "123456789abd"]),
        ("Name,Serial\na,20015998343868\nb,0973C18232DBBA", ["20015998343868", "973c18232dbba"]),
        ("Name,Serial\na,0973C18232DBBA 00AB12CD34EF56", ["973c18232dbba", "ab12cd34ef56"]),
        ("Serial No.,Name\n1,a\n2,b\n3,c", []),
        ("Name,Serial\na,n/a\nb,added\nc,1.2E+25", []),
        ("The serial, which is wrong, is below.\na,0973C18232DBBA,b", []),
        ("> Name,Serial\n> a,0973C18232DBBA", ["973c18232dbba"]),
    ],
)  # fmt: skip
def test_a_column_is_what_its_heading_says(table, expected):
    assert serials(table) == expected


def test_a_value_with_its_heading_is_not_listed_as_unknown_too():
    assert named("Name,Serial\na,0973C18232DBBA00AB12CD34EF56") == [
        ("serial_number", "973c18232dbba00ab12cd34ef56")
    ]


def test_other_columns_are_read_by_their_headings():
    text = f"crt.sh ID;SPKI SHA-256;Log ID\n19429431;{H64};{H64[::-1]}"

    assert named(text) == [("crtsh_id", "19429431"), ("spki_sha256", H64), ("hex", H64[::-1])]


def test_a_table_ends_where_its_lines_end():
    assert serials("Name,Serial\na,0973C18232DBBA\n\nb,00AB12CD34EF56") == ["973c18232dbba"]


def test_every_cell_stands_where_it_is_said_to_stand():
    text = 'Name;"Serial"\na;"0973C18232DBBA"\nb;00AB12CD34EF56'

    for one in find_named(text):
        assert text[one.offset :].startswith(one.named_as)


@pytest.mark.parametrize(
    "unit",
    ["Serial,", "Serial\t", "Serial,a\n", '"Serial","', "Serial  a", "serial|\n", 'Serial,"\n'],
)
def test_tables_without_end_are_read_in_linear_time(unit):
    text = unit * (200_000 // len(unit))
    start = time.perf_counter()
    find_named(text)

    assert time.perf_counter() - start < 4


def test_a_list_goes_on_over_lines_that_say_more():
    text = "Serial numbers:\n- 0973C18232DBBA (shop.example.org)\n- 00AB12CD34EF56 (mail.example.org)\nRegards"

    assert serials(text) == ["973c18232dbba", "ab12cd34ef56"]


def test_one_hex_value_makes_a_list_hex():
    assert serials("Serials: 0973C18232DBBA, 12345678901234") == ["973c18232dbba", "12345678901234"]
