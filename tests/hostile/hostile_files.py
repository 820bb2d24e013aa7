"""Files that were made to hurt whoever reads them; each is written by a few lines, none is kept."""

import bz2
import gzip
import io
import json
import lzma
import os
import stat
import struct
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from gzip_quine import gzip_quine
from hostile_pdfs import MB, deflated_zeros, prints

XML = '<?xml version="1.0"?>'
LAUGHS = (
    "<!DOCTYPE lolz [<!ENTITY a0 'lol'>"
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
    + "]>"
)
EXTERNAL = "<!DOCTYPE x [<!ENTITY file SYSTEM 'file:///etc/passwd'>]>"
QUADRATIC = f"<!DOCTYPE x [<!ENTITY a '{'x' * 50_000}'>]>"
PARAMETER = "<!DOCTYPE x [<!ENTITY % a SYSTEM 'file:///etc/passwd'> %a;]>"
REMOTE = "<!DOCTYPE x SYSTEM 'http://127.0.0.1:9/evil.dtd'>"
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
TYPES = (
    f'{XML}<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/>'
    '<Override PartName="/word/document.xml" ContentType='
    '"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>'
)
RELATIONS = (
    f'{XML}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" '
    'Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" '
    'Target="word/document.xml"/></Relationships>'
)


def zipped(members: dict[str, bytes | str], **attributes: int) -> bytes:
    """A ZIP file; `attributes` go to every member."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            for key, value in attributes.items():
                setattr(info, key, value)
            archive.writestr(info, content)
    return out.getvalue()


def zip_of_raw(name: str, packed: bytes, size: int, *, crc: int = 0, flags: int = 0) -> bytes:
    """A ZIP file with one member whose packed bytes and sizes are as given, true or not."""
    encoded = name.encode()
    common = struct.pack("<HHHHIIIH", flags, 8, 0, 0, crc, len(packed), size & 0xFFFFFFFF, len(encoded))
    body = b"PK\x03\x04" + struct.pack("<H", 20) + common + struct.pack("<H", 0) + encoded + packed
    centre = b"PK\x01\x02" + struct.pack("<HH", 20, 20) + common + struct.pack("<HHHHII", 0, 0, 0, 0, 0, 0) + encoded
    return body + centre + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(centre), len(body), 0)


def tarred(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """A TAR file."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tar_entry(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    """A TAR header."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def nested(depth: int) -> bytes:
    """A ZIP in a ZIP in a ZIP ..., with a text at the bottom."""
    content = b"bottom"
    name = "a.txt"
    for level in range(depth):
        content, name = zipped({name: content}), f"{level}.zip"
    return content


def word(document: str, **more: str | bytes) -> bytes:
    """A Word package with this document part."""
    return zipped({"[Content_Types].xml": TYPES, "_rels/.rels": RELATIONS, "word/document.xml": document, **more})


def mail_with(name: str, content: bytes) -> bytes:
    """A letter that carries a file."""
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Subject"] = "a@example.com", "b@example.com", "Open this"
    letter.set_content("See the file.")
    letter.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return letter.as_bytes()


def scratched(content: bytes, step: int = 97) -> bytes:
    """The same bytes with every 97th changed."""
    return bytes(byte ^ 0x55 if place % step == step - 1 else byte for place, byte in enumerate(content))


def ole(stream_name: str, *, sector: int = 9) -> bytes:
    """A compound file whose allocation table points in circles."""
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, sector, 6)
    header += bytes(10) + struct.pack("<IIIIIIIII", 1, 0, 0, 4096, 0, 1, 0, 0, 0) + struct.pack("<I", 0) * 108
    table = b"".join(struct.pack("<I", (number + 1) % 128) for number in range(128))
    name = stream_name.encode("utf-16-le")
    folder = (name + bytes(64 - len(name)) + struct.pack("<HBB", len(name) + 2, 2, 0) + bytes(60)) * 4
    return header[:512].ljust(512, b"\0") + table + folder[:512]


def workbook(sheet: str, *, strings: str = "") -> bytes:
    """An Excel package with this sheet part."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006/relationships"
    return zipped(
        {
            "[Content_Types].xml": TYPES,
            "_rels/.rels": RELATIONS.replace("word/document.xml", "xl/workbook.xml"),
            "xl/workbook.xml": f'{XML}<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
            '<sheet name="A" sheetId="1" r:id="r1"/></sheets></workbook>',
            "xl/_rels/workbook.xml.rels": f'{XML}<Relationships xmlns="{package}"><Relationship Id="r1" '
            f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" '
            f'Type="{office}/sharedStrings" Target="sharedStrings.xml"/></Relationships>',
            "xl/worksheets/sheet1.xml": sheet,
            "xl/sharedStrings.xml": strings or f'{XML}<sst xmlns="{main}"/>',
        }
    )


def archives() -> dict[str, bytes]:
    """Bombs, slips, links and lies in archives."""
    link = (stat.S_IFLNK | 0o777) << 16
    device = (stat.S_IFCHR | 0o666) << 16
    many = zipped({f"{number}.txt": str(number) for number in range(10_050)})
    return {
        "nested.zip": nested(6),
        "quine.gz": gzip_quine(),
        "quine_within.zip": zipped({"quine.gz": gzip_quine()}),
        "quine_twice.tar": tarred((tar_entry("a.gz"), gzip_quine()), (tar_entry("b.gz"), gzip_quine())),
        "deep.zip": nested(60),
        "bomb.zip": zip_of_raw("zeros.txt", deflated_zeros(4096 * MB), 4096 * MB - 1),
        "bomb_many.zip": zipped({f"{number}.txt": bytes(11 * MB) for number in range(6)}),
        "bomb_nested.zip": zipped({"inner.zip": zip_of_raw("zeros.txt", deflated_zeros(1024 * MB), 1024 * MB)}),
        "many.zip": many,
        "slip.zip": zipped({"../../../../tmp/evil.txt": "slip"}),
        "slip_back.zip": zipped({"..\\..\\evil.txt": "slip"}),
        "absolute.zip": zipped({"/etc/cron.d/evil": "slip"}),
        "drive.zip": zipped({"C:evil.txt": "slip"}),
        "nul.zip": zipped({"evil.txt": "slip"}).replace(b"evil.txt", b"ev\0l.txt"),
        "link.zip": zipped({"passwd.txt": "/etc/passwd"}, external_attr=link, create_system=3),
        "device.zip": zipped({"zero": ""}, external_attr=device, create_system=3),
        "locked.zip": zip_of_raw("secret.txt", b"x" * 40, 28, flags=1),
        "lying_size.zip": zip_of_raw("a.txt", zlib.compress(bytes(400))[2:-4], 7),
        "bad_crc.zip": zip_of_raw("a.txt", zlib.compress(b"hello world")[2:-4], 11, crc=1),
        "truncated.zip": zipped({"a.txt": os.urandom(900)})[:500],
        "scratched.zip": scratched(zipped({f"{number}.txt": os.urandom(90) for number in range(20)})),
        "long_name.zip": zipped({"x" * 40_000 + ".txt": "x"}),
        "bomb.gz": b"\x1f\x8b\x08" + bytes(7) + deflated_zeros(4096 * MB) + bytes(8),
        "bomb.tar.gz": gzip.compress(tarred((tar_entry("zeros.txt"), bytes(64 * MB))), 9),
        "bomb.bz2": bz2.compress(bytes(16 * MB)) * 64,
        "bomb.xz": lzma.compress(bytes(16 * MB)) * 64,
        "truncated.gz": gzip.compress(os.urandom(5000))[:2000],
        "truncated.xz": lzma.compress(os.urandom(5000))[:2000],
        "truncated.bz2": bz2.compress(os.urandom(5000))[:2000],
        "slip.tar": tarred((tar_entry("../../evil.txt"), b"slip"), (tar_entry("/etc/evil"), b"slip")),
        "link.tar": tarred((tar_entry("a.txt", tarfile.SYMTYPE, "/etc/passwd"), b"")),
        "hard_link.tar": tarred((tar_entry("a.txt", tarfile.LNKTYPE, "/etc/passwd"), b"")),
        "device.tar": tarred((tar_entry("zero", tarfile.CHRTYPE), b""), (tar_entry("pipe", tarfile.FIFOTYPE), b"")),
        "huge_header.tar": tarred((tar_entry("a.txt"), b"x" * 99)).replace(b"00000000143", b"77777777777"),
        "truncated.tar": tarred((tar_entry("a.txt"), b"x" * 5000))[:2048],
    }


def packages() -> dict[str, bytes]:
    """Office files, e-books and XML."""
    text = f'<w:document xmlns:w="{WORD}"><w:body><w:p><w:r><w:t>%s</w:t></w:r></w:p></w:body></w:document>'
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    far = f'{XML}<worksheet xmlns="{main}"><sheetData><row r="1"><c r="A1"><v>1</v></c></row>'
    far += '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'
    deep = "<w:p>" * 200_000 + "</w:p>" * 200_000
    return {
        "laughs.docx": word(f"{XML}{LAUGHS}{text % '&a9;'}"),
        "external.docx": word(f"{XML}{EXTERNAL}{text % '&file;'}"),
        "remote.docx": word(f"{XML}{REMOTE}{text % 'x'}"),
        "utf16.docx": word("x", **{"word/styles.xml": f"{LAUGHS}<x>&a9;</x>".encode("utf-16")}),
        "deep.docx": word(f'{XML}<w:document xmlns:w="{WORD}"><w:body>{deep}</w:body></w:document>'),
        "bomb.docx": word(f"{XML}{text % ('x' * (400 * MB))}"),
        "truncated.docx": word(f"{XML}{text % 'hello'}")[:600],
        "no_body.docx": zipped({"word/document.xml": "not xml at all <"}),
        "laughs.xlsx": workbook(f'{XML}{LAUGHS}<worksheet xmlns="{main}"><sheetData/></worksheet>'),
        "far_cell.xlsx": workbook(far),
        "bomb.xlsx": workbook(f"{XML}<worksheet xmlns='{main}'>" + " " * (300 * MB) + "</worksheet>"),
        "truncated.xlsx": workbook(far)[:700],
        "circle.xls": ole("Workbook"),
        "circle.msg": ole("__properties_version1.0"),
        "laughs.epub": zipped(
            {"mimetype": "application/epub+zip", "META-INF/container.xml": f"{XML}{LAUGHS}<container>&a9;</container>"}
        ),
        "slip.epub": zipped(
            {
                "mimetype": "application/epub+zip",
                "META-INF/container.xml": f"{XML}<container><rootfiles>"
                '<rootfile full-path="../../../etc/passwd"/></rootfiles></container>',
            }
        ),
        "laughs.xml": f"{XML}{LAUGHS}<lolz>&a9;</lolz>".encode(),
        "laughs_utf16.xml": f"{LAUGHS}<lolz>&a9;</lolz>".encode("utf-16"),
        "quadratic.xml": f"{XML}{QUADRATIC}<x>{'&a;' * 50_000}</x>".encode(),
        "parameter.xml": f"{XML}{PARAMETER}<x/>".encode(),
        "laughs.pptx": zipped(
            {
                "[Content_Types].xml": TYPES,
                "_rels/.rels": RELATIONS.replace("word/document.xml", "ppt/presentation.xml"),
                "ppt/presentation.xml": f"{XML}{LAUGHS}<x>&a9;</x>",
            }
        ),
        "laughs.ods": zipped(
            {"mimetype": "application/vnd.oasis.opendocument.spreadsheet", "content.xml": f"{XML}{LAUGHS}<x>&a9;</x>"}
        ),
        "external.xml": f"{XML}{EXTERNAL}<x>&file;</x>".encode(),
        "remote.xml": f"{XML}{REMOTE}<x>y</x>".encode(),
        "deep.xml": f"{XML}{'<a>' * 500_000}{'</a>' * 500_000}".encode(),
        "truncated.xml": f"{XML}<a><b>text".encode(),
    }


def rows_and_texts() -> dict[str, bytes]:
    """Row files, texts, mails and notebooks."""
    aliases = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 10}]\n" for n in range(1, 12))
    return {
        "deep.json": b"[" * 200_000 + b"]" * 200_000,
        "deep_object.json": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "deep.jsonl": b'{"question": ' + b"[" * 90_000 + b"]" * 90_000 + b', "answer": "x"}\n',
        "huge_row.jsonl": b'{"question": "' + b"x" * (9 * MB) + b'", "answer": "y"}\n',
        "huge_number.jsonl": b'{"question": "a", "answer": ' + b"9" * 400_000 + b"}\n",
        "truncated.json": b'[{"question": "a", "answer": "b"}, {"question": "c"',
        "surrogate.jsonl": b'{"question": "\\ud800", "answer": "x"}\n',
        "huge_cell.csv": b"question,answer\n" + b"x" * (9 * MB) + b",y\n",
        "huge_header.csv": ",".join(f"c{n}" for n in range(200_000)).encode() + b"\n1\n",
        "many_columns.csv": f"question,answer{''.join(f',c{n}' for n in range(50_000))}\na,b{',' * 50_000}\n".encode(),
        "open_quote.csv": b'question,answer\n"' + b"x,y\n" * 2_000,
        "nul.csv": b"question,answer\n\0\0\0,b\n",
        "lying.csv": b"%PDF-1.7 not a table",
        "lying.pdf": zipped({"a.bin": os.urandom(400)}),
        "lying.docx": b"\x89PNG\r\n\x1a\n" + os.urandom(200),
        "program.txt": b"\x7fELF" + os.urandom(400),
        "magic_only.parquet": b"PAR1" + bytes(40) + b"PAR1",
        "truncated.parquet": b"PAR1" + os.urandom(3000),
        "footer.parquet": b"PAR1" + bytes(8) + struct.pack("<I", 0xFFFFFFF0) + b"PAR1",
        "deep.ipynb": b'{"nbformat": 4, "cells": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "wrong.ipynb": json.dumps({"nbformat": 4, "cells": 7}).encode(),
        "bomb.eml": mail_with("zeros.zip", zip_of_raw("zeros.txt", deflated_zeros(512 * MB), 512 * MB)),
        "slip.eml": mail_with("../../evil.txt", b"slip"),
        "nul.txt": b"text\0" * 100,
        "picture.md": b"GIF89a" + os.urandom(300),
        "aliases.md": f"---\n{aliases}---\n# T\n".encode(),
    }


FAMILIES: tuple[Callable[[], dict[str, bytes]], ...] = (archives, packages, prints, rows_and_texts)


def write_hostile_files(folder: Path) -> None:
    """Write every hostile file and link into a folder."""
    for family in FAMILIES:
        for name, content in family().items():
            (folder / name).write_bytes(content)
    (folder / "passwd.txt").symlink_to("/etc/passwd")
    (folder / "above").symlink_to(folder.parent)
    (folder / "nowhere.txt").symlink_to("nothing")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.txt")


if __name__ == "__main__":
    write_hostile_files(Path(sys.argv[1]))
