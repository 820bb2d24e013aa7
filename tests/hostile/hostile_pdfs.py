"""PDF files that were made to hurt whoever reads them."""

import os
import re
import struct
import zlib

MB = 1 << 20
CATALOG = b"<< /Type /Catalog /Pages 2 0 R >>"
PAGES = b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"
PAGE = (
    b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R "
    b"/Resources << /Font << /F 5 0 R >> /XObject << /X 6 0 R >> >> >>"
)
FONT = b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"
FLATE = b"/Filter /FlateDecode"
OUTLINED = b"<< /Type /Catalog /Pages 2 0 R /Outlines 6 0 R >>"
OUTLINE = b"<< /Type /Outlines /First 7 0 R /Last 7 0 R /Count 1 >>"


def deflated_zeros(size: int) -> bytes:
    """A raw deflate stream of `size` zeros (a multiple of 16 MB), made of one block repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(16 * MB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return block * (size // (16 * MB)) + zlib.compressobj(9, zlib.DEFLATED, -15).flush()


def zlib_zeros(size: int) -> bytes:
    """The same with zlib's header and checksum."""
    return b"\x78\xda" + deflated_zeros(size) + struct.pack(">I", (size % 65521) << 16 | 1)


def stream(content: bytes, entries: bytes = b"") -> bytes:
    """A PDF stream object."""
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), entries, content)


TEXT = stream(b"BT /F 12 Tf 20 200 Td (This page is read.) Tj ET")


def pdf(*objects: bytes, trailer: bytes = b"<< /Root 1 0 R /Size 9 >>") -> bytes:
    """A PDF file of numbered objects with a true cross-reference table."""
    out = b"%PDF-1.5\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    return out + head + table + b"trailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (trailer, len(out))


def one_page(
    *more: bytes, catalog: bytes = CATALOG, pages: bytes = PAGES, page: bytes = PAGE, content: bytes = TEXT
) -> bytes:
    """A file whose one page reads `This page is read.`; `more` are objects from 6 on."""
    return pdf(catalog, pages, page, content, FONT, *more)


def with_trailer(more: bytes) -> bytes:
    """The same file with another entry in its trailer."""
    return one_page().replace(b"/Size 9", b"/Size 9 " + more)


def pointing_at_each_other() -> bytes:
    """Two cross-reference tables, each of which says that the other one came before it."""
    first = with_trailer(b"/Prev %010d" % 0)
    second = b"xref\n0 0\ntrailer\n<< /Root 1 0 R /Size 9 /Prev %d >>\n" % first.index(b"xref")
    first = first.replace(b"/Prev %010d" % 0, b"/Prev %010d" % len(first))
    return first + second + b"startxref\n%d\n%%%%EOF\n" % len(first)


def streams_pointing_at_each_other() -> bytes:
    """The same with cross-reference streams."""
    out = b"%PDF-1.5\n"
    entries = b"/Type /XRef /Size 9 /W [1 4 2] /Root 1 0 R /Prev %08d"
    first = b"7 0 obj\n%s\nendobj\n"
    second = len(out) + len(first % stream(b"", entries % 0))
    out += first % stream(b"", entries % second)
    return out + b"8 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF\n" % (stream(b"", entries % 9), second)


def references() -> dict[str, bytes]:
    """What points back at itself."""
    at_itself = b"/Prev %d" % one_page().index(b"xref")
    item = b"<< /Title (%s) /Parent 6 0 R /%s %d 0 R /Dest [3 0 R /Fit] >>"
    return {
        "cyclic_xref.pdf": with_trailer(at_itself),
        "cyclic_xref_pair.pdf": pointing_at_each_other(),
        "cyclic_xref_streams.pdf": streams_pointing_at_each_other(),
        "cyclic_pages.pdf": pdf(CATALOG, b"<< /Type /Pages /Kids [2 0 R 2 0 R] /Count 99999999 >>"),
        "cyclic_branch.pdf": one_page(pages=b"<< /Type /Pages /Kids [3 0 R 2 0 R] /Count 2 >>"),
        "cyclic_parent.pdf": one_page(page=PAGE.replace(b"/Parent 2", b"/Parent 3")),
        "cyclic_outline.pdf": one_page(OUTLINE, item % (b"A", b"Next", 7), catalog=OUTLINED),
        "cyclic_outline_pair.pdf": one_page(
            OUTLINE, item % (b"A", b"Next", 8), item % (b"B", b"Next", 7), catalog=OUTLINED
        ),
        "cyclic_outline_child.pdf": one_page(OUTLINE, item % (b"A", b"First", 7), catalog=OUTLINED),
        "cyclic_length.pdf": one_page(content=re.sub(rb"/Length \d+", b"/Length 4 0 R", TEXT)),
        "cyclic_contents.pdf": one_page(content=b"[4 0 R 4 0 R]"),
        "form_in_form.pdf": one_page(
            stream(b"/X Do /X Do", b"/Type /XObject /Subtype /Form /Resources << /XObject << /X 6 0 R >> >>"),
            content=stream(b"/X Do"),
        ),
    }


def bombs() -> dict[str, bytes]:
    """Streams that unpack to gigabytes."""
    zeros = zlib_zeros(4096 * MB)
    predicted = FLATE + b" /DecodeParms << /Predictor 15 /Columns %d >>"
    picture = b"/Type /XObject /Subtype /Image /Width 65535 /Height 65535 /BitsPerComponent 8 /ColorSpace /DeviceGray "
    table = stream(zeros, FLATE + b" /Type /XRef /Size 9 /W [1 4 2] /Root 1 0 R")
    named = FONT.replace(b"/Helvetica", b"/Helvetica /ToUnicode 6 0 R")
    return {
        "flate_4gb.pdf": one_page(content=stream(zeros, FLATE)),
        "flate_png_4gb.pdf": one_page(content=stream(zeros, predicted % 4095)),
        "flate_twice.pdf": one_page(
            content=stream(zlib.compress(zlib_zeros(1024 * MB)), b"/Filter [/FlateDecode /FlateDecode]")
        ),
        "flate_xref.pdf": b"%%PDF-1.5\n7 0 obj\n%s\nendobj\nstartxref\n9\n%%%%EOF\n" % table,
        "flate_font.pdf": pdf(CATALOG, PAGES, PAGE, TEXT, named, stream(zlib_zeros(1024 * MB), FLATE)),
        "flate_picture.pdf": one_page(
            stream(zeros, picture + predicted % 65535), content=stream(b"q 300 0 0 300 0 0 cm /X Do Q")
        ),
        "flate_objects.pdf": one_page(stream(zeros, FLATE + b" /Type /ObjStm /N 1 /First 10")),
    }


def damaged() -> dict[str, bytes]:
    """Files that are broken, locked, or none."""
    lock = b"<< /Filter /Standard /V 2 /R 3 /Length 128 /P -4 /O <" + b"00" * 32 + b"> /U <" + b"00" * 32 + b"> >>"
    return {
        "negative_length.pdf": one_page(content=b"<< /Length -5 >>\nstream\nx\nendstream"),
        "deep_array.pdf": one_page(content=b"[" * 300_000 + b"]" * 300_000),
        "no_root.pdf": pdf(b"<< >>", trailer=b"<< /Size 2 >>"),
        "only_header.pdf": b"%PDF-1.7\n",
        "truncated.pdf": one_page()[:120],
        "noise.pdf": b"%PDF-1.4\n" + os.urandom(20_000),
        "locked.pdf": pdf(
            CATALOG, PAGES, PAGE, lock, trailer=b"<< /Root 1 0 R /Size 5 /Encrypt 4 0 R /ID [<00><00>] >>"
        ),
    }


def prints() -> dict[str, bytes]:
    """All of them."""
    return references() | bombs() | damaged()
