"""From a text to the same text without private data, and the account of what was found."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from luthier.prepare.private.config import Action, FindingType, PrivateConfig, PrivateType, SecretType
from luthier.prepare.private.contact import find_emails, find_phones
from luthier.prepare.private.documents import find_birth_dates, find_documents
from luthier.prepare.private.forget import ForgetList, forget_list_path, read_forget_list
from luthier.prepare.private.letters import find_ibans, find_ids_with_letters
from luthier.prepare.private.names import name_value, read_names
from luthier.prepare.private.network import find_addresses, find_hardware, find_positions
from luthier.prepare.private.numbers import find_numbers
from luthier.prepare.private.pseudonym import CODE, PseudonymKey
from luthier.prepare.private.secrets import find_secrets
from luthier.prepare.private.view import BREAK, MASKED, Detector, Found, View, view_of

NameHook = Callable[[str], Iterable[tuple[int, int]]]
"""A recogniser of names from elsewhere: a text to character spans [start, end)."""
SECRETS: frozenset[FindingType] = frozenset(get_args(SecretType))
ORDER: tuple[FindingType, ...] = (
    "private_key",
    "access_token",
    "api_key",
    "url_token",
    "email",
    "iban",
    "card",
    "national_id",
    "secret",
    "password",
    "mac",
    "ip",
    "birth_date",
    "passport",
    "licence",
    "phone",
    "gps",
    "name",
)
"""Of two findings that overlap the earlier type stays: proofs before context."""
SAYING = (
    *("phone", "card", "SSN", "NHS number", "Steuer-ID", "NIR", "DNI", "BSN", "PESEL", "Aadhaar", "PAN", "CPF", "SIN"),
    *("personnummer", "passport", "driving licence", "born", "GPS", "IP address", "password:", "secret:"),
)
"""Words that prove what a value alone does not."""
RANK = {kind: rank for rank, kind in enumerate(ORDER)}


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found where, in characters of the original. It holds no value: `code` is the pseudonym."""

    type: FindingType
    start: int
    end: int
    code: str
    action: Action


@dataclass(frozen=True, slots=True)
class Masked:
    """A text after masking."""

    text: str
    findings: tuple[Finding, ...]

    @property
    def edits(self) -> tuple[tuple[int, int, str], ...]:
        """(start, end, replacement) in characters of the original, in order."""
        return tuple((one.start, one.end, f"[{one.code}]") for one in self.findings if one.action != "report")

    @property
    def drop(self) -> bool:
        """Whether the example must be set aside."""
        return any(one.action == "drop" for one in self.findings)


@dataclass(frozen=True, slots=True)
class Rules:
    """What to look for, and what to do with it."""

    key: PseudonymKey
    actions: Mapping[FindingType, Action] = field(default_factory=dict)
    """`mask` where nothing is said; secrets are always masked."""
    keep: frozenset[str] = frozenset()
    """Public values, normalised as their own type and as plain text."""
    detectors: tuple[Detector, ...] = ()
    name_hook: NameHook | None = None
    forgotten: ForgetList = field(default_factory=ForgetList)
    """Whose rows prepare leaves out."""

    def action(self, kind: FindingType) -> Action:
        """What is done with one type."""
        return "mask" if kind in SECRETS else self.actions.get(kind, "mask")


def make_rules(
    config: PrivateConfig, *, key: PseudonymKey, home: Path = Path(), name_hook: NameHook | None = None
) -> Rules:
    """The rules of a project; `home` is the folder its paths start from. UserError for a list that cannot be read."""
    names: tuple[Detector, ...] = () if config.names is None else (read_names(home / config.names),)
    detectors: tuple[Detector, ...] = (
        find_secrets,
        find_emails,
        find_ibans,
        find_numbers,
        find_ids_with_letters,
        find_addresses,
        find_hardware,
        find_birth_dates,
        find_documents,
        find_phones(config.regions),
        find_positions,
        *names,
    )
    actions = {kind: getattr(config.actions, kind) for kind in get_args(PrivateType)}
    keep = {_plain(value) for value in config.keep}
    for value in config.keep:
        keep |= {found.value for found in find_all(view_of(value), detectors)}
    return Rules(
        key=key,
        actions=actions,
        keep=frozenset(keep),
        detectors=detectors,
        name_hook=name_hook,
        forgotten=read_forget_list(forget_list_path(config, home=home)),
    )


def mask_text(text: str, *, rules: Rules) -> Masked:
    """Find private data and secrets, and put pseudonyms in their place."""
    return mask_texts([text], rules=rules)[0]


def mask_texts(texts: Sequence[str], *, rules: Rules) -> list[Masked]:
    """Mask many texts at once: short texts are read together, and nothing reaches from one to the next."""
    whole = BREAK.join(text.replace(BREAK, " ") for text in texts)
    # Codes of an earlier masking are no context: PASSPORT_7K2QX would ask for a number behind it.
    view = view_of(CODE.sub(lambda code: MASKED * len(code.group()), whole))
    hooked = [] if rules.name_hook is None else _hooked(texts, rules.name_hook)
    found = _settle([*find_all(view, rules.detectors), *hooked])
    results, at, offset = [], 0, 0
    for text in texts:
        end, first = offset + len(text), at
        while at < len(found) and found[at].start < end:
            at += 1
        results.append(_masked(text, found[first:at], offset, rules))
        offset = end + len(BREAK)
    return results


def shown_texts(rows: Sequence[tuple[str, str]], *, rules: Rules) -> list[str]:
    """Texts of rows (id, text) as lists and reports may show them: masked, and empty for who asked to be forgotten."""
    masked = mask_texts([text for _, text in rows], rules=rules)
    return [
        "" if rules.forgotten.holds(row, [one.text]) else one.text for (row, _), one in zip(rows, masked, strict=True)
    ]


def codes_of(value: str, *, rules: Rules) -> frozenset[str]:
    """Every code that one value can have: as itself, after words that say what it is, and as a name."""
    texts = [f"{words} {value}".lstrip() for words in ("", *SAYING)]
    found = {
        finding.code
        for text, masked in zip(texts, mask_texts(texts, rules=rules), strict=True)
        for finding in masked.findings
        if text[finding.start : finding.end] == value
    }
    return frozenset(found | {rules.key.code("name", name_value(value))})


def find_all(view: View, detectors: Iterable[Detector]) -> list[Found]:
    """What each detector finds; findings may overlap."""
    return [found for detector in detectors for found in detector(view)]


def _settle(found: Iterable[Found]) -> list[Found]:
    """Findings that do not overlap, in order of place: see `ORDER`, then the longer one."""
    starts: list[int] = []
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: (RANK[one.type], one.start - one.end, one.start)):
        place = bisect_right(starts, one.start)
        free_before = place == 0 or kept[place - 1].end <= one.start
        if free_before and (place == len(kept) or one.end <= kept[place].start):
            starts.insert(place, one.start)
            kept.insert(place, one)
    return kept


def _masked(text: str, found: Sequence[Found], offset: int, rules: Rules) -> Masked:
    findings = tuple(
        Finding(
            type=one.type,
            start=one.start - offset,
            end=one.end - offset,
            code=rules.key.code(one.type, one.value),
            action=rules.action(one.type),
        )
        for one in found
        if one.value not in rules.keep and _plain(text[one.start - offset : one.end - offset]) not in rules.keep
    )
    masked = Masked(text=text, findings=findings)
    if not masked.edits:
        return masked
    parts, last = [], 0
    for start, end, replacement in masked.edits:
        parts += [text[last:start], replacement]
        last = end
    return Masked(text="".join([*parts, text[last:]]), findings=findings)


def _hooked(texts: Sequence[str], hook: NameHook) -> Iterable[Found]:
    offset = 0
    for text in texts:
        for start, end in hook(text):
            yield Found("name", offset + start, offset + end, name_value(text[start:end]))
        offset += len(text) + len(BREAK)


def _plain(value: str) -> str:
    return " ".join(value.split()).casefold()
