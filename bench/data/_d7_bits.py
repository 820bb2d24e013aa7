"""The last bar of D7: documents with planted damage, trained shortly with and without what cleaning takes out."""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from bench.data._d7_material import Planted
from bench.runs import luthier, warm

PROJECT = {
    "name": "d7",
    "objective": "complete",
    "base": "smollm2-135m",
    "collect": {"sources": ["data"]},
    "prepare": {"clean": {"languages": ["en"], "prove": True}},
}


def bits_with_and_without(planted: Sequence[Planted]) -> dict[str, Any]:
    """What `prepare.clean.prove` finds on the documents among the planted rows; about 6 minutes on two cores."""
    warm("smollm2-135m")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for one in planted:
            if one.row.answer is None:
                _write(folder / "data" / one.row.file, one.row.text)
        (folder / "luthier.yaml").write_text(yaml.safe_dump(PROJECT), encoding="utf-8")
        for stage in ("collect", "prepare"):
            luthier(stage, str(folder / "luthier.yaml"), "--json").result()
        found: dict[str, Any] = json.loads((folder / "runs" / "d7" / "prove.json").read_bytes())
    return found


def _write(path: Path, text: str) -> None:
    """Code under its own name, everything else as plain text: what stands here is text that was read already."""
    path = path if path.suffix == ".py" else path.with_name(f"{path.name}.txt")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
