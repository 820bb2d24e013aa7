"""The README is true: its commands run, in its order, on a real folder."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LUTHIER = str(Path(sys.executable).parent / "luthier")


def blocks() -> list[list[str]]:
    found = re.findall(r"^```\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)
    return [[line.partition("#")[0].strip() for line in block.splitlines()] for block in found]


def luthier(*words: str, folder: Path) -> str:
    done = subprocess.run([LUTHIER, *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_first_block_is_the_two_commands() -> None:
    assert blocks()[0] == ["make demo", "make test"]


def test_shortest_path_to_own_data_runs(tmp_path: Path) -> None:
    commands = blocks()[1]
    data = tmp_path / "my-folder"
    shutil.copytree(ROOT / "examples" / "medical-coding" / "data", data)
    assert commands[1] == "luthier init my-folder"
    luthier("init", "my-folder", folder=tmp_path)
    project = commands[2].removeprefix("luthier run ")
    assert (tmp_path / project).is_file()
    plan = luthier("run", project, "--dry-run", folder=tmp_path)
    run = commands[3].split()[2]
    assert run in plan or str(tmp_path / run) in plan


def test_named_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target
