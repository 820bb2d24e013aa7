"""A page inside an artifact: one file that a person can read without us, and that loads nothing."""

import base64
import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, StrictUndefined


def render(template: str, **values: Any) -> bytes:
    """The page as UTF-8, with the common style in place of its /*style*/; the same values give the same bytes.

    All text is escaped, and a Content-Security-Policy allows nothing but that style: `{{ policy }}` in the template.
    """
    style = files("luthier.artifacts").joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return (
        environment.from_string(template.replace("/*style*/", style)).render(policy=policy, **values).encode() + b"\n"
    )
