"""The rules of CONTRIBUTING.md that a machine can check."""

import ast
import importlib
import io
import re
import resource
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src").rglob("*.py"))
TEXTS = sorted(
    path for folder in ("src", "tests", "bench", "docs", "examples") for path in (ROOT / folder).rglob("*.py")
)
FUNCTION_LINES, MODULE_LINES, ARGUMENTS, NESTING = 60, 400, 6, 3
BLOCKS = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.With, ast.AsyncWith, ast.Try, ast.Match)
BANNED_MODULES = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "lightning", "litellm", "pymupdf", "fitz"}
BANNED_CALLS = {
    "eval",
    "exec",
    "torch.load",
    "yaml.load",
    "yaml.full_load",
    "yaml.unsafe_load",
    "os.system",
    "os.popen",
}
BANNED_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}
HEAVY = {
    "torch",
    "transformers",
    "pyarrow",
    "pydantic",
    "numpy",
    "scipy",
    "sklearn",
    "fastapi",
    "uvicorn",
    "sqlalchemy",
}
LOOKS = {"--json", "--quiet", "--verbose", "--help"}
WORKS = {*LOOKS, "--out", "--set", "--dry-run"}
FLAGS = {
    "init": LOOKS,
    "run": {*WORKS, "--require-ship"},
    "collect": WORKS,
    "prepare": WORKS,
    "train": WORKS,
    "evaluate": WORKS,
    "ask": {*LOOKS, "--base"},
    "serve": {*LOOKS, "--host", "--port"},
    "show": {*LOOKS, "--row", "--mask", "--exam"},
    "forget": {*LOOKS, "--subject", "--dry-run"},
    "plan data": {*LOOKS, "--times"},
    "plan exam": {*LOOKS, "--gain", "--documents", "--per-document", "--differ"},
    "verify": LOOKS,
    "compare": LOOKS,
    "doctor": LOOKS,
    "config": {*LOOKS, "--out", "--set"},
}
"""Every flag of every command. A new knob is a field of a settings class, not a flag (layout.md, rule 15)."""


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def depth(statements: list[ast.stmt], level: int = 0) -> int:
    """Deepest nesting of blocks; `elif` is no deeper than its `if`, and inner functions count for themselves."""
    deepest = level
    for node in statements:
        if not isinstance(node, BLOCKS):
            continue
        inner = [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)]
        for handler in getattr(node, "handlers", []) + getattr(node, "cases", []):
            inner += handler.body
        chained = getattr(node, "orelse", [])
        if isinstance(node, ast.If) and len(chained) == 1 and isinstance(chained[0], ast.If):
            inner.remove(chained[0])
            deepest = max(deepest, depth(chained, level))
        deepest = max(deepest, depth(inner, level + 1))
    return deepest


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def test_functions_are_short_take_few_arguments_and_nest_little() -> None:
    problems = []
    for path in SOURCES:
        for node in functions(path):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            extra = (node.args.vararg is not None) + (node.args.kwarg is not None)
            found = {"lines": lines, "arguments": len(arguments) + extra, "levels": depth(node.body)}
            limits = {"lines": FUNCTION_LINES, "arguments": ARGUMENTS, "levels": NESTING}
            over = [f"{count} {what}" for what, count in found.items() if count > limits[what]]
            problems += [f"{where(path, node)} {node.name}: {', '.join(over)}"] if over else []
    assert problems == []


def test_modules_are_short_and_have_real_names() -> None:
    long = [str(path) for path in SOURCES if len(path.read_text(encoding="utf-8").splitlines()) > MODULE_LINES]
    vague = [str(path) for path in SOURCES if {path.stem, *path.relative_to(ROOT).parts} & BANNED_NAMES]
    assert (long, vague) == ([], [])


def test_every_module_and_public_function_says_what_it_is() -> None:
    silent = [str(path.relative_to(ROOT)) for path in SOURCES if not ast.get_docstring(tree_of(path))]
    for path in SOURCES:
        top = [
            node
            for node in tree_of(path).body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
        silent += [
            f"{where(path, node)} {node.name}"
            for node in top
            if not node.name.startswith("_") and not ast.get_docstring(node)
        ]
    assert silent == []


def test_package_files_hold_only_words() -> None:
    busy = []
    for path in SOURCES:
        if path.name == "__init__.py" and path.parent.name != "luthier":
            busy += [str(path) for node in tree_of(path).body if not isinstance(node, ast.Expr)]
    assert busy == []


def banned(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        place = where(path, node)
        match node:
            case ast.Import():
                names = {alias.name.partition(".")[0] for alias in node.names}
                yield from (f"{place} imports {name}" for name in names & BANNED_MODULES)
            case ast.ImportFrom() if (node.module or "").partition(".")[0] in BANNED_MODULES:
                yield f"{place} imports {node.module}"
            case ast.Call():
                if dotted(node.func) in BANNED_CALLS:
                    yield f"{place} calls {dotted(node.func)}"
                for keyword in node.keywords:
                    value = getattr(keyword.value, "value", None)
                    if keyword.arg == "trust_remote_code" or (keyword.arg == "shell" and value is not False):
                        yield f"{place} passes {keyword.arg}"
            case ast.ExceptHandler() if node.type is None:
                yield f"{place} catches everything"
            case ast.ExceptHandler() if all(isinstance(line, ast.Pass) for line in node.body):
                yield f"{place} swallows an error"
            case ast.Raise() if "NotImplementedError" in ast.dump(node):
                yield f"{place} is not implemented"


def test_nothing_banned_is_used() -> None:
    assert [problem for path in SOURCES for problem in banned(path)] == []


def test_comments_hold_no_promises_and_no_silenced_checks() -> None:
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|type:\s*ignore|pragma: no cover")
    found = []
    for path in SOURCES:
        tokens = tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
        comments = [token for token in tokens if token.type == tokenize.COMMENT]
        found += [
            f"{path.relative_to(ROOT)}:{token.start[0]} {token.string}"
            for token in comments
            if words.search(token.string)
        ]
    assert found == []


def test_no_file_names_a_place_on_one_machine() -> None:
    machine = re.compile("/(" + "|".join(("work/", "tmp/w/", "root/", "home/[a-z]")) + r")|\.\./" + "shared/")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    texts = [ROOT / name for name in listed if Path(name).suffix in {".py", ".md", ".toml", ".yaml", ".txt", ".jinja"}]
    found = []
    for path in texts or TEXTS:
        if path.is_file() and path != Path(__file__):
            lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
            found += [f"{path.relative_to(ROOT)}:{number}: {line}" for number, line in lines if machine.search(line)]
    assert found == []


def test_every_registry_entry_imports() -> None:
    entries = {
        node.value
        for path in SOURCES
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.fullmatch(r"luthier(\.\w+)+:\w+", node.value)
    }
    assert entries
    for entry in entries:
        module, _, name = entry.partition(":")
        assert hasattr(importlib.import_module(module), name), entry


def flags() -> dict[str, set[str]]:
    from typer.main import get_command

    from luthier.cli.main import app

    waiting = list(get_command(app).commands.items())
    found = {}
    while waiting:
        name, command = waiting.pop()
        if inner := getattr(command, "commands", None):
            waiting += [(f"{name} {each}", one) for each, one in inner.items()]
            continue
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        found[name] = {*options, "--help"}
    return found


def test_the_flags_are_the_pinned_ones() -> None:
    assert flags() == FLAGS


def help_words() -> list[str]:
    code = (
        "import sys\nfrom luthier.cli.main import run\ntry:\n    run(sys.argv[1:])\nfinally:\n    print(*sys.modules)"
    )
    return [sys.executable, "-c", code]


@pytest.mark.parametrize("words", [["--help"], ["--version"], *([*name.split(), "--help"] for name in FLAGS)])
def test_help_loads_no_heavy_library(words: list[str]) -> None:
    done = subprocess.run([*help_words(), *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    loaded = {name.partition(".")[0] for name in done.stdout.split("\n")[-2].split()}
    # Typer itself loads pydantic to read a command's options; `luthier --help` has none to read.
    assert loaded & (HEAVY if words[0].startswith("--") else HEAVY - {"pydantic"}) == set()


def test_help_takes_200_ms_of_the_processor_at_most() -> None:
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "luthier.cli.main", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    # A clock would count the other work of a busy machine; the best of five leaves out what a cold disk cost.
    assert min(times) < 0.2


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_pages_name_only_commands_that_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    code = "\n".join(
        re.findall(r"```[a-z]*\n(.*?)```|`([^`\n]+)`", text, flags=re.DOTALL) and re.findall(r"`+([^`]+)`+", text)
    )
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE))
    named = set(re.findall(r"(?:^|[`\s;&])make ([a-z]+)", code))
    commands = set(re.findall(r"(?:^|[/\s])luthier ([a-z]+)\b", code, flags=re.MULTILINE))
    assert (named - targets, commands - {name.split()[0] for name in FLAGS}) == (set(), set())
