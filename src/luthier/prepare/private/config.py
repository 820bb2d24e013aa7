"""Settings of masking: what is looked for, what is done with it, and what is public."""

from typing import Literal

from pydantic import Field

from luthier.config import Settings

Action = Literal["mask", "drop", "report"]
PrivateType = Literal[
    "email",
    "phone",
    "iban",
    "card",
    "national_id",
    "passport",
    "licence",
    "ip",
    "mac",
    "gps",
    "birth_date",
    "name",
]
SecretType = Literal["url_token", "api_key", "private_key", "access_token", "password", "secret"]
FindingType = PrivateType | SecretType


class ActionsConfig(Settings):
    """What happens to each type: `mask` puts a pseudonym in its place, `drop` sets the example aside, `report` only
    counts. Secrets (keys, tokens, passwords) are always masked and cannot be set."""

    email: Action = "mask"
    phone: Action = "mask"
    iban: Action = "mask"
    card: Action = "mask"
    national_id: Action = "mask"
    passport: Action = "mask"
    licence: Action = "mask"
    ip: Action = "mask"
    mac: Action = "mask"
    gps: Action = "mask"
    birth_date: Action = "mask"
    name: Action = "mask"


class PrivateConfig(Settings):
    """How private data and secrets are treated."""

    actions: ActionsConfig = ActionsConfig()
    keep: tuple[str, ...] = Field(default=(), strict=False)
    """Public values that stay as they are, such as the company's own hotline."""
    names: str | None = None
    """File with one name of a person per line, relative to the project file. None: no names are looked for."""
    regions: tuple[str, ...] = Field(
        default=("US", "GB", "DE", "FR", "ES", "IT", "NL", "PL", "IN", "BR", "CA", "SE"), strict=False
    )
    """Countries (ISO 3166) whose phone numbers are known without a country code."""
    key: str = ".luthier/private.key"
    """File with the key of the pseudonyms, relative to the project file; made once, readable by its owner only."""
