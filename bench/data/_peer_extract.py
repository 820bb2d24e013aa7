"""Runs in a peer's environment: `python _peer_extract.py <markitdown|kreuzberg> <list of files>`, JSON on stdout."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def reader_of(name: str) -> Callable[[str], str]:
    """The peer's Markdown of one file."""
    if name == "markitdown":
        from markitdown import MarkItDown

        converter = MarkItDown()
        return lambda path: str(converter.convert(path).text_content)
    from kreuzberg import ExtractionConfig, extract_file_sync

    config = ExtractionConfig(output_format="markdown")
    return lambda path: str(extract_file_sync(path, config=config).content)


def main() -> None:
    """Read every file; what fails is an empty text."""
    read, found = reader_of(sys.argv[1]), {}
    paths = Path(sys.argv[2]).read_text(encoding="utf-8").splitlines()
    # What is loaded once shall not count.
    read(paths[0])
    for path in paths:
        began = time.process_time()
        try:
            text = read(path)
        except Exception as error:  # whatever a peer raises is its result
            print(f"{path}: {error}", file=sys.stderr)
            text = ""
        found[Path(path).name] = {"text": text, "seconds": time.process_time() - began}
    print(json.dumps(found))


main()
