"""D5's 2,000 sentences: private values in everyday sentences of twelve locales, and values that only look private."""

import hashlib
import string
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from bench.data import _private_values as values

PLANTED_SHARE, NEUTRAL_SHARE, TYPESET_SHARE = 0.7, 0.3, 0.1
Value = Callable[[Random, str], str]


@dataclass(frozen=True, slots=True)
class Truth:
    """Characters [start, end) of a sentence, and what stands there."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence and everything private in it."""

    text: str
    locale: str
    truths: tuple[Truth, ...]
    trap: str = ""
    """What it only seems to hold, for sentences without anything private."""


KINDS: dict[str, Value] = {
    "email": values.email,
    "phone": lambda random, locale: values.phone(random, locale, abroad=False),
    "phone abroad": lambda random, locale: values.phone(random, locale, abroad=True),
    "iban": values.account,
    "card": values.card,
    "national_id": values.national_id,
    "passport": values.passport,
    "licence": values.licence,
    "birth_date": values.day,
    "ipv4": values.ipv4,
    "ipv6": values.ipv6,
    "mac": values.mac,
    "gps": values.position,
    "url_token": values.link_secret,
    "cloud_key": values.cloud_key,
    "service_key": values.service_key,
    "access_token": values.web_token,
    "private_key": values.private_key,
    "password": values.password,
    "secret": values.secret,
    "name": values.person,
}
TYPESET_HYPHENS = frozenset({"phone", "phone abroad", "card", "national_id", "birth_date"})
"""Kinds in which a word processor puts hyphens that do not break."""
STRUCTURED = frozenset(KINDS) - {"passport", "licence", "birth_date", "password", "secret", "name", "phone abroad"}
"""Kinds that a form or a check digit proves; the others need a word nearby or a list."""

FRAMES = {
    "en": [
        "Please update {label} to {value} before Friday.",
        "{label}: {value}",
        "The customer gave us {value} as {label}.",
        "We could not verify the {label} {value} you sent.",
        "{name} wrote that {label} is {value}, and asked for a call back.",
        "Form 12, line 3 - {label} {value}; status open",
    ],
    "de": [
        "{label}: {value}",
        "Bitte ändern Sie {label} auf {value}.",
        "Laut Akte lautet {label} {value}, geprüft von {name}.",
        "Wir haben {value} als {label} notiert.",
        "Unter {label} {value} ist alles hinterlegt.",
    ],
    "fr": [
        "{label} : {value}",
        "Merci de corriger {label} : {value}.",
        "{name} a indiqué {value} comme {label}.",
        "Dans le dossier figure {label} {value}, à vérifier.",
    ],
    "es": [
        "{label}: {value}",
        "Le confirmo {label} {value} para el contrato.",
        "{name} ha dado {value} como {label}.",
        "Consta {label} {value} en el expediente 12.",
    ],
    "it": [
        "{label}: {value}",
        "Confermo {label} {value} per la pratica.",
        "{name} ha indicato {value} come {label}.",
        "Risulta {label} {value}, da verificare.",
    ],
    "nl": [
        "{label}: {value}",
        "Graag {label} wijzigen in {value}.",
        "{name} gaf {value} op als {label}.",
        "In het dossier staat {label} {value}, klopt dat?",
    ],
    "pl": [
        "{label}: {value}",
        "Proszę zmienić {label} na {value}.",
        "{name} podała {value} jako {label}.",
        "W aktach widnieje {label} {value}, do sprawdzenia.",
    ],
    "pt": [
        "{label}: {value}",
        "Favor atualizar {label} para {value}.",
        "{name} informou {value} como {label}.",
        "Consta {label} {value} no cadastro.",
    ],
    "sv": [
        "{label}: {value}",
        "Vänligen ändra {label} till {value}.",
        "{name} uppgav {value} som {label}.",
        "I ärendet står {label} {value}, stämmer det?",
    ],
}
ANYWHERE = [
    "{label}:{value}",
    "{label}={value}",
    "| {label} | {value} | x |",
    '{{"{label}": "{value}", "ok": true}}',
    "{label}\n{value}\n",
    "{label}\t{value}",
    "- **{label}**: `{value}`",
    "<td>{label}</td><td>{value}</td>",
    "12;{name};{label};{value};n/a",
]
"""Frames without a language: tables, markup and records."""
LABELS = {
    "en": {
        "email": "e-mail|mail address|contact",
        "phone": "phone|mobile|telephone number|cell|tel.",
        "iban": "IBAN|bank account|account for the refund",
        "card": "card number|Visa card|credit card|payment card",
        "passport": "passport number|passport no.|passport",
        "licence": "driver's license number|driving licence|driving licence no.|driver's license",
        "birth_date": "date of birth|DOB|birthday",
        "ipv4": "IP address|server|login from",
        "mac": "MAC address|network card|device",
        "gps": "GPS position|coordinates|location",
    },
    "de": {
        "email": "E-Mail|Mailadresse|Kontakt",
        "phone": "Telefon|Tel.|Handynummer|Rufnummer|Mobil",
        "iban": "IBAN|Bankverbindung|Konto",
        "card": "Kreditkarte|Kartennummer|Visa-Karte",
        "passport": "Reisepass Nr.|Reisepassnummer|Passnummer",
        "licence": "Führerschein|Führerscheinnummer|Führerschein-Nr.",
        "birth_date": "Geburtsdatum|geboren am|Geburtstag",
        "ipv4": "IP-Adresse|Server|Rechner",
        "mac": "MAC-Adresse|Netzwerkkarte",
        "gps": "GPS|Koordinaten|Standort",
    },
    "fr": {
        "email": "e-mail|adresse électronique|courriel",
        "phone": "téléphone|tél.|portable|numéro de téléphone",
        "iban": "IBAN|compte bancaire|RIB",
        "card": "carte bancaire|numéro de carte|carte Visa",
        "passport": "passeport n°|numéro de passeport|passeport",
        "licence": "permis de conduire|numéro de permis de conduire",
        "birth_date": "date de naissance|né le|née le",
        "ipv4": "adresse IP|serveur",
        "mac": "adresse MAC|carte réseau",
        "gps": "position GPS|coordonnées",
    },
    "es": {
        "email": "correo electrónico|correo|e-mail",
        "phone": "teléfono|móvil|número de teléfono|tel.",
        "iban": "IBAN|cuenta bancaria|cuenta",
        "card": "tarjeta de crédito|número de tarjeta|tarjeta",
        "passport": "pasaporte|número de pasaporte|pasaporte nº",
        "licence": "permiso de conducir|carnet de conducir",
        "birth_date": "fecha de nacimiento|nacido el|nacida el",
        "ipv4": "dirección IP|servidor",
        "mac": "dirección MAC|tarjeta de red",
        "gps": "coordenadas GPS|ubicación",
    },
    "it": {
        "email": "e-mail|posta elettronica|indirizzo e-mail",
        "phone": "telefono|cellulare|tel.|numero di telefono",
        "iban": "IBAN|conto corrente|coordinate bancarie",
        "card": "carta di credito|numero della carta|carta",
        "passport": "passaporto|numero di passaporto|passaporto n.",
        "licence": "patente di guida|patente n.|numero di patente",
        "birth_date": "data di nascita|nato il|nata il",
        "ipv4": "indirizzo IP|server",
        "mac": "indirizzo MAC|scheda di rete",
        "gps": "coordinate GPS|posizione",
    },
    "nl": {
        "email": "e-mail|mailadres",
        "phone": "telefoon|telefoonnummer|mobiel|tel.",
        "iban": "IBAN|rekeningnummer|bankrekening",
        "card": "creditcard|kaartnummer|creditcardnummer",
        "passport": "paspoort|paspoortnummer",
        "licence": "rijbewijs|rijbewijsnummer",
        "birth_date": "geboortedatum|geboren op",
        "ipv4": "IP-adres|server",
        "mac": "MAC-adres|netwerkkaart",
        "gps": "GPS-locatie|coördinaten",
    },
    "pl": {
        "email": "e-mail|adres e-mail",
        "phone": "telefon|nr telefonu|numer telefonu|tel. kom.",
        "iban": "IBAN|konto bankowe|numer konta",
        "card": "karta kredytowa|numer karty|karta Visa",
        "passport": "paszport|numer paszportu|nr paszportu",
        "licence": "prawo jazdy|numer prawa jazdy",
        "birth_date": "data urodzenia|urodzony|urodzona",
        "ipv4": "adres IP|serwer",
        "mac": "adres MAC|karta sieciowa",
        "gps": "współrzędne GPS|współrzędne",
    },
    "pt": {
        "email": "e-mail|endereço de e-mail",
        "phone": "telefone|celular|tel.|número de telefone",
        "iban": "IBAN|conta bancária|conta",
        "card": "cartão de crédito|número do cartão|cartão",
        "passport": "passaporte|número do passaporte",
        "licence": "CNH|carteira de motorista (CNH)|habilitação (CNH)",
        "birth_date": "data de nascimento|nascido em|nascida em",
        "ipv4": "endereço IP|servidor",
        "mac": "endereço MAC|placa de rede",
        "gps": "coordenadas GPS|localização GPS",
    },
    "sv": {
        "email": "e-post|e-postadress",
        "phone": "telefon|mobil|mobilnummer|tel.",
        "iban": "IBAN|bankkonto|konto",
        "card": "kortnummer|kreditkort|Visa-kort",
        "passport": "passnummer|pass (passport) nr",
        "licence": "körkort|körkortsnummer",
        "birth_date": "födelsedatum|född|född den",
        "ipv4": "IP-adress|server",
        "mac": "MAC-adress|nätverkskort",
        "gps": "GPS-position|koordinater",
    },
}
ID_LABELS = {
    "en-US": "SSN|social security number|taxpayer ID (SSN)|ITIN or SSN",
    "en-GB": "NHS number or NI number|NI number / NHS number",
    "de-DE": "Steuer-ID|Steueridentifikationsnummer|IdNr.|steuerliche IdNr.",
    "fr-FR": "numéro de sécurité sociale|n° de sécurité sociale|NIR|n° sécu",
    "es-ES": "DNI|NIF|DNI/NIE|documento de identidad",
    "it-IT": "codice fiscale|C.F.|cod. fiscale",
    "nl-NL": "BSN|burgerservicenummer|BSN-nummer",
    "pl-PL": "PESEL|numer PESEL|nr PESEL",
    "en-IN": "Aadhaar|Aadhaar number|Aadhaar no.",
    "pt-BR": "CPF|número do CPF|CPF nº",
    "en-CA": "SIN|social insurance number|SIN no.",
    "sv-SE": "personnummer|personnr|ditt personnummer",
}
BARE = {
    "email": ["{value} has bounced twice.", "cc {value}, {name}", "<{value}>", "Mail it to {value}; thanks, {name}"],
    "phone abroad": ["You can reach {name} at {value}.", "{name}, {value}", "{value} rang out three times."],
    "iban": ["Transfer 125.50 EUR to {value} today.", "{value}, {name}", "SEPA {value} ok"],
    "card": ["{value} exp 09/27 was declined.", "Charge {value}, please.", "paid with {value} (3x)"],
    "ipv4": [
        '{value} - - [12/Mar/2024:10:15:32 +0000] "GET /a HTTP/1.1" 200 532',
        "ssh root@{value}",
        "http://{value}:8080/",
    ],
    "ipv6": ["inet6 {value}/64 scope global", "Blocked {value} after 5 attempts.", "AAAA {value}"],
    "mac": ["link/ether {value} brd ff:ff:ff:ff:ff:ff", "DHCPACK to {value} via eth0", "ap {value} joined"],
    "gps": ["GPS: {value}", "lat/lon {value}", "The van stopped (position {value}) at noon."],
    "url_token": [
        "https://api.brightwater-labs.com/v2/orders?access_token={value}",
        "curl 'https://files.kolarp.se/get?id=77&api_key={value}'",
        "Reset: https://acme-valves.io/reset?token={value}&lang=de",
        "see https://store.acme-valves.io/a.pdf?X-Sig=1&sig={value}",
    ],
    "cloud_key": ["export AWS_ACCESS_KEY_ID={value}", "I pasted {value} by mistake", "key {value} was rotated"],
    "service_key": ["Authorization: Bearer {value}", "He used {value} in the script.", "TOKEN={value}", "({value})"],
    "access_token": ["Authorization: Bearer {value}", "session={value}; Path=/", "jwt {value}"],
    "private_key": ["deploy key:\n{value}\n", "{value}", "cat id_rsa\n{value}\n$"],
    "password": [
        "DB_PASSWORD={value}",
        'password: "{value}"',
        "spring.datasource.password={value}",
        "<add key='smtp' password='{value}' />",
        "mysql --user=root --password='{value}' main",
    ],
    "secret": ['client_secret: "{value}"', "SECRET_KEY = '{value}'", '"api_key": "{value}",', "AUTH_TOKEN={value}"],
    "name": ["{value} called about the pump.", "Signed: {value}", "Dear {value}, thank you.", "({value})"],
}


def make_sentences(seed: int, *, count: int) -> list[Sentence]:
    """The same sentences for the same seed: kinds, traps and locales in turn, national ids four times."""
    random = Random(seed)
    wanted = int(count * PLANTED_SHARE)
    kinds = [*KINDS, *["national_id"] * 3]
    planted = (kinds * (wanted // len(kinds) + 1))[:wanted]
    traps = [name for name in TRAPS for _ in range(count // len(TRAPS) + 1)]
    # The shift by one for each turn of the kinds lets every kind meet every locale.
    sentences = [
        _planted(random, kind, values.LOCALES[(at + at // len(kinds)) % 12]) for at, kind in enumerate(planted)
    ]
    step = len(traps) / (count - len(planted))
    sentences += [_trap(random, traps[int(at * step)], values.LOCALES[at % 12]) for at in range(count - len(planted))]
    random.shuffle(sentences)
    return sentences


def _planted(random: Random, kind: str, locale: str) -> Sentence:
    frame, label = _frame(random, kind, locale)
    value = KINDS[kind](random, locale)
    if kind not in {"private_key", "password"} and random.random() < TYPESET_SHARE:
        value = value.replace(" ", "\u00a0").replace("-", "\u2011" if kind in TYPESET_HYPHENS else "-")
    fillers = {"value": (kind, value), "name": ("name", values.person(random, locale))}
    return _filled(frame, label, fillers, locale)


def _frame(random: Random, kind: str, locale: str) -> tuple[str, str]:
    language = locale[:2]
    frames = ANYWHERE if random.random() < NEUTRAL_SHARE else FRAMES[language]
    if kind == "national_id":
        return random.choice(frames), random.choice(ID_LABELS[locale].split("|"))
    labels = LABELS[language].get(kind)
    if labels is None or (kind in BARE and random.random() < 0.5):
        return random.choice(BARE[kind]), ""
    label = random.choice(labels.split("|"))
    return random.choice(frames), label.upper() if random.random() < 0.1 else label


def _filled(frame: str, label: str, fillers: dict[str, tuple[str, str]], locale: str) -> Sentence:
    text, truths = "", []
    for literal, name, _, _ in string.Formatter().parse(frame):
        text += literal
        if name == "label":
            text += label
        elif name is not None:
            kind, value = fillers[name]
            truths.append(Truth(kind.removesuffix(" abroad"), len(text), len(text) + len(value)))
            text += value
    return Sentence(text, locale, tuple(truths))


def _broken(text: str, random: Random) -> str:
    """The same number with one digit of its second half changed: no check digit lets that pass."""
    places = [place for place, letter in enumerate(text) if letter.isdigit() and place > len(text) // 2]
    place = random.choice(places)
    return text[:place] + str((int(text[place]) + random.randint(1, 8)) % 10) + text[place + 1 :]


def _broken_id(random: Random, locale: str) -> str:
    # SSN, ITIN and National Insurance numbers have no check digit to break.
    locale = random.choice([other for other in values.LOCALES if other not in {"en-US", "en-GB"}])
    value = values.national_id(random, locale)
    if locale == "es-ES":
        value = value[:-1] + chr((ord(value[-1]) - 65 + 1) % 26 + 65)
    elif locale == "it-IT":
        value = value[:-1] + chr((ord(value[-1]) - 65 + 3) % 26 + 65)
    else:
        value = _broken(value, random)
    return f"The {random.choice(ID_LABELS[locale].split('|'))} {value} on the form is mistyped."


def _part(random: Random, locale: str) -> str:
    digits, mixed = values.digits, values.mixed
    number = random.choice(
        [
            f"{digits(random, 3)}-{digits(random, 2)}-{digits(random, 4)}",
            f"{digits(random, 4)}-{digits(random, 4)}-{digits(random, 2)}",
            f"{mixed(random, 2, values.LETTERS)}{digits(random, 6)}{random.choice('ABCD')}",
            f"{digits(random, 8)}{random.choice('ILMNOPQ')}",
            f"{mixed(random, 3, values.LETTERS)}-{digits(random, 7)}",
            digits(random, random.choice([8, 9, 10, 11, 12])),
            f"{digits(random, 3)}.{digits(random, 3)}.{digits(random, 4)}",
        ]
    )
    frame = random.choice(
        [
            "Order part number {} for the pump.",
            "Replace seal P/N {} every 2,000 hours.",
            "Ersatzteil {} ist ab Lager lieferbar.",
            "Réf. {} : joint torique, 12 mm.",
            "SKU {} is out of stock.",
            "Serial no. {} was recalled.",
            "artikelnummer {} wordt niet meer gemaakt",
            "Model {} replaces the older type.",
        ]
    )
    return frame.format(number)


def _version(random: Random, locale: str) -> str:
    number = ".".join(str(random.randint(0, 200)) for _ in range(4))
    frame = random.choice(
        [
            "Upgrade to version {} before the weekend.",
            "firmware rev {} fixes the leak",
            "driver v{} (2024-03-12) is signed",
            "Release {}: 14 bugs closed",
            "Die Version {} behebt den Fehler.",
            "build {} passed on 12 of 14 machines",
            "libssl {}-rc1 was tagged",
        ]
    )
    return frame.format(number)


def _hash(random: Random, locale: str) -> str:
    seed = str(random.random()).encode()
    value = random.choice(
        [
            hashlib.sha1(seed).hexdigest(),
            hashlib.sha256(seed).hexdigest(),
            hashlib.md5(seed).hexdigest(),
            str(uuid.UUID(int=random.getrandbits(128), version=4)),
            f"sha512-{values.mixed(random, 86)}==",
            ":".join(f"{random.randint(0, 255):02X}" for _ in range(20)),
            hashlib.sha1(seed).hexdigest()[:10],
        ]
    )
    frame = random.choice(
        [
            "commit {}",
            "sha256sum: {}",
            "The checksum {} did not match.",
            "trace id {} timed out",
            'ETag: "{}"',
            "{}  main.iso",
        ]
    )
    return frame.format(value)


def _everyday(random: Random, locale: str) -> str:
    some = random.randint

    def thousands() -> str:
        return f"{some(10_000_000, 99_999_999):,}"

    def section() -> str:
        return ".".join(str(some(1, 40)) for _ in range(4))

    return random.choice(
        [
            f"Bill {some(1000, 9999)} of {some(10, 28)}.0{some(1, 9)}.2023 over EUR {some(1, 9)}.{some(100, 999)},50",
            f"The meeting on {values.day(random, locale)} starts at {some(10, 20)}:{some(10, 59)}:{some(10, 59)}.",
            f"ISBN 978-{some(0, 9)}-{some(10, 99)}-{some(100000, 999999)}-{some(0, 9)}",
            f"Between 2006-2022 output rose from {thousands()} to {thousands()} units.",
            f"timestamp {some(1_600_000_000_000, 1_799_999_999_999)} in the log, id {some(10**15, 10**16)}",
            f"x = {random.random():.12f}, y = {random.random() * 100:.9f}, n = {some(10**7, 10**8)}",
            f"Section {section()} covers valves; see {section()} too.",
            "row " + " ".join(str(some(10, 99999)) for _ in range(9)),
            f"Pressure {some(100, 999)}-{some(1000, 9999)} kPa, {some(10, 99)} Nm, {some(1000000, 9999999)} cycles",
            f"OID 1.3.6.1.4.1.{some(1000, 9999)}.{some(1, 20)}.{some(1, 9)} is deprecated.",
            f"Bounding box {random.random() * 100:.4f},{random.random() * 100:.4f} on the canvas",
            f"The tolerance table lists {some(100, 999)} {some(100, 999)} {some(1000, 9999)} microns.",
        ]
    )


def _code(random: Random, locale: str) -> str:
    return random.choice(
        [
            "password = getpass.getpass('Password: ')",
            "DB_PASSWORD=${DB_PASSWORD}",
            "password: <your password here>",
            'api_key = os.environ["API_KEY"]',
            "secret_key: {{ vault.secret_key }}",
            "git clone git@github.com:acme/valves.git",
            "std::copy(v.begin(), v.end(), std::back_inserter(w));",
            "if (token == NULL) return parse_token(&buffer, max_token_length);",
            "systemctl restart getty@tty1.service",
            "mask 255.255.255.0, loopback 127.0.0.1, any 0.0.0.0, ::1",
            "ip route add 10.0.0.0/8 dev eth0",
            "const key = primaryKeyColumn || defaultKeyColumnName2;",
            "def check(password: str, token: Optional[str] = None) -> bool:",
            "@pytest.fixture(scope='module')",
            "from a.b@c import d",
            "passwd: x",
            "-----BEGIN CERTIFICATE-----",
            "https://docs.acme-valves.io/v2/search?q=token&page=3&key=name",
        ]
    )


TRAPS: dict[str, Callable[[Random, str], str]] = {
    "part": _part,
    "version": _version,
    "hash": _hash,
    "everyday number": _everyday,
    "code": _code,
    "broken iban": lambda random, locale: f"IBAN {_broken(values.account(random, 'de-DE'), random)} was rejected.",
    "broken iban of letters": lambda random, locale: (
        f"The account {_broken(values.account(random, 'en-GB'), random)} does not exist."
    ),
    "broken card": lambda random, locale: f"Card {_broken(values.card(random, locale), random)} is not valid.",
    "broken id": _broken_id,
}


def _trap(random: Random, trap: str, locale: str) -> Sentence:
    return Sentence(TRAPS[trap](random, locale), locale, (), trap=trap)
