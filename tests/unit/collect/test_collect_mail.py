"""Letters: what was written stays, what was quoted and how it was signed is cut and counted, files come out."""

import re
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from outlook_message import message_tree, write_compound

from luthier.collect.readers import mail
from luthier.collect.readers.mail_quotes import part
from luthier.collect.reading import DocumentReader, Source, UnreadableError
from luthier.collect.registry import ATTACHMENTS
from luthier.records import Document


def source(folder: Path, content: bytes, name: str = "letter.eml") -> Source:
    path = folder / name
    path.write_bytes(content)
    return Source(path=path, name=f"box/{name}", encoding="utf-8")


def letter(text: str = "Hello\n", **fields: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def read(folder: Path, message: EmailMessage | bytes) -> Document:
    content = message if isinstance(message, bytes) else message.as_bytes()
    (document,) = mail.read_eml(source(folder, content))
    return document


def test_fields_become_meta_and_the_subject_the_title(tmp_path: Path) -> None:
    message = letter(
        "Grüße\n",
        Subject="Pumpe läuft, wirklich",
        From="Ada Ö <ada@x.org>",
        To="b@x.org, c@x.org",
        Date="Tue, 02 Jan 2024 10:00:00 +0100",
        Message_ID="<1@x>",
    )
    document = read(tmp_path, message)
    assert (document.text, document.title, document.kind) == ("Grüße", "Pumpe läuft, wirklich", "mail")
    assert document.meta == {
        "from": "Ada Ö <ada@x.org>",
        "to": "b@x.org, c@x.org",
        "date": "2024-01-02T10:00:00+01:00",
        "subject": "Pumpe läuft, wirklich",
        "message-id": "<1@x>",
    }
    assert document.thread == "<1@x>"


QUOTING = {
    "answer above": ("Yes.\n", "On Mon, 1 Jan 2024 at 10:00,\nAda <ada@x.org> wrote:\n> Is it on?\n>\n> Ada\n", ""),
    "answer above, signed": ("Yes.\n", "Am 1.1.2024 schrieb Ada:\n> Ist sie an?\n", "-- \nBob, Pumps Ltd\n"),
    "Outlook": ("Yes.\n", "-----Original Message-----\nFrom: Ada\nSent: today\n\nIs it on?\n", ""),
    "Outlook fields": ("Yes.\n", "________________________________\nFrom: A\nSent: x\nTo: B\nSubject: y\n\nold\n", ""),
    "a rule is no quote": ("One\n\nFrom: here it goes\non and on\n", "", ""),
    "answers line by line": ("> Is it on?\nYes.\n> Is it hot?\nNo.\n", "", "-- \nBob\n"),
}


@pytest.mark.parametrize("case", QUOTING)
def test_quotes_and_signatures_are_told_apart(tmp_path: Path, case: str) -> None:
    own, quoted, signature = QUOTING[case]
    document = read(tmp_path, letter(own + signature + quoted))
    assert document.text == own.rstrip()
    assert document.cut == {
        name: len(cut) for name, cut in [("quoted letters", quoted), ("signatures", signature)] if cut
    }


def test_the_footer_of_a_list_is_a_signature() -> None:
    parts = part("Yes.\n\nA wrote:\n> x\n\n_______________\nlist mailing list\nhttp://x\n")
    assert (parts.own, parts.quoted) == ("Yes.\n\n", "A wrote:\n> x\n\n")


def test_a_letter_passed_on_keeps_its_own_section(tmp_path: Path) -> None:
    text = "FYI\n\n---------- Forwarded message ---------\nFrom: Ada\n\nThe pump is hot.\n"
    document = read(tmp_path, letter(text, Subject="Fwd: pump"))
    assert document.text.startswith("FYI\n\n## Forwarded message\n\n----------")
    assert document.text.endswith("The pump is hot.")
    assert document.headings == ((5, 2, "Forwarded message"),)
    assert read(tmp_path, letter("> all\n> quoted\n")).text == "## Quoted message\n\n> all\n> quoted"


FIELDS = ["From: a", "Sent: b", "To: c"]
QUOTES = ["> old", ">> older", "-- ", "A wrote:", "On 1.2. A wrote:", "___________", "-----Original Message-----"]
LINES = st.sampled_from([*FIELDS, *QUOTES, "text", "", "  indented", "\x0c", "\u2028"])


@settings(max_examples=200)
@given(st.lists(LINES, max_size=12), st.booleans(), st.booleans())
def test_no_line_of_a_letter_is_lost(lines: list[str], is_html: bool, ends: bool) -> None:
    text = "\n".join(lines) + ("\n" if ends else "")
    parts = part(text, is_html=is_html)
    pieces = "\n".join([parts.own, parts.quoted, parts.signature]).split("\n")
    assert sorted(filter(None, pieces)) == sorted(filter(None, text.split("\n")))
    assert len(parts.own) + len(parts.quoted) + len(parts.signature) == len(text)


def test_the_fuller_side_of_a_letter_is_read(tmp_path: Path) -> None:
    message = letter("Please view this in HTML.\n")
    page = (
        "<h1>Pump</h1><p>The pump <b>is</b> hot today and must be watched by all of us.</p>"
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table><span style='display:none'>no</span>"
        "<div>On Monday, Ada wrote:</div><blockquote><p>old</p><p>older</p></blockquote>"
    )
    message.add_alternative(page, subtype="html")
    document = read(tmp_path, message)
    assert document.text.startswith("# Pump\n\nThe pump is hot today and must be watched by all of us.\n\n| a | b |")
    assert "old" not in document.text
    assert [name for _, _, name in document.headings] == ["Pump"]
    assert document.grids[0].rows == ((1, 2),)
    assert document.cut["hidden text"] == 2
    assert document.cut["quoted letters"] > 10
    plain = letter("The pump is hot.\n")
    plain.add_alternative("<p>The pump is hot.</p>", subtype="html")
    assert read(tmp_path, plain).text == "The pump is hot."


def test_broken_lines_of_flowed_text_are_joined(tmp_path: Path) -> None:
    content = b"Subject: x\nContent-Type: text/plain; format=flowed\n\nOne long \nline.\n> a \n> b\nend\n-- \nme\n"
    document = read(tmp_path, content)
    assert document.text == "One long line.\n> a b\nend"


def test_attachments_are_files_with_names_of_their_own(tmp_path: Path) -> None:
    message = letter("See the report.\n", Subject="x")
    for name in ("../report.pdf", "report.pdf", "report.pdf"):
        message.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename=name)
    message.add_attachment(letter("inner\n", Subject="in"))
    where = source(tmp_path, message.as_bytes())
    files = dict(mail.attachments(where))
    assert list(files) == ["_report.pdf", "report.pdf", "report (2).pdf", "part.eml"]
    assert files["report.pdf"] == b"%PDF"
    assert [document.text for document in mail.read_eml(where)] == ["See the report."]
    assert read(tmp_path, files["part.eml"]).text == "inner"
    assert set(ATTACHMENTS) == {"eml", "mbox", "msg"}


def mailbox(*messages: EmailMessage) -> bytes:
    escaped = [re.sub(rb"^(>*From )", rb">\1", one.as_bytes(), flags=re.MULTILINE) for one in messages]
    return b"\n".join(b"From ada@x.org Mon Jan  1 10:00:00 2024\n" + one for one in escaped)


def test_a_mailbox_is_one_document_per_letter(tmp_path: Path) -> None:
    first = letter("From here\n\nFrom there it goes.\n", Subject="Pump", Message_ID="<1@x>")
    second = letter("b\n", Subject="Re: Pump", Message_ID="<2@x>", In_Reply_To="<1@x>")
    third = letter("c\n", Subject="AW: pump", Message_ID="<3@x>", In_Reply_To="<2@x>")
    fourth = letter("d\n", Subject="Re: Fwd: PUMP")
    other = letter("e\n", Subject="Other", Message_ID="<9@x>")
    other.add_attachment(b"x", maintype="image", subtype="png", filename="a.png")
    where = source(tmp_path, mailbox(first, second, third, fourth, other), "all.mbox")
    documents = list(mail.read_mbox(where))
    assert [one.text for one in documents] == ["From here\n\nFrom there it goes.", "b", "c", "d", "e"]
    assert [one.thread for one in documents] == ["<1@x>", "<1@x>", "<1@x>", "<1@x>", "<9@x>"]
    assert [one.anchors for one in documents][-1] == ((0, "message 5"),)
    assert len({one.id for one in documents}) == 5
    assert list(mail.attachments(where)) == [("5/a.png", b"x")]


def test_threads_fall_back_to_the_subject(tmp_path: Path) -> None:
    assert read(tmp_path, letter(Subject="Re: AW: Pump  hot")).thread == "subject: pump hot"
    assert read(tmp_path, letter(Subject="Re: x", References="<a@x> <b@x>")).thread == "<a@x>"
    assert read(tmp_path, letter(From="a@x.org")).thread is None


def test_damaged_letters_are_read_as_far_as_they_go(tmp_path: Path) -> None:
    content = (
        b"From: =?utf-9?Q?x?= <\xff@x>\nDate: never\nContent-Type: text/plain; charset=nonsense\n"
        b"Content-Disposition: inline\n\ncaf\xe9 \xe4\xf6\xfc gr\xfc\xdfe und mehr\n"
    )
    document = read(tmp_path, content)
    assert document.text == "café äöü grüße und mehr"
    assert document.meta["date"] == "never"


@pytest.mark.parametrize(
    ("reader", "content", "problem"),
    [
        (mail.read_eml, b"no fields here\n", "does not begin with mail fields"),
        (mail.read_mbox, b"no envelope\n", "'From ' line"),
        (mail.read_msg, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600, "damaged Outlook message"),
    ],
)
def test_what_is_no_mail_is_refused(tmp_path: Path, reader: DocumentReader, content: bytes, problem: str) -> None:
    with pytest.raises(UnreadableError, match=problem):
        list(reader(source(tmp_path, content)))


def test_outlook_letters_are_read_with_their_files(tmp_path: Path) -> None:
    path = tmp_path / "a.msg"
    texts = {
        0x0037: "RE: Pumpe ü",
        0x1000: "Yes.\r\n\r\nA wrote:\r\n> on?\r\n",
        0x1042: "<1@x>",
        0x0C1A: "A",
        0x0C1F: "a@x",
    }
    write_compound(path, message_tree(texts, files={"r.txt": b"content"}))
    where = Source(path=path, name="a.msg")
    (document,) = mail.read_msg(where)
    assert (document.text, document.title, document.thread) == ("Yes.", "RE: Pumpe ü", "<1@x>")
    assert document.meta["from"] == '"A" <a@x>'
    assert list(mail.attachments(where)) == [("r.txt", b"content")]
    write_compound(path, message_tree({0x0037: "x"}, html="<p>Grüße</p>".encode()))
    assert next(iter(mail.read_msg(where))).text == "Grüße"


def test_outlook_letters_with_rtf_only_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.msg"
    tree = message_tree({0x0037: "x"}, html=b"rtf")
    renamed = {name.replace("1013", "1009"): content for name, content in tree.items()}
    properties = renamed["__properties_version1.0"]
    assert isinstance(properties, bytes)
    renamed["__properties_version1.0"] = properties.replace(b"\x02\x01\x13\x10", b"\x02\x01\x09\x10")
    write_compound(path, renamed)
    with pytest.raises(UnreadableError, match="RTF only; save it again"):
        list(mail.read_msg(Source(path=path, name="a.msg")))
