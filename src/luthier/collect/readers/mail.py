"""Mail: EML, MBOX and Outlook's MSG. Quoted letters and signatures are cut and counted; attachments are files."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from luthier.collect.readers.draft import Draft
from luthier.collect.readers.html import read_page
from luthier.collect.readers.mail_letter import Letter, iso_date, parse_letter
from luthier.collect.readers.mail_outlook import OLE_START, parse_outlook
from luthier.collect.readers.mail_quotes import FORWARDING_SUBJECT, Parts, part
from luthier.collect.readers.markdown import find_outline
from luthier.collect.reading import Source, UnreadableError
from luthier.records import Document

ENVELOPE = re.compile(rb"From .*\d\d:\d\d.*\d{4}.*")
ESCAPED = re.compile(rb"^>(?=>*From )", re.MULTILINE)
FIELD = re.compile(rb"[!-9;-~]+[ \t]*:")
REPLY = re.compile(r"\s*(?:(?:re|aw|fwd?|wg|antw|sv|vs|tr|rif|res|r|rv|odp|ynt)(?:\s*\[\d+\])?\s*:\s*)+", re.IGNORECASE)
MESSAGE_ID = re.compile(r"<[^<>\s]+>")
KEPT_FIELDS = ("from", "to", "cc", "date", "subject", "message-id", "in-reply-to")


def read_eml(source: Source) -> Iterator[Document]:
    """The one document of a letter. Its title is its subject."""
    content = source.path.read_bytes()
    if not FIELD.match(content.lstrip(b"\xef\xbb\xbf")):
        raise UnreadableError("does not begin with mail fields such as 'From: ...'")
    yield _document(source, parse_letter(content), Threads())


def read_msg(source: Source) -> Iterator[Document]:
    """The one document of a letter that Outlook saved."""
    yield _document(source, parse_outlook(source.path), Threads())


def read_mbox(source: Source) -> Iterator[Document]:
    """One document per letter, each at `message N`, with the SHA-256 of its own bytes as its id."""
    threads = Threads()
    for number, content in _letters(source.path):
        document = _document(source, parse_letter(content), threads)
        anchors = ((0, f"message {number}"),)
        yield replace(document, id=hashlib.sha256(content).hexdigest(), anchors=anchors)


def attachments(source: Source) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file that a letter carries; in an MBOX file as `N/name` for the letter's number."""
    with source.path.open("rb") as stream:
        head = stream.read(512)
    if head.startswith(OLE_START):
        yield from parse_outlook(source.path).files
    elif ENVELOPE.match(head):
        for number, content in _letters(source.path):
            yield from ((f"{number}/{name}", file) for name, file in parse_letter(content).files)
    else:
        yield from parse_letter(source.path.read_bytes()).files


class Threads:
    """The conversations of a file: by references, by the letter answered, or by subject."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def thread_of(self, fields: dict[str, str]) -> str | None:
        """The id of the conversation's first letter; its subject where ids are missing; None where both are."""
        own = MESSAGE_ID.findall(fields.get("message-id", ""))
        above = MESSAGE_ID.findall(f"{fields.get('references', '')} {fields.get('in-reply-to', '')}")
        subject = fields.get("subject", "")
        bare = REPLY.sub("", subject, count=1) if REPLY.match(subject) else subject
        by_subject = f"subject: {' '.join(bare.casefold().split())}"
        if above:
            thread = next((self._known[one] for one in above if one in self._known), above[0])
        elif not own or REPLY.match(subject):
            thread = self._known.get(by_subject, by_subject if bare.strip() else (own or [""])[0])
        else:
            thread = own[0]
        for one in [*own, *above, *([by_subject] if bare.strip() and not above else [])]:
            self._known.setdefault(one, thread)
        return thread or None


def _letters(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number from 1 and bytes of every letter of an MBOX file, one at a time."""
    number, lines = 0, list[bytes]()
    for line, is_envelope in _lines(path):
        if is_envelope and number:
            yield number, ESCAPED.sub(b"", b"".join(lines))
        if is_envelope:
            number, lines = number + 1, []
        elif number:
            lines.append(line)
        elif line.strip():
            raise UnreadableError("does not begin with the 'From ' line of a mailbox")
    if number:
        yield number, ESCAPED.sub(b"", b"".join(lines))


def _lines(path: Path) -> Iterator[tuple[bytes, bool]]:
    """Every line, and whether a letter begins behind it."""
    is_free = True
    with path.open("rb") as stream:
        for line in stream:
            yield line, is_free and ENVELOPE.match(line) is not None
            is_free = not line.strip()


def _document(source: Source, letter: Letter, threads: Threads) -> Document:
    draft, text = Draft(), letter.plain
    if letter.html:
        page, _, _ = read_page(letter.html, place="")
        draft.cut.update(page.cut)
        text = page.text
    subject = letter.fields.get("subject", "")
    _write(draft, part(text, is_html=bool(letter.html)), is_passed_on=FORWARDING_SUBJECT.match(subject) is not None)
    if letter.html:
        outline = find_outline(draft.text, file=source.name)
        draft.headings, draft.code_spans, draft.grids = list(outline.headings), list(outline.code), list(outline.grids)
    meta = {name: letter.fields[name] for name in KEPT_FIELDS if letter.fields.get(name)}
    if "date" in meta:
        meta["date"] = iso_date(meta["date"])
    document = draft.document(source, kind="mail", title=subject or source.stem, meta=meta)
    return replace(document, thread=threads.thread_of(letter.fields))


def _write(draft: Draft, parts: Parts, *, is_passed_on: bool) -> None:
    """What was written; a letter that was passed on, or that is all there is, follows in its own section."""
    draft.paragraph(parts.own.rstrip())
    is_passed_on = is_passed_on or parts.is_forwarded
    if parts.quoted and (is_passed_on or not parts.own.strip()):
        draft.heading("Forwarded message" if is_passed_on else "Quoted message", level=2)
        draft.paragraph(parts.quoted.rstrip())
    else:
        draft.cut["quoted letters"] += len(parts.quoted)
    draft.cut["signatures"] += len(parts.signature)
    draft.cut = +draft.cut
