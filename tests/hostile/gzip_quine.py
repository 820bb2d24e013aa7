"""An archive that holds itself: unpacking it gives the same bytes again, for ever.

The idea is Russ Cox's, "Zip Files All The Way Down" (2010); this program and its code are our own. A packed stream is
read as a language of two commands: PRINT n puts the next n bytes out, REPEAT puts the last 20 bytes out once more. With
P for what stands before the stream and S for what ends it, this prints itself, P and S included:

    P  PRINT20 {P PRINT20}  REPEAT  PRINT5 {REPEAT}  PRINT5 {PRINT5}  PRINT20 {REPEAT PRINT5 PRINT5 PRINT20}  REPEAT
    PRINT20 {REPEAT PRINT20 REPEAT PRINT20}  REPEAT  PRINT20 {REPEAT PRINT0 PRINT0 PRINT20}  REPEAT  PRINT0  PRINT0
    PRINT20 {REPEAT S}  REPEAT  S

It works because every command, and P without its last five bytes, takes a multiple of five bytes. S ends with the
checksum of the whole, which is a linear function of itself over the field of two elements, and so can be solved for.
"""

import struct
import zlib

# A block of fixed codes, of 40 bits exactly: header, twice (length 10, distance 20), end.
REPEAT = int(("0" + "10" + 2 * ("0001000" + "01000" + "110") + "0000000")[::-1], 2).to_bytes(5, "little")
BITS = 32


def gzip_quine() -> bytes:
    """A gzip file of 210 bytes that unpacks to itself."""
    for moment in range(BITS):
        checksum = _own_checksum(moment)
        if checksum is not None:
            return _file(checksum, moment)
    raise AssertionError("one in three moments has a solution")


def _file(checksum: int, moment: int) -> bytes:
    some, few, none = _print(20), _print(5), _print(0)
    begin = b"\x1f\x8b\x08\x08" + struct.pack("<I", moment) + b"\x02\xffr.gz\0"
    size = 210
    end = none + b"\x03\0" + struct.pack("<II", checksum, size)
    whole = [begin, some, begin, some, REPEAT, few, REPEAT, few, few, some, REPEAT, few, few, some, REPEAT]
    whole += [some, REPEAT, some, REPEAT, some, REPEAT, some, REPEAT, none, none, some, REPEAT, none, none]
    whole += [some, REPEAT, end, REPEAT, end]
    content = b"".join(whole)
    assert len(content) == size
    return content


def _print(count: int) -> bytes:
    """A stored block's header."""
    return struct.pack("<BHH", 0, count, count ^ 0xFFFF)


def _own_checksum(moment: int) -> int | None:
    """The checksum that the file has if it holds it; None if there is no such number."""
    rest = zlib.crc32(_file(0, moment))
    rows: dict[int, tuple[int, int]] = {}
    for bit in range(BITS):
        # What setting this bit changes: the checksum, and the number that it must equal.
        value, chosen = _reduced(zlib.crc32(_file(1 << bit, moment)) ^ zlib.crc32(_file(0, moment)) ^ 1 << bit, rows)
        if value:
            rows[value.bit_length()] = value, chosen ^ 1 << bit
    left, chosen = _reduced(rest, rows)
    return None if left else chosen


def _reduced(value: int, rows: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """What is left of a value after subtracting rows, and which bits those stand for."""
    chosen = 0
    while value.bit_length() in rows:
        row, bits = rows[value.bit_length()]
        value, chosen = value ^ row, chosen ^ bits
    return value, chosen
