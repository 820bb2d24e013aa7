"""Letters that Outlook saved as MSG files."""

import struct
from pathlib import Path

from oxmsg import Message
from oxmsg.domain import constants

from luthier.collect.readers.mail_letter import FIELDS, Letter, decoded, named_apart
from luthier.collect.reading import UnreadableError, unreadable_on

OLE_START = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
IN_REPLY_TO_ID, INTERNET_REFERENCES = 0x1042, 0x1039
"""Properties that hold what the fields of these names hold ([MS-OXPROPS])."""
DAMAGE = (OSError, ValueError, KeyError, IndexError, AttributeError, AssertionError, struct.error, RecursionError)


def parse_outlook(path: Path) -> Letter:
    """Parse an MSG file. UnreadableError if it is damaged, or has its text as RTF only."""
    with unreadable_on(*DAMAGE, problem="damaged Outlook message"):
        message = Message.load(str(path))
        plain, html = message.body or "", message.html_body or ""
        files = [(one.file_name or "attached message", one.file_bytes or b"") for one in message.attachments]
        fields = _fields(message)
        has_rtf = message.properties.binary_prop_value(constants.PID_RTF_COMPRESSED) is not None
    if has_rtf and not plain.strip() and not html:
        raise UnreadableError("holds its text as RTF only; save it again as plain text or as .eml")
    text = plain.replace("\r\n", "\n").replace("\r", "\n").rstrip("\0")
    return Letter(fields=fields, plain=text, html="" if text.strip() else html, files=named_apart(files))


def _fields(message: Message) -> dict[str, str]:
    """The fields the letter travelled with; what Outlook noted where they are missing."""
    sent = message.sent_date
    noted = {
        "from": message.sender,
        "to": ", ".join(f"{one.name} <{one.email_address}>" for one in message.recipients),
        "date": sent.isoformat() if sent else None,
        "subject": message.subject,
        "message-id": message.properties.str_prop_value(constants.PID_INTERNET_MESSAGE_ID),
        "in-reply-to": message.properties.str_prop_value(IN_REPLY_TO_ID),
        "references": message.properties.str_prop_value(INTERNET_REFERENCES),
    }
    travelled = {name.lower(): value for name, value in message.message_headers.items()}
    found = {name: travelled.get(name) or noted.get(name) for name in FIELDS}
    return {name: decoded(value.rstrip("\0")) for name, value in found.items() if value}
