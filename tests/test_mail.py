"""Messages: what is in them, what is broken in them, and that no shape of one takes long."""

import json
import time
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_load import DATA, needs_data

from liquid_ai.core import ParseError, Settings
from liquid_ai.ingestion.load import FoundFile, IngestReport, load, load_each
from liquid_ai.ingestion.mail import read_eml, unique_name
from liquid_ai.ingestion.outlook import read_msg
from liquid_ai.ingestion.recognise import recognise

HEAD = b"From: ann@example.org\nTo: bob@example.org\nSubject: Tides\n"
OUTLOOK = Path(__file__).parents[1] / "nbs" / "ingestion" / "outlook.ipynb"


def cell(start):
    "A cell of the notebook on Outlook, so that there is one writer of its files."
    cells = ("".join(c["source"]) for c in json.loads(OUTLOOK.read_text("utf-8"))["cells"])
    exec(next(c for c in cells if c.startswith(start)), made := {"struct": __import__("struct")})
    return made[start.partition("(")[0].removeprefix("def ")]


def text_of(data):
    return read_eml(data).text


def test_parts_are_found_whatever_their_encoding():
    for way, body in {
        b"base64": b"R3LDvMOfZQ==",
        b"quoted-printable": b"Gr=C3=BC=\n=C3=9Fe",
        b"x-uuencode": b"begin 644 a\n(1W+#O,.?90``\n`\nend",
        b"8bit": "Grüße".encode(),
        b"no-such": "Grüße".encode(),
    }.items():
        kind = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: " + way
        assert "Grüße" in text_of(HEAD + kind + b"\n\n" + body).replace("\0", ""), way


@pytest.mark.parametrize("charset", ["iso-8859-1", "no-such", "us-ascii", "punycode", "unicode_escape", "'"])
def test_broken_charsets(charset):
    kind = f"Content-Type: text/plain; charset={charset}\n\n".encode()
    assert "Schöne Grüße aus Köln" in text_of(
        HEAD + kind + "Schöne Grüße aus Köln, bis bald!".encode("cp1252")
    )


def test_headers_in_every_spelling():
    for subject in (
        b"=?iso-8859-1?q?Gr=FC=DFe?=",
        b"=?UTF-8?B?R3LDvA==?= =?UTF-8?B?w59l?=",
        "Grüße".encode(),
        b"Gr\xfc\xdfe",
    ):
        assert read_eml(b"Subject: " + subject + b"\n\nx").title == "Grüße", subject
    assert read_eml(b"Subject: =?no-such?q?a?=\n\nx").title == "=?no-such?q?a?="
    assert read_eml(b"Subject: a\r\n b\r\n\r\nx").title == "a b"


ALTERNATIVES = (
    b'Content-Type: multipart/alternative; boundary="x"\n\n--x\nContent-Type: text/plain\n\n%b\n--x\n'
)
ALTERNATIVES += b"Content-Type: text/html\n\n<p>The <b>tide</b> at Brest has a range of six metres.\n--x--\n"


def test_the_fuller_of_two_alternatives_is_read_once():
    plain = text_of(HEAD + ALTERNATIVES % b"The tide at Brest has a range of 6 m.")
    assert "6 m" in plain and "six metres" not in plain
    assert "The **tide** at Brest" in text_of(HEAD + ALTERNATIVES % b"See HTML.")


def test_forwards_are_read_and_attachments_become_files():
    inner, outer = EmailMessage(), EmailMessage()
    inner["Subject"], outer["Subject"] = "Inner", "Outer"
    inner.set_content("What was forwarded.")
    inner.add_attachment(b"a,b\n1,2", maintype="text", subtype="csv", filename="../../etc/passwd")
    outer.set_content("See below.")
    outer.add_attachment(inner)
    outer.add_attachment("one", filename="note.txt")
    outer.add_attachment("two", filename="note.txt")
    outer.add_attachment("three", subtype="calendar")
    items = list(load_each(FoundFile(Path("/m/a.eml"), "a.eml", data=outer.as_bytes())))
    text = items[-1].document.text
    assert text.index("# Outer") < text.index("See below.") < text.index("## Inner") < text.index("forwarded")
    assert [i.row.path for i in items[:-1]] == [
        f"/m/a.eml/{name}" for name in ("passwd", "note.txt", "note (2).txt", "part 4.ics")
    ]
    assert [i.document.text.strip() for i in items[1:4]] == ["one", "two", "three"]
    assert items[-1].row.reason == "4 files inside" and items[-1].row.mime == "message/rfc822"
    assert all(i.row.inside == "/m/a.eml" for i in items[:-1])


def test_structure_that_is_broken():
    for kind in ("multipart/mixed", 'multipart/mixed; boundary="other"', "multipart/mixed; boundary=b"):
        data = HEAD + f"Content-Type: {kind}\n\n--b\n\nOne.\n--b\nContent-Type: text/html\n\n<p>Two.".encode()
        assert text_of(data).endswith("One.\n\nTwo."), kind
    lost = read_eml(HEAD + b"Content-Type: multipart/mixed; boundary=b\n\nNo boundary at all.")
    assert "No boundary at all." in lost.text and lost.partial
    assert (
        text_of(b"\n\nno header") == "no header"
        and text_of(b"\nTo: a\nno field\n\nx") == "To: a\n\nno field\n\nx"
    )
    assert list(read_eml(HEAD + b"Content-Type: application/pdf\n\n%PDF").parts)[0].name == "part 1.pdf"
    assert "a digest" in text_of(
        HEAD + b"Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: i\n\na digest\n--b--"
    )


def test_sealed_messages_are_told():
    with pytest.raises(ParseError, match="encrypted"):
        read_eml(HEAD + b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nAA==")
    signed = HEAD + b"Content-Type: multipart/signed; boundary=b\n\n--b\n\nHello\n--b\n"
    parsed = read_eml(signed + b"Content-Type: application/pgp-signature\n\n-----BEGIN\n--b--")
    assert "Hello" in parsed.text and not parsed.partial and "BEGIN" not in parsed.text


def test_what_is_a_message():
    assert recognise(HEAD + b"\nHello", "")[0] == "e-mail"
    assert recognise(b"From ann Mon Nov  2 2026\n" + HEAD + b"\nHello", ".txt")[0] == "e-mail"
    assert recognise(b"Subject: x\n\n\0binary", ".eml")[0] == "e-mail"
    assert recognise(HEAD + b"\n# Hello", ".md")[0] == "Markdown"
    assert recognise(b"Dear Ann,\n\nHello", ".eml")[0] == "plain text"


MEGA = 1_000_000
HOSTILE = {
    "deep": b"".join(
        b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (i, i) for i in range(10_000)
    ),
    "deep alternatives": b"".join(
        b'Content-Type: multipart/alternative; boundary="%d"\n\n--%d\n' % (i, i) for i in range(10_000)
    ),
    "forwards": b"Content-Type: message/rfc822\n\n" * 10_000,
    "parts": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"--a\n" * MEGA,
    "marks": b"Content-Type: multipart/mixed; boundary=a\n\n" + b"x--a" * MEGA,
    "parameters": b"Content-Type: text/plain" + b";a*0*=x" * 100_000 + b"\n\nx",
    "quotes": b"Content-Type: text/plain; a=" + b'"\\' * 400_000 + b"\n\nx",
    "words": b"Subject: " + b"=?a?q?" * 200_000 + b"\n\nx",
    "brackets": b"To: " + b"(" * MEGA + b"\n\nx",
    "base64": b"Content-Transfer-Encoding: base64\n\n" + b"A\n" * 5 * MEGA,
    "lines": b"Content-Transfer-Encoding: x-uuencode\n\nbegin 644 x\n" + b"!\n" * 5 * MEGA,
    "no end": b"x" * 10 * MEGA,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_no_message_takes_forever(name):
    started = time.process_time()
    rows = [i.row for i in load_each(FoundFile(Path("a.eml"), "a.eml", data=HEAD + HOSTILE[name]))]
    assert rows[-1].status in ("parsed", "partial") and time.process_time() - started < 5, rows[-1]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from([*HEAD.splitlines(True), *ALTERNATIVES.splitlines(True), b"\n", b"--x\n", b"\xff="])
    )
)
def test_no_message_raises(lines):
    *_, last = load_each(FoundFile(Path("a.eml"), "a.eml", data=b"".join(lines)))
    assert last.row.status in ("parsed", "partial", "empty", "unsupported"), last.row


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_damaged_outlook_messages_never_raise(data):
    inner = {"__properties_version1.0": bytes(24), "__substg1.0_1000001F": "inside".encode("utf-16-le")}
    made = bytearray(
        cell("def tiny_msg(")(
            {
                "__properties_version1.0": bytes(32),
                "__substg1.0_0037001E": "Gr\xfc\xdfe".encode("cp1252"),
                "__attach_version1.0_#00000000": {"__substg1.0_3701000D": inner},
            }
        )
    )
    assert read_msg(bytes(made)).text.split() == ["#", "Grüße", "inside"]
    for _ in range(data.draw(st.integers(1, 4))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    rows = [i.row for i in load_each(FoundFile(Path("a.msg"), "a.msg", data=bytes(made)))]
    assert rows


@needs_data
def test_real_messages():
    report = IngestReport(tuple(i.row for i in load(DATA / "email" / "sources")))
    assert {r.status for r in report.given} == {"parsed"} and len(report.given) == 4
    texts = {
        i.document.title: i.document.text for i in load(DATA / "email" / "sources", Settings()) if i.document
    }
    assert "alice@example.com" in texts["Simple Email"] and "simple email body" in texts["Simple Email"]


@pytest.mark.parametrize("name", ["page.mht", "page.mhtml", "page.txt"])
def test_pages_that_browsers_save_with_all_that_is_in_them(tmp_path, name):
    head = b"From: <Saved by Blink>\nSnapshot-Content-Location: https://example.org/\nSubject: Herons\n"
    head += (
        b'MIME-Version: 1.0\nContent-Type: multipart/related; boundary="B"\n\n--B\nContent-Type: text/html\n'
    )
    body = b"Content-Transfer-Encoding: base64\n\nPHA+SGVyb25zIGVhdCBmaXNoLjwvcD4=\n--B--\n"
    (tmp_path / name).write_bytes(head + body)
    (page,) = load(tmp_path / name)
    assert page.row.mime == "message/rfc822" and "Herons eat fish." in page.document.text


def test_no_two_attachments_share_a_name():
    seen, names = {}, ["a.txt", "a.txt", "a (2).txt", "a (2).txt", "a.txt", "b", "b"]
    given = [unique_name(name, seen) for name in names]
    assert len({*given}) == len(names) and given[:2] == ["a.txt", "a (2).txt"]
