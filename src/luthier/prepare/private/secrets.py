"""Keys, tokens and passwords: what opens a door to whoever holds it."""

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Iterator

from luthier.prepare.private.config import FindingType
from luthier.prepare.private.view import Found, View

LONG = 20
"""Characters of the shortest key that is known by its form alone."""
TOKEN_LETTERS = bytes(
    ord("x") if chr(code).isascii() and (chr(code).isalnum() or chr(code) in "_-./+=:") else ord(" ")
    for code in range(256)
)
ISSUED = re.compile(
    rb"(?<![A-Za-z0-9])(?:"
    rb"(?:AKIA|ASIA|ABIA|ACCA|A3T[A-Z0-9])[A-Z2-7]{16}(?![A-Z0-9])"
    rb"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{60,255}|glpat-[A-Za-z0-9_\-]{20,64}"
    rb"|gl(?:dt|ft|rt|cbt|ptt|soat)-[A-Za-z0-9_\-]{20,64}"
    rb"|xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{20,100}"
    rb"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,200}|whsec_[A-Za-z0-9+/=]{24,80}"
    rb"|AIza[A-Za-z0-9_\-]{35}|ya29\.[A-Za-z0-9_\-]{20,300}|GOCSPX-[A-Za-z0-9_\-]{20,40}"
    rb"|sk-(?:ant-|proj-|svcacct-|or-)[A-Za-z0-9_\-]{20,250}|sk-[A-Za-z0-9]{32,64}(?![A-Za-z0-9-])"
    rb"|hf_[A-Za-z0-9]{30,60}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_\-]{50,300}|do[oprt]_v1_[a-f0-9]{64}"
    rb"|shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}|SG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{32,64}|key-[a-f0-9]{32}"
    rb"|(?:AC|SK)[a-f0-9]{32}(?![A-Za-z0-9])|hvs\.[A-Za-z0-9_\-]{24,200}|dapi[a-f0-9]{32}|lin_api_[A-Za-z0-9]{32,48}"
    rb"|(?:ntn_|secret_)[A-Za-z0-9]{40,50}|sq0(?:atp|csp)-[A-Za-z0-9_\-]{22,60}|ATATT3[A-Za-z0-9_\-=]{100,250}"
    rb"|gsk_[A-Za-z0-9]{40,60}|xai-[A-Za-z0-9]{60,90}|r8_[A-Za-z0-9]{30,45}|gl(?:c|sa)_[A-Za-z0-9_+/=]{32,200}"
    rb"|PMAK-[a-f0-9]{24}-[a-f0-9]{34}|NRAK-[A-Z0-9]{27}|sntry[su]_[A-Za-z0-9_=+/.\-]{40,250}"
    rb"|AGE-SECRET-KEY-1[0-9A-Z]{58}|[0-9]{8,10}:AA[A-Za-z0-9_\-]{33}(?![A-Za-z0-9_\-])"
    rb"|[A-Za-z0-9_\-]{14}\.atlasv1\.[A-Za-z0-9_\-=]{60,80}|pat[A-Za-z0-9]{14}\.[a-f0-9]{64}|fo1_[A-Za-z0-9_\-]{43}"
    rb")"
)
"""Keys by the prefixes their issuers document."""
JWT = re.compile(rb"eyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-]{8,}")
WEBHOOK = re.compile(rb"hooks\.slack\.com/(?:services|workflows)/([A-Za-z0-9/]{20,80})")
FORMS: tuple[tuple[re.Pattern[bytes], FindingType], ...] = (
    (ISSUED, "api_key"),
    (JWT, "access_token"),
    (WEBHOOK, "url_token"),
)
PEM_START = b"-----BEGIN "
PEM = re.compile(
    r"-----BEGIN (?P<what>[A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?)-----\s*(?:[A-Za-z-]+: [^\n\0]*\n)*[A-Za-z0-9+/=\s\\]{40,}"
    r"(?:-----END (?P=what)-----)?"
)
URL_REST = re.compile(r"://[^\s\"'<>\0]+")
USERINFO = re.compile(r"://(?P<secret>[^/@\s:\0]*:[^/@\s\0]+)@")
PARAMETER = re.compile(
    r"[?&#;](?P<name>[\w.-]*(?:token|api_?key|apikey|secret|sig|signature|passw(?:or)?d|pwd|auth|session_?id|sid|jwt"
    r"|credential|access_?key|otp|invite|code|key))=(?P<secret>[^&#\s\"'<>;)\]\0]{8,})",
    re.IGNORECASE,
)
KEY_WORDS = (b"pass", b"pwd", b"secret", b"token", b"key", b"credential", b"kennwort", b"contrase", b"senha", b"auth")
ASSIGNMENT = re.compile(rb"[a-z0-9_.?-]{3,36}[\"'\]]{0,2} {0,3}(?::=|=>|[:=])")
"""From a key word to the mark that gives it a value."""
ASSIGNED = re.compile(
    r"(?P<name>[^\W\d][\w.-]*)[\"']?\]?(?P<mark>\s{0,3}(?::=|=>|[:=])\s{0,3})"
    r"(?P<quote>[\"'`]?)(?P<value>[^\s\"'`\0,;<>]{4,200})(?P<close>[\"'`]?)"
)
PASSWORD_NAME = re.compile(
    r"(?:^|[_.-])(?:\w*passw(?:or)?[dt]|\w*passphrase|pass|\w*pwd|\w*passwort|kennwort|contrase\w*|senha|has[lł]o|mot_de_passe)\d?$",
    re.IGNORECASE,
)
SECRET_NAME = re.compile(
    r"(?:secret|token|api_?-?key|access_?-?key|private_?-?key|auth_?-?key|account_?-?key|encryption_?-?key|signing_?-?key"
    r"|client_?-?key|master_?-?key|credentials?|authorization|auth)(?:[_-]?(?:key|base|value|string|\d+))*$",
    re.IGNORECASE,
)
NOT_SECRET_NAME = re.compile(
    r"public|_id$|keyid|hash|digest|sha\d|checksum|file|path|name|url|uri|type|length|size|count", re.IGNORECASE
)
PLACEHOLDER = re.compile(
    r"[\[<{($%:].*|[a-z_]*(?:password|passwd|passphrase)[a-z_]*|.*[(){}\[\]].*|[*x.•_#-]+|(?:your|my|the|some|example|changeme|change_me|placeholder|dummy|todo|none|null|nil"
    r"|true|false|yes|no|on|off|required|optional|string|str|text|bytes|int|bool|object|password|passwd|secret|token|key"
    r"|value|default|empty|undefined|redacted|hidden|self|os|env|environ|config|settings|args|options|request|this)"
    r"(?:[_.-].*|)",
    re.IGNORECASE,
)
WORDS_OR_PATH = re.compile(r"[a-z_.-]+\d{0,4}|[A-Z_]+\d{0,4}|[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
CASE_CHANGE = re.compile(r"(?=[a-z][A-Z]|[A-Z][a-z])")
FEWEST_BITS = 3.0
"""Shannon entropy per character below which a long value is a word, a path or a name."""


def find_secrets(view: View) -> Iterator[Found]:
    """Keys by form, private keys, tokens in URLs, and values assigned to names that speak of secrets."""
    yield from _private_keys(view)
    yield from _long_tokens(view)
    yield from _urls(view)
    yield from _assignments(view)


def _private_keys(view: View) -> Iterator[Found]:
    at = view.data.find(PEM_START)
    while at >= 0:
        match = PEM.match(view.text, at)
        if match:
            yield Found("private_key", at, at + len(match.group().rstrip()), match.group().strip())
        at = view.data.find(PEM_START, at + 1)


def _long_tokens(view: View) -> Iterator[Found]:
    letters = view.data.translate(TOKEN_LETTERS)
    at = letters.find(b"x" * LONG)
    while at >= 0:
        start = letters.rfind(b" ", 0, at) + 1
        end = letters.find(b" ", at)
        end = len(letters) if end < 0 else end
        yield from _keys_in(view, start, end)
        at = letters.find(b"x" * LONG, end)


def _keys_in(view: View, start: int, end: int) -> Iterator[Found]:
    for pattern, kind in FORMS:
        for match in pattern.finditer(view.data, start, end):
            if kind != "access_token" or _is_jwt(match.group()):
                left, right = match.span(pattern.groups)
                yield Found(kind, left, right, view.text[left:right])


def _is_jwt(token: bytes) -> bool:
    head = token.partition(b".")[0]
    try:
        return base64.urlsafe_b64decode(head + b"=" * (-len(head) % 4)).lstrip().startswith(b'{"')
    except (ValueError, binascii.Error):
        return False


def _urls(view: View) -> Iterator[Found]:
    at = view.data.find(b"://")
    while at >= 0:
        match = URL_REST.match(view.text, at)
        end = match.end() if match else at + 3
        user = USERINFO.match(view.text, at)
        if user and not PLACEHOLDER.fullmatch(user["secret"].partition(":")[2]):
            yield Found("url_token", *user.span("secret"), user["secret"])
        for parameter in PARAMETER.finditer(view.text, at, end):
            if _is_random(parameter["secret"], fewest=8):
                yield Found("url_token", *parameter.span("secret"), parameter["secret"])
        at = view.data.find(b"://", end)


def _assignments(view: View) -> Iterator[Found]:
    seen = 0
    for at in view.places(KEY_WORDS):
        if at < seen or not ASSIGNMENT.match(view.lower, at):
            continue
        start = at
        while start > max(seen, at - 40) and (view.text[start - 1].isalnum() or view.text[start - 1] in "_-."):
            start -= 1
        start += len(view.text[start:at]) - len(view.text[start:at].lstrip("-."))
        match = ASSIGNED.match(view.text, start)
        kind = None if match is None else _kind_of(match)
        if match is not None and kind is not None:
            value = match["value"] if kind == "password" else match["value"].partition("&")[0]
            seen = match.end()
            yield Found(kind, match.start("value"), match.start("value") + len(value), value)


def _kind_of(match: re.Match[str]) -> FindingType | None:
    name, value = match["name"], match["value"]
    quoted = bool(match["quote"]) and match["quote"] == match["close"]
    if PLACEHOLDER.fullmatch(value) or value.lower() == name.lower():
        return None
    if PASSWORD_NAME.search(name):
        return "password" if _is_password(value, quoted=quoted) else None
    if SECRET_NAME.search(name) and not NOT_SECRET_NAME.search(name) and _is_random(value, fewest=16):
        return "secret"
    return None


def _is_password(value: str, *, quoted: bool) -> bool:
    """Quoted text of six characters or more; bare words must mix letters with digits or signs, as code does not."""
    if quoted:
        return len(value) >= 6
    if re.fullmatch(r"[A-Za-z_]+(?:\.[A-Za-z_]\w*)*", value):
        return _is_random(value, fewest=8)
    return len(value) >= 6


def _is_random(value: str, *, fewest: int) -> bool:
    """Whether a value has digits, or capitals as no word has them, and the entropy of something drawn."""
    if len(value) < fewest or WORDS_OR_PATH.fullmatch(value) or value.strip("/").count("/") > 2:
        return False
    if not any(map(str.isdigit, value)) and len(CASE_CHANGE.findall(value)) < 0.4 * len(value):
        return False
    counts = Counter(value)
    bits = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return bits >= min(FEWEST_BITS, 0.75 * math.log2(len(value))) and any(map(str.isalpha, value))
