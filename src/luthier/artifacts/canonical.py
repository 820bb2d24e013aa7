"""One byte string for one value, and the hashes made of it."""

import hashlib
import math
from pathlib import Path
from typing import Any

import orjson
import xxhash


def canonical_json(value: Any) -> bytes:
    """UTF-8, sorted keys, no spaces, shortest round-trip floats. A NaN or infinity is our own mistake."""
    _check_finite(value)
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_SERIALIZE_NUMPY)


def sha256_of(value: Any) -> str:
    """Hex SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def hash_order(name: str, *, seed: int = 0) -> tuple[int, str]:
    """Sort key under which the first rows are a fair sample: whatever order they came in, and whoever comes or goes."""
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass"), seed=seed), name


def sha256_of_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def merkle_root(leaves: list[bytes]) -> str:
    """Hex root over rows given as canonical JSON: leaf = SHA-256(00 || row), node = SHA-256(01 || left || right).

    An odd node is promoted. No rows: the hash of the empty string.
    """
    level = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    if not level:
        return hashlib.sha256(b"").hexdigest()
    while len(level) > 1:
        pairs = [level[index : index + 2] for index in range(0, len(level), 2)]
        level = [hashlib.sha256(b"\x01" + pair[0] + pair[1]).digest() if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0].hex()


def _check_finite(value: Any) -> None:
    # orjson writes NaN as null: a hole in the evidence that nobody would see.
    if isinstance(value, float):
        assert math.isfinite(value), "canonical JSON holds finite numbers only"
    elif isinstance(value, dict):
        for inner in value.values():
            _check_finite(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _check_finite(inner)
