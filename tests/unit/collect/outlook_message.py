"""Writes small MSG files: compound files of version 3 with everything in the mini stream ([MS-CFB], [MS-OXMSG])."""

import struct
from collections.abc import Mapping
from pathlib import Path

SECTOR, MINI = 512, 64
FREE, END, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF
UNICODE, BINARY, INTEGER = 0x001F, 0x0102, 0x0003

Tree = Mapping[str, "bytes | Tree"]


def message_tree(
    texts: Mapping[int, str], *, html: bytes | None = None, files: Mapping[str, bytes] | None = None
) -> Tree:
    """Streams of a letter with these text properties, an HTML body and attached files."""
    tree: dict[str, bytes | Tree] = {}
    for number, (name, content) in enumerate((files or {}).items()):
        parts = {0x3707: (UNICODE, name.encode("utf-16-le")), 0x3701: (BINARY, content)}
        tree[f"__attach_version1.0_#{number:08X}"] = _storage(parts, header=b"\0" * 8)
    parts = {name: (UNICODE, text.encode("utf-16-le")) for name, text in texts.items()}
    if html is not None:
        parts[0x1013] = (BINARY, html)
    header = struct.pack("<8x4I8x", 0, len(files or {}), 0, len(files or {}))
    return tree | _storage(parts, header=header, extra=struct.pack("<HHIII", INTEGER, 0x3FDE, 6, 65001, 0))


def _storage(parts: Mapping[int, tuple[int, bytes]], *, header: bytes, extra: bytes = b"") -> dict[str, bytes]:
    streams = {f"__substg1.0_{name:04X}{kind:04X}": content for name, (kind, content) in parts.items()}
    rows = [struct.pack("<HHIII", kind, name, 6, len(content), 0) for name, (kind, content) in parts.items()]
    return {"__properties_version1.0": header + extra + b"".join(rows), **streams}


def write_compound(path: Path, tree: Tree) -> None:
    """Write a compound file; streams must be under 4 KB."""
    entries: list[bytearray] = []
    mini, chains = bytearray(), list[int]()

    def add(name: str, content: "bytes | Tree") -> int:
        number = len(entries)
        entries.append(bytearray())
        child, start, size, kind = NONE, END, 0, 1
        if isinstance(content, bytes):
            assert len(content) < 4096
            kind, size = 2, len(content)
            count = -(-size // MINI)
            start = len(chains) if count else END
            chains.extend([*range(len(chains) + 1, len(chains) + count), END] if count else [])
            mini.extend(content.ljust(count * MINI, b"\0"))
        else:
            children = [add(*item) for item in content.items()]
            for left, right in zip(children, [*children[1:], NONE], strict=True):
                entries[left][72:76] = struct.pack("<I", right)
            child = children[0] if children else NONE
        written = (name + "\0").encode("utf-16-le")
        entries[number][:] = written.ljust(64, b"\0") + struct.pack(
            "<HBBIII36xIQ", len(written), kind, 1, NONE, NONE, child, start, size
        )
        return number

    add("Root Entry", tree)
    while len(entries) % 4:
        entries.append(bytearray(64) + struct.pack("<HBBIII36xIQ", 0, 0, 0, NONE, NONE, NONE, 0, 0))
    directory, minifat = b"".join(map(bytes, entries)), struct.pack(f"<{len(chains)}I", *chains)
    minifat += b"\xff" * (-len(minifat) % SECTOR)
    stream = bytes(mini) + b"\0" * (-len(mini) % SECTOR)
    counts = [len(part) // SECTOR for part in (directory, minifat, stream)]
    starts = [1, 1 + counts[0], 1 + counts[0] + counts[1]]
    root = struct.pack("<BBIII36xIQ", 5, 1, NONE, NONE, 1, starts[2], len(mini))
    directory = directory[:66] + root + directory[66 + len(root) :]
    fat = [0xFFFFFFFD]
    for first, count in zip(starts, counts, strict=True):
        fat += [*range(first + 1, first + count), END]
    assert len(fat) <= SECTOR // 4
    fat += [FREE] * (SECTOR // 4 - len(fat))
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<IIIIIIIIII", 0, 1, starts[0], 0, 4096, starts[1], counts[1], END, 0, 0)
    header = header.ljust(SECTOR, b"\xff")
    path.write_bytes(header + struct.pack("<128I", *fat) + directory + minifat + stream)
