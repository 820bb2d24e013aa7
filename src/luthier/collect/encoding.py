"""How a file's text is encoded: UTF-8 unless the bytes say otherwise."""

import codecs
from pathlib import Path

from charset_normalizer import from_bytes

BLOCK = 1 << 20
SAMPLE_BYTES = 256_000
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
PLAUSIBLE = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874"),
    *("cp932", "euc_jp", "gb18030", "big5", "euc_kr", "koi8_r", "cp850", "mac_roman"),
)
LATIN_PAGES = {"cp1250", "cp1254", "cp1257", "cp1258", "cp850", "mac_roman"}
TEXT_CONTROLS = set(b"\t\n\r\f\x1a\x1b")


def encoding_of(path: Path) -> str | None:
    """Name of the text encoding, for `open`; None for binary data. Reads the whole file once."""
    with path.open("rb") as stream:
        head = stream.read(4)
        mark = next((name for mark, name in MARKS if head.startswith(mark)), None)
        if mark and mark.startswith(("utf-16", "utf-32")):
            return mark
        stream.seek(0)
        decoder, is_utf8, sample = codecs.getincrementaldecoder("utf-8")(), True, bytearray()
        while block := stream.read(BLOCK):
            if _looks_binary(block):
                return None
            if is_utf8:
                is_utf8 = _continues(decoder, block)
            _add_telling_lines(sample, block)
    if is_utf8 and _continues(decoder, b"", final=True):
        return mark or "utf-8"
    return guess_encoding(bytes(sample))


def guess_encoding(sample: bytes) -> str | None:
    """Best guess for bytes that are not UTF-8; None if no known encoding fits."""
    matches = list(from_bytes(sample, cp_isolation=list(PLAUSIBLE)))
    if not matches:
        # Nothing fits cleanly; Windows-1252 with a few letters wrong beats losing the file, unless bytes are undefined.
        return "cp1252" if _decodes(sample, "cp1252") and not _looks_noisy(sample) else None
    best = matches[0]
    western = next((match for match in matches if "cp1252" in match.could_be_from_charset), None)
    if western is None or western.chaos > best.chaos + 0.02:
        return str(best.encoding)
    # Short samples prove no language; then, and among the Latin pages, Windows-1252 is what exports hold.
    is_told_apart = best.coherence > western.coherence and best.encoding not in LATIN_PAGES
    return str(best.encoding) if is_told_apart else "cp1252"


def _continues(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        sample.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _looks_binary(block: bytes) -> bool:
    if b"\0" in block:
        return True
    controls = sum(block.count(code) for code in range(32) if code not in TEXT_CONTROLS)
    return controls > len(block) / 50


def _looks_noisy(sample: bytes) -> bool:
    # More than a third of the bytes above ASCII is no Western text.
    return sum(byte > 127 for byte in sample) > len(sample) / 3


def _add_telling_lines(sample: bytearray, block: bytes) -> None:
    if len(sample) < SAMPLE_BYTES and not block.isascii():
        telling = [line for line in block.splitlines(keepends=True) if not line.isascii()]
        sample += b"".join(telling)[: SAMPLE_BYTES - len(sample)]
