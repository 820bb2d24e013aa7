"""What files can be: names of types, extensions, and the first bytes that give a type away."""

TEXT_TYPES = {
    "csv": "csv",
    "tsv": "tsv tab",
    "json": "json",
    "jsonl": "jsonl ndjson",
    "text": "txt text",
    "markdown": "md markdown mdown mkd",
    "rst": "rst rest",
    "asciidoc": "adoc asciidoc",
    "latex": "tex ltx latex",
    "html": "html htm xhtml",
    "xml": "xml dbk docbook jats nxml",
    "eml": "eml",
    "mbox": "mbox",
    "man": "man mdoc 1 2 3 4 5 6 7 8 9 3p 3pm 1ssl 3ssl",
    "ipynb": "ipynb",
    "conll": "conll conllu iob iob2 bio bioes",
    "code": (
        "py pyi js mjs cjs jsx ts tsx java kt kts scala groovy c h cc cpp cxx hpp hh hxx cs go rs swift rb php pl pm "
        "lua r jl sh bash zsh ps1 sql hs ml mli erl ex exs clj fs vb dart m f f90 f95 pas ada v vhd vhdl proto"
    ),
}
BINARY_TYPES = {
    "parquet": "parquet",
    "pdf": "pdf",
    "docx": "docx docm",
    "pptx": "pptx pptm",
    "xlsx": "xlsx xlsm",
    "xls": "xls",
    "ods": "ods",
    "epub": "epub",
    "msg": "msg",
    "zip": "zip",
    "tar": "tar",
    "gz": "gz tgz",
    "bz2": "bz2 tbz2",
    "xz": "xz txz",
}
BY_NAME = {
    f".{suffix}": kind for kind, suffixes in {**TEXT_TYPES, **BINARY_TYPES}.items() for suffix in suffixes.split()
}
BY_WHOLE_NAME = {name: "text" for name in ("readme", "changelog", "changes", "news", "install", "faq")} | {
    name: "code" for name in ("dockerfile", "makefile", "jenkinsfile", "gemfile", "rakefile")
}
CONTAINERS = frozenset({"zip", "tar", "gz", "bz2", "xz"})

SIGNATURES = (
    (b"PAR1", "parquet"),
    (b"\x1f\x8b\x08", "gz"),
    (b"BZh", "bz2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x89PNG\r\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"RIFF", "riff (sound, picture or film)"),
    (b"ID3", "mp3"),
    (b"OggS", "ogg"),
    (b"fLaC", "flac"),
    (b"SQLite format 3\0", "sqlite"),
    (b"\x7fELF", "program"),
)
"""First bytes -> type. Types without a reader are here so that the ledger can name them."""
ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
OLE_START = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
OLE_STREAMS = (
    ("__properties_version1.0", "msg"),
    ("WordDocument", "doc"),
    ("PowerPoint Document", "ppt"),
    ("Workbook", "xls"),
    ("Book", "xls"),
    ("EncryptedPackage", "encrypted office file"),
)
"""Stream in a compound file -> type; the first that is there counts."""
ZIP_MEMBERS = {
    "word/document.xml": "docx",
    "ppt/presentation.xml": "pptx",
    "xl/workbook.xml": "xlsx",
    "xl/workbook.bin": "xlsb",
    "META-INF/container.xml": "epub",
}
ZIP_MIMES = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.presentation": "odp",
}
