"""Text of office documents, PDF, RTF and what Outlook makes; damaged ones raise nothing."""

import io
import struct
from dataclasses import replace

import pytest
from mail_samples import files

from intake.evidence.extract import LIGHT, Evidence, Limits, extract_evidence
from intake.evidence.old_office import read_old_office
from intake.evidence.rich_text import COMPRESSED, decompress, is_html, rtf_text
from intake.evidence.tnef import read_tnef
from tests.unit.evidence.carriers import with_attachment, zip_of

LINK = "https://crt.sh/?id=5"
H40 = "9bf16ef6c1204b1a0f6d9f9dcd1b28a4e5d3c120"


def ids(evidence: Evidence) -> list[str]:
    return [one.value for one in evidence.identifiers if one.kind == "crtsh_id"]


def office(name: str, source: str, **more: bytes) -> bytes:
    return zip_of(
        **{"[Content_Types]__xml": b"<Types/>", name.replace(".", "__"): source.encode(), **more}
    )


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("word/document.xml", '<w:p><w:r><w:t xml:space="preserve">https://crt.sh/</w:t></w:r><w:r><w:t>?id=5</w:t></w:r></w:p>'),
        ("word/document.xml", "<w:tc><w:p><w:t>x</w:t></w:p></w:tc><w:tc><w:p><w:t>https://crt.sh/?id=5</w:t></w:p></w:tc>"),
        ("ppt/slides/slide1.xml", "<a:p><a:r><a:t>https://crt.sh/?id=5</a:t></a:r></a:p>"),
        ("xl/worksheets/sheet1.xml", '<row r="1"><c r="A1" t="inlineStr"><is><t>https://crt.sh/?id=5</t></is></c></row>'),
        ("xl/worksheets/sheet1.xml", '<row r="1"><c r="C1" t="str"><f>A1</f><v>https://crt.sh/?id=5</v></c></row>'),
        ("xl/sharedStrings.xml", "<sst><si><r><t>https://crt.sh/</t></r><r><t>?id=5</t></r></si></sst>"),
        ("word/_rels/document.xml.rels", '<Relationship Type="http://x.example/y" Target="https://crt.sh/?id=5"/>'),
        ("word/comments.xml", "<w:p><w:t>https://crt.sh/?id=5</w:t></w:p>"),
    ],
)  # fmt: skip
def test_a_link_is_found_in_each_part_of_an_office_document(name, source):
    assert ids(extract_evidence(with_attachment(office(name, source), "a.docx"))) == ["5"]


def test_names_of_xml_spaces_are_no_links():
    source = (
        '<w:document xmlns:w="http://schemas.example/word"><w:p><w:t>hello</w:t></w:p></w:document>'
    )

    assert extract_evidence(with_attachment(office("word/document.xml", source))).urls == ()


def test_a_file_within_a_document_is_read_too():
    inner = office("word/document.xml", "<w:p><w:t>https://crt.sh/?id=5</w:t></w:p>")
    outer = office("word/document.xml", "<w:p/>", **{"word/embeddings/a__docx": inner})

    assert ids(extract_evidence(with_attachment(outer, "b.docx"))) == ["5"]


def test_cells_that_are_not_there_keep_the_columns_apart():
    sheet = (
        '<row r="1"><c r="A1" t="inlineStr"><is><t>Name</t></is></c><c r="C1" t="inlineStr"><is><t>Serial</t></is></c></row>'
        '<row r="2"><c r="C2" t="inlineStr"><is><t>0973C18232DBBA</t></is></c></row>'
    )
    evidence = extract_evidence(with_attachment(office("xl/worksheets/sheet1.xml", sheet)))

    assert evidence.values_of("serial_number") == ("973c18232dbba",)


def test_a_document_of_old_office_is_read_for_its_plain_words():
    content = files.compound(
        [
            (
                "WordDocument",
                b"\x00\x01" + LINK.encode("utf-16-le") + b"\x07" + H40.encode() + b"\x00",
            )
        ],
        ("x", []),
    )
    evidence = extract_evidence(with_attachment(content, "report.doc"))

    assert ids(evidence) == ["5"]
    assert evidence.values_of("sha1") == (H40,)


def test_a_locked_office_file_is_said_to_be_locked():
    content = files.compound([("EncryptedPackage", b"x")], ("y", []))

    assert (
        "locked" in extract_evidence(with_attachment(content, "a.xlsx")).unreadable_parts[0].reason
    )


# ---- RTF ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rtf", "text"),
    [
        (rb"{\rtf1\ansi{\fonttbl{\f0 Arial;}}Hello\par World}", "Hello\nWorld"),
        (rb"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8}", "При"),
        (rb"{\rtf1\uc1 caf\u233?s}", "cafés"),
        (rb"{\rtf1\uc0 \u8364 5}", "€5"),
        (
            rb"{\rtf1{\field{\*\fldinst HYPERLINK \"https://crt.sh/?id=5\"}{\fldrslt this}}}",
            'HYPERLINK "https://crt.sh/?id=5"this',
        ),
        (rb"{\rtf1{\pict 0123456789abcdef0123456789abcdef}x\{y\}}", "x{y}"),
        (rb"{\rtf1 a\bin3 }}}b}", "ab"),
    ],
)
def test_rtf_is_read_for_its_text(rtf, text):
    assert rtf_text(rtf).replace(r"\"", '"').strip() == text


def test_html_within_rtf_is_read_as_html():
    rtf = (
        rb'{\rtf1\ansi\fromhtml1 {\*\htmltag64 <p>}\htmlrtf \par \htmlrtf0 {\*\htmltag84 <a href="https://crt.sh/?id=5">}'
        rb"\htmlrtf {\field{\*\fldinst x}}\htmlrtf0 see{\*\htmltag92 </a>}}"
    )

    assert is_html(rtf)
    assert rtf_text(rtf) == '<p><a href="https://crt.sh/?id=5">see</a>'
    assert ids(extract_evidence(with_attachment(rtf, "a.rtf"))) == ["5"]


def test_compressed_rtf_is_undone():
    # The example of MS-OXRTFCP 3.1.
    known = bytes.fromhex(
        "2d0000002b0000004c5a4675f1c5c7a703000a00726370673132354232"
        "0af32068656c0900206277"
        "05b06c647d0a800fa0"
    )

    assert decompress(known) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"


@pytest.mark.parametrize("data", [b"", b"x" * 15, struct.pack("<II4sI", 1, 1, b"what", 0)])
def test_what_is_no_compressed_rtf_is_refused(data):
    with pytest.raises(ValueError, match=r"short|no compressed"):
        decompress(data)


def test_a_compressed_bomb_stops_at_its_size():
    packed = (
        struct.pack("<II4sI", 0, 1000, COMPRESSED, 0)
        + b"\x00abcdefgh"
        + b"\xff"
        + b"\x0c\xff" * 8
        + b"\xff" * 5000
    )

    assert len(decompress(packed)) < 1200


# ---- PDF ---------------------------------------------------------------------------------------


def locked_pdf(password: str) -> bytes:
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(PdfReader(io.BytesIO(files.pdf([LINK]))))
    writer.encrypt(password, algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_a_locked_pdf_opens_with_the_password_of_the_text():
    content = locked_pdf("open-sesame")
    opened = extract_evidence(with_attachment(content, "a.pdf", text="Password: open-sesame"))
    closed = extract_evidence(with_attachment(content, "a.pdf", text="Call me."))

    assert ids(opened) == ["5"]
    assert (ids(closed), closed.unreadable_parts[0].reason) == (
        [],
        "a PDF file, which is locked with a password",
    )


def test_a_pdf_is_read_as_far_as_it_may_take():
    evidence = extract_evidence(
        with_attachment(files.pdf([LINK]), "a.pdf"), replace(Limits(), pdf_bytes=0)
    )

    assert ids(evidence) == []
    assert "longer than is read" in " ".join(evidence.limits_hit)


def test_a_second_reading_leaves_documents_and_archives_closed():
    raw = with_attachment(SAMPLES["msg"], "a.msg", text="https://crt.sh/?id=6")
    evidence = extract_evidence(raw, LIGHT)

    assert ids(evidence) == ["6"]
    assert [one.part for one in evidence.unreadable_parts] == ["1.2"]


# ---- damage ------------------------------------------------------------------------------------

SAMPLES = {
    "xlsx": files.xlsx([["Serial", "x"], ["0973C18232DBBA", "y"]]),
    "ods": files.ods([["Serial", "x"]]),
    "pdf": files.pdf([LINK], LINK),
    "tnef": files.winmail(LINK, "a.txt", LINK.encode()),
    "msg": files.outlook_message("s", LINK, "a.txt", LINK.encode()),
    "rtf": rb"{\rtf1\ansi {\pict abc} \u8364? https://crt.sh/?id=5}",
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_damaged_document_gives_evidence(kind):
    content = SAMPLES[kind]
    step = max(1, len(content) // 25)
    for at in range(4, len(content), step):
        extract_evidence(with_attachment(content[:at], "a.bin"))
        extract_evidence(
            with_attachment(content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :], "a.bin")
        )


def test_attributes_without_end_are_no_attachments():
    assert read_tnef(SAMPLES["tnef"][:6] + b"\xff" * 40) == []


def test_a_message_of_outlook_shows_its_attachments():
    found = read_old_office(SAMPLES["msg"])

    assert sorted((one.name, one.media_type) for one in found) == [
        ("", "text/plain"),
        ("a.txt", "application/octet-stream"),
    ]


def test_all_lines_of_a_long_sheet_are_read():
    rows = [["Name", "Serial"]] + [[f"n{number}", f"{number:014x}"] for number in range(4000)]

    evidence = extract_evidence(with_attachment(files.xlsx(rows), "a.xlsx"))

    assert len(evidence.values_of("serial_number")) == 4000


@pytest.mark.parametrize("kind", ["VCALENDAR", "VCARD"])
def test_folded_lines_of_calendars_and_cards_are_joined(kind):
    text = f"BEGIN:{kind}\r\nNOTE:https://crt.sh/?id=1942\r\n 9431 and more\r\nEND:{kind}\r\n"
    evidence = extract_evidence(with_attachment(text.encode(), "a.ics", "text/calendar"))

    assert [(one.value, one.offset) for one in evidence.identifiers] == [
        ("19429431", text.index("https"))
    ]
