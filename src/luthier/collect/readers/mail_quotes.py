"""What somebody wrote in a letter, apart from what they quoted and how they signed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MARKED = re.compile(r"[ \t]*>|[A-Z]{1,3}>")
WROTE = "wrote|writes|said|schrieb|a écrit|escribió|ha scritto|schreef|skrev|escreveu|napisał|napisała|napsal|napsala"
ATTRIBUTION = re.compile(
    r"[ \t>]*(?:(?:On|Am|Le|El|Il|Op|Den|Em|W dniu|Dne)\b.{0,200}\d.{0,200}|\S[^\n]{0,200}\s)"
    rf"(?:{WROTE})\b.{{0,80}}:\s*",
    re.DOTALL,
)
ORIGINAL = re.compile(
    r"[ \t]*[-_*]{2,}\s*(?:Original Message|Ursprüngliche Nachricht|Message d'origine|Message original|"
    r"Mensaje original|Messaggio originale|Oorspronkelijk bericht|Reply message|Forwarded message|"
    r"Weitergeleitete Nachricht|Message transféré|Mensaje reenviado)(?: by .*)?\s*[-_*]{2,}[ \t]*"
    r"|Begin forwarded message:[ \t]*",
    re.IGNORECASE,
)
FORWARDED = re.compile(r"forward|weitergeleitet|transféré|reenviado", re.IGNORECASE)
FORWARDING_SUBJECT = re.compile(r"\s*(?:fwd?|wg|tr|rv|enc|i|doorst)\s*:", re.IGNORECASE)
RULE = re.compile(r"[ \t]*_{10,}[ \t]*")
FIELD = re.compile(
    r"[ \t*]*(From|Sent|Date|To|Cc|Subject|Von|Gesendet|Datum|An|Betreff|De|Envoyé|À|Objet|Para|Asunto|Enviado|"
    r"Da|Inviato|Oggetto)\s?:\**\s",
)
SENDERS = frozenset({"From", "Von", "De", "Da"})
SIGNATURE = re.compile(r"--[ \t]*")
MOST_SIGNATURE_LINES = 20
MOST_FOOTER_LINES = 8
ATTRIBUTION_LINES = 3


@dataclass(frozen=True, slots=True)
class Parts:
    """A letter in three parts, each a run of whole lines; quotes that are answered line by line stay in `own`."""

    own: str
    quoted: str
    signature: str

    @property
    def is_forwarded(self) -> bool:
        """True if the quoted part was passed on rather than answered."""
        return FORWARDED.search(self.quoted[:200]) is not None


def part(text: str, *, is_html: bool = False) -> Parts:
    """Part a letter into what was written, the quoted letter at its end, and the signature.

    The lines of the three parts together are the lines of the text. In text made from HTML a quoted paragraph goes on
    in indented lines.
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    last = len(lines)
    start = _quoted_from(lines, is_html=is_html)
    if start == last:
        last = _signed_from(lines)
        start = _quoted_from(lines[:last], is_html=is_html)
    first = _signed_from(lines[:start]) if start < last else start
    return Parts(
        own="".join(lines[:first]),
        quoted="".join(lines[start:last]),
        signature="".join([*lines[first:start], *lines[last:]]),
    )


def _quoted_from(lines: Sequence[str], *, is_html: bool) -> int:
    """The first line of the quoted letter that runs to the end; the number of lines if there is none."""
    for number, line in enumerate(lines):
        if ORIGINAL.fullmatch(line.rstrip("\n")) or _begins_fields(lines, number):
            return number
    marked = _marked(lines, is_html=is_html)
    start = len(lines)
    while start and (marked[start - 1] or not lines[start - 1].strip()):
        start -= 1
    if not any(marked[start:]):
        return len(lines)
    start += next(place for place, is_marked in enumerate(marked[start:]) if is_marked)
    return _with_attribution(lines, start)


def _marked(lines: Sequence[str], *, is_html: bool) -> list[bool]:
    found: list[bool] = []
    for line in lines:
        goes_on = is_html and bool(found) and found[-1] and (line.startswith("  ") or not line.strip())
        found.append(MARKED.match(line) is not None or goes_on)
    return found


def _with_attribution(lines: Sequence[str], start: int) -> int:
    """`start`, or the first of the lines right above that say who wrote what is quoted."""
    last = start
    while last and not lines[last - 1].strip():
        last -= 1
    for count in range(ATTRIBUTION_LINES, 0, -1):
        if count <= last and ATTRIBUTION.fullmatch("".join(lines[last - count : last])):
            return last - count
    return start


def _begins_fields(lines: Sequence[str], number: int) -> bool:
    """True for the first line of a block of fields (or of the rule above it) as Outlook puts above a quoted letter."""
    above = "".join(lines[max(0, number - 2) : number]).strip()
    first = number + 1 if RULE.fullmatch(lines[number].rstrip("\n")) else number
    if above and first == number:
        return False
    names = [match.group(1) for match in map(FIELD.match, lines[first : first + 6]) if match]
    return len(names) >= 3 and names[0] in SENDERS and FIELD.match(lines[first]) is not None


def _signed_from(lines: Sequence[str]) -> int:
    """The first line of the signature or of a mailing list's footer; the number of lines if there is none."""
    end = len(lines)
    while end and not lines[end - 1].strip():
        end -= 1
    for number in range(end - 1, max(-1, end - 1 - MOST_SIGNATURE_LINES), -1):
        line = lines[number].rstrip("\n")
        if SIGNATURE.fullmatch(line) or (RULE.fullmatch(line) and end - number <= MOST_FOOTER_LINES):
            return number
    return len(lines)
