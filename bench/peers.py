"""Peers in environments of their own: installed once under the cache folder, reused afterwards."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.record import say

from luthier.config import cache_home


def peer_python(name: str, *, requirements: Sequence[str]) -> Path:
    """Python of the environment that holds exactly these pinned requirements.

    Raises CalledProcessError if the registry cannot be reached or a version does not exist.
    """
    home = cache_home() / "peers" / name
    python, ready = home / "bin" / "python", home / "ready.txt"
    wanted = "\n".join([f"python {sys.version_info[0]}.{sys.version_info[1]}", *requirements])
    if ready.is_file() and ready.read_text(encoding="utf-8") == wanted:
        return python
    say(f"installing {name} into an environment of its own: {', '.join(requirements)}")
    if home.exists():
        shutil.rmtree(home)
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([str(python), *install, *requirements], check=True)
    # Written last, so that an installation that was broken off is done again.
    ready.write_text(wanted, encoding="utf-8")
    return python
