"""Typed, consistent pseudonyms: HMAC-SHA256 (RFC 2104) of type and normalised value under the project's key."""

import base64
import hashlib
import hmac
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from luthier.errors import NotFoundError, UserError

KEY_BYTES = 32
CODE_LENGTH = 5
"""Characters of base32 (25 bits): 1,000 different values of one type share a code with 1.5 % chance."""
CODE = re.compile(rf"\[[A-Z_]{{2,16}}_[A-Z2-7]{{{CODE_LENGTH}}}\]")
"""A pseudonym in a text that was masked before: it stays."""


@dataclass(frozen=True, slots=True)
class PseudonymKey:
    """The secret of a project's pseudonyms; never written anywhere but to its own file."""

    secret: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """What a stage key may know of it: equal digests mean equal codes."""
        return hashlib.sha256(b"luthier pseudonym key\0" + self.secret).hexdigest()

    def code(self, kind: str, value: str) -> str:
        """The code of a normalised value, such as `EMAIL_7K2QX`."""
        message = f"{kind}\0{value}".encode("utf-8", "surrogatepass")
        letters = base64.b32encode(hmac.digest(self.secret, message, "sha256")[:5]).decode("ascii")
        return f"{kind.upper()}_{letters[:CODE_LENGTH]}"


def read_key(path: Path) -> PseudonymKey:
    """Read a key; NotFoundError if there is none, UserError if others may read it or it is damaged."""
    try:
        mode = path.stat().st_mode
        secret = path.read_bytes()
    except FileNotFoundError:
        raise NotFoundError(f"{path}: no such file. The first `luthier prepare` of a project makes it.") from None
    if stat.S_IMODE(mode) & 0o077:
        raise UserError(f"{path}: others may read this key. Close it with: chmod 600 {path}")
    if len(secret) != KEY_BYTES:
        raise UserError(f"{path}: holds {len(secret)} bytes, not {KEY_BYTES}. Restore it, or remove it for new codes.")
    return PseudonymKey(secret)


def make_key(path: Path) -> PseudonymKey:
    """The key at `path`, drawn from the operating system if there is none yet.

    Its folder, if new, tells git to ignore it. Two processes that start together end with the same key.
    """
    if path.exists():
        return read_key(path)
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True)
        (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
    aside = path.with_name(f".{path.name}-{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(os.urandom(KEY_BYTES))
            stream.flush()
            os.fsync(stream.fileno())
        # A link fails where a rename would replace the key of a process that was faster.
        if not path.exists():
            os.link(aside, path)
    except FileExistsError:
        return read_key(path)
    finally:
        aside.unlink(missing_ok=True)
    return read_key(path)
