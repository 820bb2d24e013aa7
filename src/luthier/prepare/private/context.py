"""Words around a value that make it private, or rule it out."""

import re
from dataclasses import dataclass

from luthier.prepare.private.view import View

WORD = re.compile(r"[^\W\d_]+")
BEFORE, AFTER = 60, 32
"""Characters around a value in which a word speaks about it."""
NAMED = re.compile(
    r"(?:(?<![^\W_])(?:v|ver|vers|version|versión|versione|versie|wersja|rev|revision|révision|release|build|patch|firmware"
    r"|part|parts|p/n|pn|part-no|sku|mpn|serial|s/n|sn|model|modell|modello|type|typ|item|article|artikel|artikelnummer"
    r"|artikelnr|teil|teilenummer|ersatzteil|teilenr|seriennummer|bestellnummer|référence|reference|réf|ref|referencia"
    r"|pieza|pièce|ricambio|onderdeel|onderdeelnummer|część|catalogue|catalog|cat|drawing|lot|batch|chip|imei|isbn|issn"
    r"|ean|upc|gtin|doi|oid|objectidentifier|sha|sha1|sha256|md5|crc|crc32|hash|checksum|commit|uuid|guid|section|chapter|figure|table"
    r"|bug|ticket|issue|invoice|rechnung|facture|factura|fattura|order|tracking|timestamp|standard|rfc|iso|din)(?![^\W_])"
    r"|[§#])"
    r"[.:=#\s\"'(]{0,3}(?:(?:no|nr|nro|núm|num|number|numéro|número|numero|nummer|numer|n°|nº|code|id|is|was|to|von|de)"
    r"(?![^\W_])[.:=#°º\s\"'(]{0,4}){0,2}$"
)
"""A word before a number that says it is one of parts, versions, documents or hashes."""


@dataclass(frozen=True, slots=True)
class Context:
    """Whole words and parts of words (for inflection and compounds), lower case."""

    words: frozenset[str] = frozenset()
    parts: tuple[str, ...] = ()

    def near(self, view: View, start: int, end: int, *, before: int = BEFORE, after: int = AFTER) -> bool:
        """Whether one of them stands before or after the characters [start, end)."""
        return self.within(view.before(start, before)) or self.within(view.after(end, after))

    def within(self, text: str) -> bool:
        """Whether one of them is in this lower-case text."""
        return any(part in text for part in self.parts) or not self.words.isdisjoint(WORD.findall(text))


def context(words: str = "", parts: str = "") -> Context:
    """Make a context from two lists separated by `|`."""
    return Context(frozenset(words.split("|")) - {""}, tuple(part for part in parts.split("|") if part))


def is_named_otherwise(view: View, start: int) -> bool:
    """Whether the words directly before a value call it a version, a part, a document or a hash."""
    return NAMED.search(view.before(start, 40)) is not None
