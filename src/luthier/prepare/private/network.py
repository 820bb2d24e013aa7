"""Where a machine or a person is: network addresses, hardware addresses and positions on earth."""

import ipaddress
import re
from collections.abc import Iterator

from luthier.prepare.private.context import context, is_named_otherwise
from luthier.prepare.private.view import Found, View

IPV4 = re.compile(rb"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9A-Za-z_]|\.[0-9]|[-+][0-9]*[A-Za-z])")
COLONS = re.compile(rb":[0-9A-Fa-f]{0,4}:")
IPV6 = re.compile(r"[0-9A-Fa-f:]{2,39}(?:\.\d{1,3}){0,3}")
MAC_STARTS = (
    (re.compile(rb":(?=[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2}:)"), 2),
    (re.compile(rb"-(?=[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-)"), 2),
    (re.compile(rb"\.(?=[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4})"), 4),
)
"""Triggers begin with a mark, and so many characters before it belong to the address."""
MAC = re.compile(
    r"(?:[0-9A-Fa-f]{2}([:-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}|[0-9A-Fa-f]{4}(?:\.[0-9A-Fa-f]{4}){2})(?![:.-]?[0-9A-Za-z])"
)
MORE_HEX = re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{2}[:-]|[0-9A-Fa-f]{4}\.)$")
"""Before a hardware address: it is the tail of a fingerprint."""
ADDRESS = context(
    "ip|ips|ipv4|ipv6|address|addr|host|hosts|server|gateway|dns|ping|pinged|adresse|dirección|indirizzo|adres|router|login"
    "|logged|connect|connected|connection|connects|client|request|requests|node|machine|vpn|proxy|firewall|port|network"
    "|subnet|lan|ssh|http|https|listen|bind|inet|remote|peer|from|rechner|servidor|serveur|serwer|endereço|machine"
)
FIRST_CLEAR = 100
"""An IPv4 address with a number from here on is no version: 2.3 % of random addresses have none."""
PAIR = re.compile(rb"[0-9]\.[0-9]{3,}(?=.{0,12}?[0-9]\.[0-9]{3})")
DECIMAL = re.compile(
    r"([-+]?\d{1,2}\.\d{3,12})\s?°?\s?([NS])?\s?([,;/]\s?|\s)(?:lon(?:g(?:itude)?)?\.?\s?[:=]?\s?)?([-+]?\d{1,3}\.\d{3,12})(?!\d)(?:\s?°?\s?([EWO])(?![A-Za-z]))?"
)
SEXAGESIMAL = re.compile(
    r"(\d{1,2})\s?°\s?(\d{1,2}(?:[.,]\d+)?)\s?['′’]\s?(?:(\d{1,2}(?:[.,]\d+)?)\s?(?:[\"″”]|''|′′)\s?)?([NS])[,;/]?\s{0,2}"
    r"(\d{1,3})\s?°\s?(\d{1,2}(?:[.,]\d+)?)\s?['′’]\s?(?:(\d{1,2}(?:[.,]\d+)?)\s?(?:[\"″”]|''|′′)\s?)?([EWO])(?![A-Za-z])"
)
POSITION = context(
    "gps|lat|latitude|lon|lng|longitude|coordinates|coords|coordinate|position|posizione|posición|posição|positie|pozycja|lieu|located|location|geo|standort|koordinaten"
    "|coordonnées|coordenadas|ubicación|coordinata|coördinaten|współrzędne|koordinater|geotag|pin|map|maps|breitengrad",
    "coord|koordin|geoloc|gps|latit|निर्देशांक",
)


def find_addresses(view: View) -> Iterator[Found]:
    """IPv4 and IPv6 addresses of machines: neither loopback, masks and groups, nor whole networks."""
    for match in view.digits_like(IPV4):
        start, end = match.start(), match.end()
        if view.text[start - 1 : start] not in {".", "-"} and view.stands_alone(start, end):
            value = _address(view.text[start:end])
            if value and not _is_network(view, end, value) and _is_meant(view, start, end):
                yield Found("ip", start, end, value)
    last = 0
    for match in COLONS.finditer(view.data):
        if match.start() >= last:
            found = _ipv6(view, match.start())
            if found is not None:
                last = found.end
                yield found


def _is_meant(view: View, start: int, end: int) -> bool:
    """Sections, versions and object ids look alike: small numbers need a word, and another word rules all out."""
    if is_named_otherwise(view, start):
        return False
    written = view.text[start:end]
    if max(map(int, written.split("."))) >= FIRST_CLEAR:
        return True
    if view.text[end : end + 5] == " - - " or view.data[start - 2 : start] in {b"//", b"@["}:
        return True
    return ADDRESS.near(view, start, end, before=40, after=16)


def _ipv6(view: View, colon: int) -> Found | None:
    start = colon
    while start > max(0, colon - 5) and view.text[start - 1] in "0123456789abcdefABCDEF":
        start -= 1
    match = IPV6.match(view.text, start)
    if match is None or not view.stands_alone(start, match.end()) or view.text[start - 1 : start] in {":", "."}:
        return None
    written = match.group().rstrip(":.") if not match.group().endswith("::") else match.group()
    groups = [group for group in re.split("[:.]", written) if group]
    # `ab::cd` is C++; an address has digits and more than two groups.
    if len(groups) < 3 or not any(letter.isdigit() for letter in written):
        return None
    value = _address(written)
    if value is None or _is_network(view, start + len(written), value):
        return None
    return Found("ip", start, start + len(written), value)


def _address(written: str) -> str | None:
    try:
        address = ipaddress.ip_address(written)
    except ValueError:
        return None
    if address.is_loopback or address.is_unspecified or address.is_multicast or written.startswith(("255.", "0.")):
        return None
    return str(address)


def _is_network(view: View, end: int, value: str) -> bool:
    prefix = re.match(r"/(\d{1,3})(?!\d)", view.text[end : end + 4])
    try:
        return prefix is not None and ipaddress.ip_network(f"{value}/{prefix[1]}").num_addresses > 1
    except ValueError:
        # Bits beyond the prefix: a machine's address with its mask.
        return False


def find_hardware(view: View) -> Iterator[Found]:
    """MAC addresses (EUI-48) in the three usual forms."""
    starts = [match.start() - back for trigger, back in MAC_STARTS for match in trigger.finditer(view.data)]
    for start in starts:
        match = MAC.match(view.text, start) if start >= 0 else None
        if match is None or MORE_HEX.search(view.text[max(0, start - 6) : start]):
            continue
        value = re.sub("[^0-9a-f]", "", match.group().lower())
        if _is_hardware(value) and view.stands_alone(start, match.end()):
            yield Found("mac", start, match.end(), value)


def _is_hardware(value: str) -> bool:
    return value not in {"0" * 12, "f" * 12} and any(letter.isdigit() for letter in value)


def find_positions(view: View) -> Iterator[Found]:
    """Positions on earth: degrees, minutes and seconds, or two decimal numbers that letters or words call so."""
    mark = view.text.find("°")
    last = 0
    while mark >= 0:
        match = SEXAGESIMAL.search(view.text, max(last, mark - 3), mark + 60)
        if match is not None:
            last = match.end()
            yield Found("gps", match.start(), last, re.sub(r"\s", "", match.group()))
        mark = view.text.find("°", max(mark + 1, last))
    last = 0
    for pair in view.digits_like(PAIR):
        start = pair.start()
        while start > last and view.text[start - 1] in "0123456789+-":
            start -= 1
        match = DECIMAL.match(view.text, start) if start >= last else None
        if match is not None and _is_position(view, match):
            last = match.end()
            yield Found("gps", match.start(), last, f"{float(match[1])},{float(match[4])},{match[2]},{match[5]}")


def _is_position(view: View, match: re.Match[str]) -> bool:
    if abs(float(match[1])) > 90 or abs(float(match[4])) > 180 or view.text[match.start() - 1 : match.start()] == ".":
        return False
    return bool(match[2] and match[5]) or POSITION.near(view, match.start(), match.end(), before=48, after=32)
