"""Masking: what is found, what is left alone, and that pseudonyms are typed, consistent and final."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prepare_corpora import chat, origin

from luthier.errors import NotFoundError, UserError
from luthier.prepare.private.config import ActionsConfig, PrivateConfig
from luthier.prepare.private.examples import mask_examples, texts_of
from luthier.prepare.private.mask import Rules, make_rules, mask_text, mask_texts
from luthier.prepare.private.pseudonym import PseudonymKey, make_key, read_key
from luthier.records import Chat, Entity, Message, Preference, Tags, ToolCall

KEY = PseudonymKey(b"0123456789abcdef0123456789abcdef")
RULES = make_rules(PrivateConfig(), key=KEY)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PEM = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7bq0\n" * 4 + "-----END RSA PRIVATE KEY-----"
PRIVATE = [
    ("email", "Write to <jane.doe+x@mail.example.org>, please", "jane.doe+x@mail.example.org"),
    ("email", "Schreib an jürgen@müller.de.", "jürgen@müller.de"),
    ("phone", "Call (415) 555-2671 today", "(415) 555-2671"),
    ("phone", "Fax: +49 (0)30 901820", "+49 (0)30 901820"),
    ("phone", "Tél. 01 42 68 53 00", "01 42 68 53 00"),
    ("iban", "IBAN DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 00"),
    ("iban", "pay gb29NWBK60161331926819 now", "gb29NWBK60161331926819"),
    ("card", "Visa 4111-1111-1111-1111", "4111-1111-1111-1111"),
    ("card", "amex 3782 822463 10005", "3782 822463 10005"),
    ("card", "thing 0 1 4111 1111 1111 1111 12 27", "4111 1111 1111 1111"),
    ("phone", "thing 0 2 (415) 555-2671 7", "(415) 555-2671"),
    ("phone", "Tel. 12 030 901820", "030 901820"),
    ("national_id", "his SSN is 536-22-1234", "536-22-1234"),
    ("national_id", "NI number AB 12 34 56 C", "AB 12 34 56 C"),
    ("national_id", "NHS number 943 476 5919", "943 476 5919"),
    ("national_id", "Steuer-ID: 86095742719", "86095742719"),
    ("national_id", "n° sécu 2 55 08 14 168 025 38", "2 55 08 14 168 025 38"),
    ("national_id", "NIF 12345678Z", "12345678Z"),
    ("national_id", "NIE: X1234567L", "X1234567L"),
    ("national_id", "CF RSSMRA85T10A562S", "RSSMRA85T10A562S"),
    ("national_id", "BSN 111222333", "111222333"),
    ("national_id", "PESEL 44051401359", "44051401359"),
    ("national_id", "CPF 529.982.247-25", "529.982.247-25"),
    ("national_id", "her SIN is 130 692 544", "130 692 544"),
    ("national_id", "personnummer 811228-9874", "811228-9874"),
    ("passport", "Passport no. C01X00T47", "C01X00T47"),
    ("licence", "driving licence MORGA657054SM9IJ", "MORGA657054SM9IJ"),
    ("ip", "login from 84.23.117.9 failed", "84.23.117.9"),
    ("ip", "host 10.2.3.4 is up", "10.2.3.4"),
    ("ip", "peer 2a02:8109:9c40:1d20::7b21 left", "2a02:8109:9c40:1d20::7b21"),
    ("mac", "eth0 00:1B:44:11:3A:B7 up", "00:1B:44:11:3A:B7"),
    ("gps", "at 48°51'29.9\"N 2°17'40.2\"E", "48°51'29.9\"N 2°17'40.2\"E"),
    ("gps", "GPS: 48.85837, 2.29448", "48.85837, 2.29448"),
    ("birth_date", "born on 12 March 1985 in Ulm", "12 March 1985"),
    ("birth_date", "Geburtsdatum: 03.11.1979", "03.11.1979"),
    ("url_token", "get https://x.io/a?access_token=ab12cd34ef56gh", "ab12cd34ef56gh"),
    ("url_token", "postgres://app:s3cr3tpw@db.x.io/main", "app:s3cr3tpw"),
    ("api_key", "use AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
    ("access_token", f"Bearer {JWT}", JWT),
    ("private_key", f"key:\n{PEM}\nend", PEM),
    ("password", "DB_PASSWORD=Tr0ub4dor&3", "Tr0ub4dor&3"),
    ("secret", 'client_secret: "9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c"', "9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c"),
]
PUBLIC = [
    "firmware rev 10.2.3.4 and version 192.168.1.1",
    "see section 36.4.4.2 for arrays",
    "part number 536-22-1234",
    "IBAN DE89 3704 0044 0532 0130 01 is mistyped",
    "GB29 NWBK 6016 1331 9268 18",
    "card 4111 1111 1111 1112 was refused",
    "PESEL 44051401358, BSN 111222334, CPF 529.982.247-26",
    "NIF 12345678A",
    "commit 9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c12345678",
    "uuid 123e4567-e89b-12d3-a456-426614174000",
    "std::dec and a::b at ::1 or 127.0.0.1, mask 255.255.255.0",
    "from 2006-2022, on 2021-03-04 12:30:00.123456",
    "ISBN 978-3-16-148410-0",
    "password = get_password(user); password: str; token=os.environ['TOKEN']",
    "PASSWORD=${DB_PASSWORD} and password: <your password>",
    "git@github.com:org/repo.git and getty@tty1.service",
    "the meeting is on 12 March 2024",
    "route 10.0.0.0/8 through the gateway",
    "1.00000001 and 0.4111111111111111",
]


@pytest.mark.parametrize(("kind", "text", "value"), PRIVATE)
def test_a_private_value_is_found_whole(kind: str, text: str, value: str) -> None:
    masked = mask_text(text, rules=RULES)
    assert [(one.type, text[one.start : one.end]) for one in masked.findings] == [(kind, value)]
    assert masked.text == text.replace(value, f"[{masked.findings[0].code}]")


@pytest.mark.parametrize("text", PUBLIC)
def test_what_only_looks_private_stays(text: str) -> None:
    assert mask_text(text, rules=RULES).text == text


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a@b.de", "A@B.de"),
        ("+49 30 901820", "Tel. 0049 30-901820"),
        ("DE89370400440532013000", "DE89 3704 0044 0532 0130 00"),
        ("born 3 April 1979", "born 1979-04-03"),
        ("2a02:8109:0:0:0:0:0:1b", "2a02:8109::1b"),
    ],
)
def test_one_value_has_one_code_however_it_is_written(left: str, right: str) -> None:
    codes = [{one.code for one in mask_text(text, rules=RULES).findings} for text in (left, right)]
    assert codes[0] == codes[1] != set()


def test_another_key_gives_other_codes() -> None:
    other = make_rules(PrivateConfig(), key=PseudonymKey(b"x" * 32))
    assert mask_text("a@b.de", rules=RULES).text != mask_text("a@b.de", rules=other).text


def test_nothing_reaches_from_one_text_to_the_next() -> None:
    texts = ["my social security number", "078051121", "a\0b", "", "call 078051121 or a@b.de"]
    assert [one.text for one in mask_texts(texts, rules=RULES)] == [mask_text(text, rules=RULES).text for text in texts]
    assert mask_texts(texts, rules=RULES)[1].findings == ()


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.one_of(st.text(max_size=12), st.sampled_from([text for _, text, _ in PRIVATE] + PUBLIC)), max_size=5)
)
def test_masking_keeps_the_rest_and_is_final(parts: list[str]) -> None:
    text = " ".join(parts)
    masked = mask_text(text, rules=RULES)
    rebuilt, last = "", 0
    for start, end, replacement in masked.edits:
        assert last <= start < end
        rebuilt += text[last:start] + replacement
        last = end
    assert rebuilt + text[last:] == masked.text
    assert mask_text(masked.text, rules=RULES).text == masked.text


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="0123456789 .-/()+:@AaBZéß°\n\t\u00a0\0", max_size=200))
def test_hostile_digits_end(text: str) -> None:
    mask_text(text, rules=RULES)


def test_actions_and_public_values() -> None:
    config = PrivateConfig(actions=ActionsConfig(email="drop", phone="report"), keep=("+49 30 901820", "info@acme.de"))
    rules = make_rules(config, key=KEY)
    masked = mask_text(
        "a@b.de, +49 30 901821, 0049 30 901820 (Tel.), INFO@acme.de, DB_PASSWORD=Tr0ub4dor&3", rules=rules
    )
    assert [(one.type, one.action) for one in masked.findings] == [
        ("email", "drop"),
        ("phone", "report"),
        ("password", "mask"),
    ]
    assert masked.drop
    assert "a@b.de" not in masked.text
    assert "+49 30 901821" in masked.text


def test_an_unknown_region_is_named() -> None:
    with pytest.raises(UserError, match="XX"):
        make_rules(PrivateConfig(regions=("DE", "XX")), key=KEY)


def test_names_come_from_a_list_or_a_hook(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("Jane Doe\nJürgen\n\nMaría-José Pérez\n", encoding="utf-8")
    rules = make_rules(PrivateConfig(names="names.txt"), key=KEY, home=tmp_path)
    text = "JANE DOE met Jürgen, María José Pérez and Janet Doe."
    found = [text[one.start : one.end] for one in mask_text(text, rules=rules).findings]
    assert found == ["JANE DOE", "Jürgen", "María José Pérez"]
    hooked = make_rules(PrivateConfig(), key=KEY, name_hook=lambda text: [(0, 3)] if text.startswith("Bob") else [])
    assert [one.text for one in mask_texts(["x", "Bob left"], rules=hooked)][1].endswith("] left")
    with pytest.raises(NotFoundError, match="names"):
        make_rules(PrivateConfig(names="none.txt"), key=KEY, home=tmp_path)


def test_the_key_is_made_once_and_closed(tmp_path: Path) -> None:
    path = tmp_path / ".luthier" / "private.key"
    with pytest.raises(NotFoundError, match=r"private\.key"):
        read_key(path)
    key = make_key(path)
    assert make_key(path) == key == read_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert (path.parent / ".gitignore").read_text() == "*\n"
    assert key.secret.hex() not in key.digest + repr(key)
    path.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600"):
        read_key(path)


def test_examples_of_every_kind_are_masked_with_their_columns() -> None:
    call = ToolCall(name="pay", arguments='{"card": 4111111111111111, "to": "a@b.de"}')
    turns = (Message("user", "I am a@b.de"), Message("assistant", "", tool_calls=(call,)))
    talk = Chat(messages=turns, origin=origin("a.csv", 1, ssn="536221234", note="none"))
    choice = Preference(prompt=turns[:1], chosen=turns[:1], rejected=turns[:1], origin=origin("a.csv", 2))
    tags = Tags(text="a@b.de wrote Ulm", entities=(Entity(0, 3, "X"), Entity(13, 16, "TOWN")), origin=origin("a", 3))
    masked = list(mask_examples([talk, choice, tags, chat("public", "text")], rules=RULES))
    assert isinstance(masked[0].example, Chat)
    arguments = masked[0].example.messages[1].tool_calls[0].arguments
    assert json.loads(arguments)["card"].startswith("[CARD_")
    assert masked[0].example.origin.columns["ssn"].startswith("[NATIONAL_ID_")
    assert masked[0].example.origin.columns["note"] == "none"
    values = ("a@b.de", "536221234", "4111111111111111")
    assert not [text for one in masked for _, text in texts_of(one.example) if any(value in text for value in values)]
    moved = masked[2].example
    assert isinstance(moved, Tags)
    assert [moved.text[one.start : one.end] for one in moved.entities] == [f"[{masked[2].findings[0][1].code}]", "Ulm"]
    assert masked[3].example == chat("public", "text")
    assert masked[0].codes & masked[1].codes


def test_findings_hold_no_value() -> None:
    for _, text, value in PRIVATE:
        assert value not in repr(mask_text(text, rules=RULES).findings)


def test_rules_without_detectors_change_nothing() -> None:
    assert mask_text("a@b.de", rules=Rules(key=KEY)).text == "a@b.de"
