"""Made-up private values for D5, as people write them in twelve locales."""

import base64
import json
import string
from random import Random

from bench.data._check_digits import (
    bsn_digit,
    cpf_digits,
    dni_letter,
    fiscale_letter,
    iban,
    luhn_digit,
    nhs_digit,
    nir_key,
    pesel_digit,
    steuer_digit,
    verhoeff_digit,
)

LOCALES = ("en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "it-IT", "nl-NL", "pl-PL", "en-IN", "pt-BR", "en-CA", "sv-SE")
FIRST = {
    "en-US": "Emily Jacob Ashley Tyler Brittany",
    "en-GB": "Oliver Poppy Alfie Imogen Gareth",
    "de-DE": "Jürgen Anneliese Björn Heike Matthias",
    "fr-FR": "Amélie Thibault Océane Gaël Solène",
    "es-ES": "Íñigo Begoña Álvaro Rocío Nuria",
    "it-IT": "Giulia Niccolò Chiara Matteo Ludovica",
    "nl-NL": "Sjoerd Anouk Bram Fleur Maarten",
    "pl-PL": "Małgorzata Paweł Zbigniew Agnieszka Łukasz",
    "en-IN": "Priyanka Rajesh Anjali Suresh Kavita",
    "pt-BR": "João Letícia Thiago Beatriz Caio",
    "en-CA": "Logan Madison Étienne Brooke Connor",
    "sv-SE": "Björn Åsa Linnéa Göran Ebba",
}
LAST = {
    "en-US": "Whitaker Delgado Kowalczyk Freeman",
    "en-GB": "Ashworth Pemberton Llewellyn McAllister",
    "de-DE": "Schäfer Großmann Oberhuber Klingenberg",
    "fr-FR": "Lefèvre Beauchamp Dubois-Martin Rousselot",
    "es-ES": "Ibáñez Etxeberria Quintana Zorrilla",
    "it-IT": "Bevilacqua D'Angelo Ferrari Colombo",
    "nl-NL": "Hoogendijk Vermeulen Dijkstra Kuipers",
    "pl-PL": "Wiśniewski Dąbrowska Szymański Kaczmarek",
    "en-IN": "Venkataraman Chatterjee Deshpande Iyer",
    "pt-BR": "Gonçalves Figueiredo Albuquerque Nascimento",
    "en-CA": "Tremblay MacKenzie Fortin Sutherland",
    "sv-SE": "Sjöberg Åkerlund Lindqvist Nyström",
}
MAIL_HOSTS = ("gmx.net", "posteo.de", "orange.fr", "libero.it", "ziggo.nl", "wp.pl", "rediffmail.com", "uol.com.br")
COMPANY_HOSTS = ("brightwater-labs.com", "nordlicht-pumpen.de", "mail.hydroflex.co.uk", "kolarp.se", "acme-valves.io")
LETTERS = string.ascii_uppercase


def digits(random: Random, count: int) -> str:
    """Random digits, the first one not zero."""
    return str(random.randint(1, 9)) + "".join(random.choices("0123456789", k=count - 1))


def mixed(random: Random, count: int, letters: str = string.ascii_letters + string.digits) -> str:
    """Random characters."""
    return "".join(random.choices(letters, k=count))


def grouped(text: str, sizes: tuple[int, ...], mark: str = " ") -> str:
    """A string in groups."""
    parts, at = [], 0
    for size in sizes:
        parts.append(text[at : at + size])
        at += size
    return mark.join(parts)


def person(random: Random, locale: str) -> str:
    """First and last name."""
    return f"{random.choice(FIRST[locale].split())} {random.choice(LAST[locale].split())}"


def all_names() -> list[str]:
    """Every name that `person` can give: the gazetteer."""
    return [f"{first} {last}" for locale in LOCALES for first in FIRST[locale].split() for last in LAST[locale].split()]


def email(random: Random, locale: str) -> str:
    """An address of a person or of a desk."""
    plain = person(random, locale).lower().replace("'", "")
    ascii_only = plain.encode("ascii", "ignore").decode()
    first, _, last = ascii_only.partition(" ")
    forms = [
        f"{first}.{last}",
        f"{first[0]}{last}",
        f"{last}{random.randint(1, 99)}",
        f"{first}_{last}",
        f"{first}+shop",
    ]
    address = f"{random.choice(forms)}@{random.choice(MAIL_HOSTS + COMPANY_HOSTS)}"
    return address.upper() if random.random() < 0.05 else address


def phone(random: Random, locale: str, *, abroad: bool) -> str:
    """A number with country code, or as it is written at home."""

    def some(count: int) -> str:
        return "".join(random.choices("23456789", k=count))

    home, away = {
        "en-US": lambda: (
            lambda a, b, c: ([f"({a}) {b}-{c}", f"{a}-{b}-{c}", f"{a}.{b}.{c}"], [f"+1 {a} {b} {c}", f"+1-{a}-{b}-{c}"])
        )(random.choice(["212", "312", "415", "617", "713", "206"]), some(3), some(4)),
        "en-GB": lambda: random.choice(
            [
                (lambda a, b: ([f"020 {a} {b}", f"(020) {a} {b}"], [f"+44 20 {a} {b}", f"+44 (0)20 {a} {b}"]))(
                    "7" + some(3), some(4)
                ),
                (lambda a, b: ([f"077{a} {b}", f"077{a}{b}"], [f"+44 77{a} {b}", f"+4477{a}{b}"]))(
                    str(random.randint(10, 19)), some(6)
                ),
            ]
        ),
        "de-DE": lambda: random.choice(
            [
                (lambda a: ([f"030 {a}", f"030/{a}", f"(030) {a}"], [f"+49 30 {a}", f"+49 (0) 30 {a}"]))(some(7)),
                (lambda a: ([f"0171 {a}", f"0171-{a}"], [f"+49 171 {a}", f"+49171{a}", f"0049 171 {a}"]))(some(7)),
            ]
        ),
        "fr-FR": lambda: (
            lambda a, b: (
                [f"0{a} {b}", f"0{a}.{b.replace(' ', '.')}"],
                [f"+33 {a} {b}", f"+33{a}{b.replace(' ', '')}", f"0033 {a} {b}"],
            )
        )(random.choice("1246"), grouped("4" + some(7), (2, 2, 2, 2))),
        "es-ES": lambda: (lambda a: ([a, a.replace(" ", "")], [f"+34 {a}", f"+34{a.replace(' ', '')}"]))(
            grouped(random.choice(["91", "93", "61", "65"]) + some(7), random.choice([(3, 3, 3), (3, 2, 2, 2)]))
        ),
        "it-IT": lambda: random.choice(
            [
                (lambda a: ([f"02 {a}", f"02-{a}"], [f"+39 02 {a}"]))(some(8)),
                (lambda a: ([f"347 {a}", f"347{a}"], [f"+39 347 {a}", f"+39347{a}"]))(some(7)),
            ]
        ),
        "nl-NL": lambda: random.choice(
            [
                (lambda a, b: ([f"020 {a} {b}", f"020-{a}{b}"], [f"+31 20 {a} {b}", f"+31 (0)20 {a} {b}"]))(
                    some(3), some(4)
                ),
                (lambda a: ([f"06 {a}", f"06-{a}"], [f"+31 6 {a}", f"+316{a}"]))("2" + some(7)),
            ]
        ),
        "pl-PL": lambda: (lambda a: ([a, a.replace(" ", "-")], [f"+48 {a}", f"+48{a.replace(' ', '')}"]))(
            grouped("60" + random.choice("12345") + some(6), (3, 3, 3))
        ),
        "en-IN": lambda: (lambda a: ([a, f"0{a.replace(' ', '')}"], [f"+91 {a}", f"+91-{a.replace(' ', '')}"]))(
            grouped("98" + some(8), (5, 5))
        ),
        "pt-BR": lambda: (
            lambda a, b, c: ([f"({a}) {b}-{c}", f"{a} {b}-{c}"], [f"+55 {a} {b}-{c}", f"+55 ({a}) {b}-{c}"])
        )(random.choice(["11", "21", "31"]), "9" + some(4), some(4)),
        "en-CA": lambda: (lambda a, b, c: ([f"({a}) {b}-{c}", f"{a}-{b}-{c}"], [f"+1 {a}-{b}-{c}"]))(
            random.choice(["416", "514", "604"]), some(3), some(4)
        ),
        "sv-SE": lambda: (
            lambda a: ([f"070-{a}", f"070{a.replace(' ', '')}"], [f"+46 70 {a}", f"+4670{a.replace(' ', '')}"])
        )(grouped(some(7), (3, 2, 2))),
    }[locale]()
    return random.choice(away if abroad else home)


def account(random: Random, locale: str) -> str:
    """An IBAN of the locale's country (of Switzerland where there are none), in groups or in one piece."""
    number = {
        "en-GB": lambda: iban("GB", mixed(random, 4, LETTERS) + digits(random, 14)),
        "de-DE": lambda: iban("DE", digits(random, 18)),
        "fr-FR": lambda: iban(
            "FR", digits(random, 10) + mixed(random, 11, LETTERS + string.digits) + digits(random, 2)
        ),
        "es-ES": lambda: iban("ES", digits(random, 20)),
        "it-IT": lambda: iban("IT", random.choice(LETTERS) + digits(random, 22)),
        "nl-NL": lambda: iban("NL", random.choice(["ABNA", "INGB", "RABO"]) + digits(random, 10)),
        "pl-PL": lambda: iban("PL", digits(random, 24)),
        "pt-BR": lambda: iban("BR", digits(random, 23) + random.choice("CP") + "1"),
        "sv-SE": lambda: iban("SE", digits(random, 20)),
    }.get(locale, lambda: iban("CH", digits(random, 17)))()
    if random.random() < 0.6:
        return " ".join(number[at : at + 4] for at in range(0, len(number), 4))
    return number


def card(random: Random, locale: str) -> str:
    """A card number of one of five issuers."""
    head, length, sizes = random.choice(
        [
            ("4", 16, (4, 4, 4, 4)),
            (f"5{random.randint(1, 5)}", 16, (4, 4, 4, 4)),
            (f"2{random.randint(230, 720)}", 16, (4, 4, 4, 4)),
            (random.choice(["34", "37"]), 15, (4, 6, 5)),
            ("6011", 16, (4, 4, 4, 4)),
        ]
    )
    body = head + "".join(random.choices("0123456789", k=length - 1 - len(head)))
    number = body + luhn_digit(body)
    return random.choice([number, grouped(number, sizes), grouped(number, sizes, "-")])


def national_id(random: Random, locale: str) -> str:
    """The number by which the locale's state knows a person."""
    return {
        "en-US": us_id,
        "en-GB": uk_id,
        "de-DE": steuer_id,
        "fr-FR": nir,
        "es-ES": dni,
        "it-IT": codice_fiscale,
        "nl-NL": bsn,
        "pl-PL": pesel,
        "en-IN": aadhaar,
        "pt-BR": cpf,
        "en-CA": sin,
        "sv-SE": personnummer,
    }[locale](random)


def us_id(random: Random) -> str:
    """SSN or ITIN."""
    if random.random() < 0.25:
        return f"9{random.randint(0, 99):02d}-{random.randint(70, 88)}-{random.randint(1000, 9999)}"
    area = random.choice([random.randint(1, 665), random.randint(667, 899)])
    text = f"{area:03d}-{random.randint(1, 99):02d}-{random.randint(1, 9999):04d}"
    return random.choice([text, text, text.replace("-", " "), text.replace("-", "")])


def uk_id(random: Random) -> str:
    """National Insurance number, or NHS number."""
    if random.random() < 0.5:
        check = None
        while check is None:
            body = digits(random, 9)
            check = nhs_digit(body)
        return random.choice([grouped(body + check, (3, 3, 4)), body + check])
    text = random.choice(["AB", "CE", "JG", "PW", "SK", "YX"]) + digits(random, 6) + random.choice("ABCD")
    return random.choice([text, grouped(text, (2, 2, 2, 2, 1))])


def steuer_id(random: Random) -> str:
    """Ten digits of which one occurs twice and one is missing, and the check digit."""
    body = "0"
    while body[0] == "0":
        some = random.sample("0123456789", 9)
        some.append(random.choice(some))
        random.shuffle(some)
        body = "".join(some)
    text = body + steuer_digit(body)
    return random.choice([text, grouped(text, (2, 3, 3, 3))])


def nir(random: Random) -> str:
    """Sex, year, month, department (Corsica too), commune, order, key."""
    department = random.choice([f"{random.randint(1, 95):02d}", f"{random.randint(21, 95)}", "2A", "2B"])
    department = "75" if department == "20" else department
    body = f"{random.choice('12')}{random.randint(20, 99)}{random.randint(1, 12):02d}{department}{digits(random, 6)}"
    text = body + nir_key(body)
    return random.choice([text, grouped(text, (1, 2, 2, 2, 3, 3, 2)), grouped(text, (13, 2))])


def dni(random: Random) -> str:
    """DNI or NIE."""
    if random.random() < 0.35:
        first, rest = random.choice("XYZ"), f"{random.randint(0, 9_999_999):07d}"
        letter = dni_letter(int(f"{'XYZ'.index(first)}{rest}"))
        return random.choice([f"{first}{rest}{letter}", f"{first}-{rest}-{letter}"])
    number = f"{random.randint(1_000_000, 99_999_999):08d}"
    letter = dni_letter(int(number))
    return random.choice([number + letter, f"{number}-{letter}", f"{number[:2]}.{number[2:5]}.{number[5:]}-{letter}"])


def codice_fiscale(random: Random) -> str:
    """Name, year, month, day, town, check letter."""
    day = random.choice([random.randint(1, 31), random.randint(41, 71)])
    body = (
        mixed(random, 6, "BCDFGLMNPRSTVZ")
        + f"{random.randint(0, 99):02d}{random.choice('ABCDEHLMPRST')}{day:02d}"
        + f"{random.choice('ABCDEFGHIL')}{random.randint(1, 999):03d}"
    )
    return body + fiscale_letter(body)


def bsn(random: Random) -> str:
    """Nine digits with the eleven test."""
    check = None
    while check is None:
        body = digits(random, 8)
        check = bsn_digit(body)
    return random.choice([body + check, body + check, grouped(body + check, (4, 2, 3), ".")])


def pesel(random: Random) -> str:
    """Day of birth (months from 21 for this century), serial, check."""
    year = random.randint(1940, 2008)
    month = random.randint(1, 12) + (20 if year >= 2000 else 0)
    body = f"{year % 100:02d}{month:02d}{random.randint(1, 28):02d}{''.join(random.choices('0123456789', k=4))}"
    return body + pesel_digit(body)


def aadhaar(random: Random) -> str:
    """Twelve digits, in fours as on the card or in one piece."""
    body = random.choice("23456789") + "".join(random.choices("0123456789", k=10))
    text = body + verhoeff_digit(body)
    return random.choice([grouped(text, (4, 4, 4)), grouped(text, (4, 4, 4)), text])


def cpf(random: Random) -> str:
    """Eleven digits, mostly with dots."""
    body = digits(random, 9)
    text = body + cpf_digits(body)
    return random.choice([f"{text[:3]}.{text[3:6]}.{text[6:9]}-{text[9:]}"] * 2 + [text])


def sin(random: Random) -> str:
    """Nine digits in threes."""
    body = random.choice("1234567") + "".join(random.choices("0123456789", k=7))
    text = body + luhn_digit(body)
    return random.choice([grouped(text, (3, 3, 3)), grouped(text, (3, 3, 3), "-"), text])


def personnummer(random: Random) -> str:
    """Day of birth, serial, check."""
    year = random.randint(1930, 2009)
    body = f"{year % 100:02d}{random.randint(1, 12):02d}{random.randint(1, 28):02d}{random.randint(1, 999):03d}"
    text = body + luhn_digit(body)
    return random.choice([f"{text[:6]}-{text[6:]}", f"{year // 100}{text[:6]}-{text[6:]}", f"{year // 100}{text}"])


def passport(random: Random, locale: str) -> str:
    """The locale's form of a passport number."""
    return {
        "en-US": lambda: random.choice([digits(random, 9), "A" + digits(random, 8)]),
        "en-GB": lambda: digits(random, 9),
        "de-DE": lambda: (
            "C" + mixed(random, 2, "CFGHJKLMNPRTVWXYZ0123456789") + digits(random, 5) + random.choice("FGT47")
        ),
        "fr-FR": lambda: f"{digits(random, 2)}{mixed(random, 2, LETTERS)}{digits(random, 5)}",
        "es-ES": lambda: mixed(random, 3, LETTERS) + digits(random, 6),
        "it-IT": lambda: "YA" + digits(random, 7),
        "nl-NL": lambda: mixed(random, 2, "NSPBX") + mixed(random, 2, "BCDFGHJKLMNPRSTVWXZ") + digits(random, 5),
        "pl-PL": lambda: random.choice(["{} {}", "{}{}"]).format(mixed(random, 2, LETTERS), digits(random, 7)),
        "en-IN": lambda: random.choice("JKLMNPRSTUVWZ") + digits(random, 7),
        "pt-BR": lambda: mixed(random, 2, "FGCY") + digits(random, 6),
        "en-CA": lambda: mixed(random, 2, "GHKBP") + digits(random, 6),
        "sv-SE": lambda: mixed(random, 2, "AEKR") + digits(random, 7),
    }[locale]()


def licence(random: Random, locale: str) -> str:
    """The locale's form of a driving licence number."""

    def numbers(count: int) -> str:
        return digits(random, count)

    def letters(count: int) -> str:
        return mixed(random, count, LETTERS)

    return {
        "en-US": lambda: random.choice(
            ["ABDFY"[numbers(1) > "5"] + numbers(7), grouped("D" + numbers(11), (4, 4, 4), "-")]
        ),
        "en-GB": lambda: f"{random.choice(['MORGA', 'SMITH'])}{numbers(6)}{letters(2)}{numbers(1)}{letters(2)}",
        "de-DE": lambda: f"B{numbers(3)}{mixed(random, 3, 'REXYZ')}{numbers(4)}",
        "fr-FR": lambda: numbers(12),
        "es-ES": lambda: f"{numbers(8)}-{numbers(2)}",
        "it-IT": lambda: f"U1{letters(1)}{numbers(5)}{letters(2)}",
        "nl-NL": lambda: numbers(10),
        "pl-PL": lambda: f"{numbers(5)}/{random.randint(5, 24):02d}/{numbers(4)}",
        "en-IN": lambda: (
            f"{random.choice(['MH', 'DL'])}{random.choice('- ')}{numbers(2)}20{random.choice('12')}{numbers(8)}"
        ),
        "pt-BR": lambda: numbers(11),
        "en-CA": lambda: grouped(letters(1) + numbers(14), (5, 5, 5), "-"),
        "sv-SE": lambda: grouped(numbers(10), (6, 4), " "),
    }[locale]()


MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "nl": "januari februari maart april mei juni juli augustus september oktober november december",
    "pl": "stycznia lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia",
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "sv": "januari februari mars april maj juni juli augusti september oktober november december",
}


def day(random: Random, locale: str) -> str:
    """A date as the locale writes it."""
    year, month, number = random.randint(1935, 2008), random.randint(1, 12), random.randint(1, 28)
    language = locale[:2]
    name = MONTHS[language].split()[month - 1]
    long = {
        "en": [f"{number} {name} {year}", f"{name} {number}, {year}"],
        "de": [f"{number}. {name} {year}"],
        "es": [f"{number} de {name} de {year}"],
        "pt": [f"{number} de {name} de {year}"],
    }.get(language, [f"{number} {name} {year}"])
    short = {
        "en-US": f"{month:02d}/{number:02d}/{year}",
        "de-DE": f"{number:02d}.{month:02d}.{year}",
        "pl-PL": f"{number:02d}.{month:02d}.{year}",
        "nl-NL": f"{number:02d}-{month:02d}-{year}",
        "sv-SE": f"{year}-{month:02d}-{number:02d}",
    }.get(locale, f"{number:02d}/{month:02d}/{year}")
    return random.choice([*long, short, short, f"{year}-{month:02d}-{number:02d}"])


def ipv4(random: Random, locale: str) -> str:
    """A public or private address."""
    first = random.choice([10, 172, 192, random.randint(11, 99), random.randint(128, 191), random.randint(193, 223)])
    second = {172: random.randint(16, 31), 192: 168}.get(first, random.randint(0, 255))
    return f"{first}.{second}.{random.randint(0, 255)}.{random.randint(1, 254)}"


def ipv6(random: Random, locale: str) -> str:
    """An address in full or shortened."""
    groups = [f"{random.randint(1, 0xFFFF):x}" for _ in range(6)]
    head = random.choice(["2a02:8109", "2001:41d0", "fd3c:9f21", "fe80:0"])
    return random.choice(
        [":".join([head, *groups]), f"{head}::{':'.join(groups[:3])}", f"{head}:{groups[0]}::{groups[1]}"]
    ).replace("fe80:0::", "fe80::")


def mac(random: Random, locale: str) -> str:
    """A hardware address in one of four forms."""
    pairs = [f"{random.randint(0, 255):02x}" for _ in range(6)]
    pairs[0], pairs[3] = "3c", "0f"
    text = random.choice([":".join(pairs), "-".join(pairs), ":".join(pairs).upper()])
    return random.choice([text, text, text, grouped("".join(pairs), (4, 4, 4), ".")])


def position(random: Random, locale: str) -> str:
    """A place in decimal degrees or in degrees, minutes and seconds."""
    north, east = random.uniform(30, 65), random.uniform(2, 120)
    minutes = f"{int(north)}°{random.randint(0, 59):02d}'{random.uniform(0, 59):04.1f}\"N"
    return random.choice(
        [
            f"{north:.5f}, {east:.5f}",
            f"{north:.6f},-{east:.6f}",
            f"{north:.4f}° N, {east:.4f}° E",
            f"{minutes} {int(east)}°{random.randint(0, 59):02d}'{random.uniform(0, 59):04.1f}\"E",
        ]
    )


def cloud_key(random: Random, locale: str) -> str:
    """An access key of a cloud."""
    return random.choice(
        [
            "AKIA" + mixed(random, 16, LETTERS + "234567"),
            "AIza" + mixed(random, 35, string.ascii_letters + string.digits + "_-"),
        ]
    )


def service_key(random: Random, locale: str) -> str:
    """A key of a service with a documented prefix."""
    return random.choice(
        [
            f"ghp_{mixed(random, 36)}",
            f"xoxb-{digits(random, 12)}-{digits(random, 12)}-{mixed(random, 24)}",
            f"sk_live_{mixed(random, 24)}",
            f"glpat-{mixed(random, 20)}",
            f"SG.{mixed(random, 22)}.{mixed(random, 43)}",
            f"npm_{mixed(random, 36)}",
            f"hf_{mixed(random, 34)}",
        ]
    )


def web_token(random: Random, locale: str) -> str:
    """A signed JSON web token."""
    parts: list[dict[str, object]] = [
        {"alg": random.choice(["HS256", "RS256"]), "typ": "JWT"},
        {"sub": digits(random, 8), "exp": 1_900_000_000 + random.randint(0, 9999)},
    ]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, mixed(random, 43, string.ascii_letters + string.digits + "_-")])


def private_key(random: Random, locale: str) -> str:
    """A key block, shortened as keys of elliptic curves are."""
    kind = random.choice(["RSA PRIVATE KEY", "PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY"])
    lines = "\n".join(
        mixed(random, 64, string.ascii_letters + string.digits + "+/") for _ in range(random.randint(2, 5))
    )
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----"


def password(random: Random, locale: str) -> str:
    """What people choose, and what machines draw."""
    return random.choice(
        [
            random.choice(["Sommer", "Winter", "Bayern", "Dragon", "Liverpool"]) + f"{random.randint(2015, 2026)}!",
            mixed(random, random.randint(10, 20), string.ascii_letters + string.digits + "!%&+_-"),
            f"hunter{random.randint(2, 99)}",
            "-".join(random.sample(["correct", "horse", "battery", "staple", "otter", "maple"], 4)),
        ]
    )


def secret(random: Random, locale: str) -> str:
    """A value drawn at random, without a known prefix."""
    return random.choice([mixed(random, 32, "0123456789abcdef"), mixed(random, 40), mixed(random, 43) + "="])


def link_secret(random: Random, locale: str) -> str:
    """What stands in a link."""
    return mixed(random, random.choice([16, 24, 32]))
