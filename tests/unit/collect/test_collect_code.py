"""Source code: the text is the file, definitions are units, and what nobody wrote is skipped."""

import ast
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from luthier.collect.readers import code
from luthier.collect.reading import SkippedError, Source
from luthier.records import Document

LIBRARY = Path(sysconfig.get_path("stdlib"))


def read(folder: Path, content: str, name: str) -> Document:
    path = folder / "member"
    path.write_bytes(content.encode("utf-8"))
    (document,) = code.read(Source(path=path, name=f"shelf/{name}", encoding="utf-8"))
    assert document.text == content
    return document


def outline(document: Document) -> list[tuple[int, str]]:
    return [(level, name) for _, level, name in document.headings]


def units(document: Document) -> list[str]:
    return [document.text[start:end] for start, end in document.code]


PYTHON = '''"""Module."""
import x

# Moves water.
@decorated(
    1)
class Pump:
    """Doc."""

    speed = 1

    # Starts it.
    def start(self):
        def inner(): pass
        return "def no(): pass"

    async def stop(self): ...

if x:
    def late(): return 1
'''


def test_python_definitions_keep_decorators_and_comments(tmp_path: Path) -> None:
    document = read(tmp_path, PYTHON, "pump.py")
    assert document.title == "pump.py"
    assert outline(document) == [(2, "Pump"), (3, "start"), (3, "stop"), (2, "late")]
    assert units(document)[0].startswith("# Moves water.\n@decorated(")
    assert units(document)[0].endswith("speed = 1")
    assert units(document)[1].startswith("# Starts it.\n    def start")
    assert units(document)[3] == "def late(): return 1"


def test_python_that_does_not_parse_is_cut_by_indentation(tmp_path: Path) -> None:
    document = read(tmp_path, "class A:\n    def b(self):\n        print 'x'\n\nprint 1\n", "old.py")
    assert outline(document) == [(2, "A"), (3, "b")]
    assert units(document)[1] == "def b(self):\n        print 'x'"


@pytest.mark.parametrize("module", ["argparse.py", "dataclasses.py", "asyncio/queues.py", "test/support/os_helper.py"])
def test_the_units_of_real_modules_parse_and_are_complete(module: str) -> None:
    path = LIBRARY / module
    if not path.exists():
        pytest.skip(f"this Python comes without {module}")
    (document,) = code.read(Source(path=path, name=module, encoding="utf-8"))
    assert document.text == path.read_bytes().decode()
    tree = ast.parse(document.text)
    wanted = [node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node in tree.body]
    names = [name for _, level, name in document.headings if level == 2]
    assert set(wanted) <= set(names)
    for (offset, _, name), (start, end) in zip(document.headings, document.code, strict=True):
        unit = document.text[start:end]
        assert (offset, name in unit) == (start, True)
        column = start - document.text.rfind("\n", 0, start) - 1
        # The head of a class is a unit without its methods.
        whole = " " * column + unit + (" pass" if unit.endswith(":") else "")
        ast.parse(f"if 1:\n{whole}" if column else whole)


SAMPLES = {
    "pump.rs": (
        "/// A pump.\n#[derive(Debug)]\npub struct Pump<'a> { name: &'a str }\nimpl<'a> Pump<'a> {\n"
        "    pub fn go<T: Into<u8>>(&self, x: T) -> Option<char> where T: Copy { let c = '{'; None }\n}\n",
        [(2, "Pump"), (2, "Pump"), (3, "go")],
        "/// A pump.\n#[derive(Debug)]\npub struct Pump<'a> { name: &'a str }",
    ),
    "pump.go": (
        'package main\n\nimport "fmt"\n\n// Go starts it.\nfunc (p *Pump) Go(a int, b ...string) (int, error) {\n'
        '\tf := func() { fmt.Println("{") }\n\tfor i := range b { f() }\n}\n\ntype Pump struct {\n\tName string\n}\n',
        [(2, "Go"), (2, "Pump")],
        '// Go starts it.\nfunc (p *Pump) Go(a int, b ...string) (int, error) {\n\tf := func() { fmt.Println("{") }\n'
        "\tfor i := range b { f() }\n}",
    ),
    "pump.ts": (
        "import x from 'y'\n/** A pump. */\nexport default class Pump<T> extends Base<T> {\n"
        "  constructor(private q: string) { super(); if (q) { } }\n"
        "  async start(n: number): Promise<void> { await this.f(() => { return `}{${n}` }) }\n}\n"
        "export const run = async (a: string): Promise<number> => {\n  return 1\n}\nit('works', () => { run() })\n",
        [(2, "Pump"), (3, "constructor"), (3, "start"), (2, "run")],
        "/** A pump. */\nexport default class Pump<T> extends Base<T> {",
    ),
    "Pump.java": (
        "package a;\n/** Doc. */\n@Service\npublic class Pump extends Base implements Runnable {\n"
        "    public Pump(int a) throws IOException { this.a = a; }\n    @Override\n"
        "    public <T> T run(List<? super T> xs, int[] y) throws A, B {\n"
        "        for (int i : xs) { if (i > 0) { return null; } }\n    }\n}\n",
        [(2, "Pump"), (3, "Pump"), (3, "run")],
        "/** Doc. */\n@Service\npublic class Pump extends Base implements Runnable {",
    ),
    "pump.c": (
        "#include <a.h>\n#define X(a) do { a; } while (0)\n\n/* Starts. */\nstatic int\nstart (int a,\n"
        "       char *b)\n{\n  char c = '\"'; if (a) { return 1; }\n}\nstruct ops table[] = { { .open = start }, };\n",
        [(2, "start")],
        "/* Starts. */\nstatic int\nstart (int a,\n       char *b)\n{\n  char c = '\"'; if (a) { return 1; }\n}",
    ),
    "pump.sh": (
        "#!/bin/sh\n\n# Start it.\nstart_it() {\n  echo \"${1#x} {\" # it's\n}\nfunction stop { echo; }\n",
        [(2, "start_it"), (2, "stop")],
        "# Start it.\nstart_it() {\n  echo \"${1#x} {\" # it's\n}",
    ),
    "pump.php": (
        "<?php\n/** Doc */\nclass Pump {\n  public function go(array $a = []): ?int { $f = function ($x) { }; }\n}\n",
        [(2, "Pump"), (3, "go")],
        "/** Doc */\nclass Pump {",
    ),
    "pump.rb": (
        "# Doc\nmodule Foo\n  class Pump < Base\n    def start(x)\n      if x\n        1\n      end\n    end\n"
        "  end\nend\n",
        [(2, "Foo"), (3, "Pump"), (4, "start")],
        "# Doc\nmodule Foo",
    ),
    "pump.sql": (
        "-- Prices.\nCREATE TABLE IF NOT EXISTS pump (\n  id int\n);\nSELECT 1;\n"
        "CREATE OR REPLACE VIEW v AS\n  SELECT 1;\n",
        [(2, "pump"), (2, "v")],
        "-- Prices.\nCREATE TABLE IF NOT EXISTS pump (\n  id int\n);",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAMPLES)
def test_definitions_of_other_languages(tmp_path: Path, name: str) -> None:
    content, wanted, first = SAMPLES[name]
    document = read(tmp_path, content, name)
    assert outline(document) == wanted
    assert units(document)[0] == first


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("node_modules/a.js", "x", "vendored"),
        ("pump_pb2.py", "x = 1", "generated"),
        ("pump.go", "// Code generated by protoc-gen-go. DO NOT EDIT.\npackage a", "generated"),
        ("pump.min.js", "x", "minified"),
        ("bundle.js", "var a = 1;" * 500, "minified"),
    ],
)
def test_what_nobody_wrote_is_skipped_with_a_reason(tmp_path: Path, name: str, content: str, reason: str) -> None:
    with pytest.raises(SkippedError, match=reason):
        read(tmp_path, content, name)


MARKS = [
    "class A",
    "def f(x)",
    " {",
    "}",
    "\n",
    "\n    ",
    "end",
    "'",
    '"',
    "/*",
    "*/",
    "//",
    "#",
    "(",
    ")",
    ";",
    "fn x()",
    "=> ",
    "é",
]


@pytest.mark.parametrize("name", ["a.py", "a.rb", "a.c", "a.ts", "a.sh"])
@settings(max_examples=50)
@given(st.lists(st.sampled_from(MARKS), max_size=30))
def test_units_are_in_order_and_hold_their_names(
    tmp_path_factory: pytest.TempPathFactory, name: str, marks: list[str]
) -> None:
    document = read(tmp_path_factory.getbasetemp(), "".join(marks), name)
    assert all(start < end for start, end in document.code)
    assert all(before[1] <= after[0] for before, after in zip(document.code, document.code[1:], strict=False))
    assert all(name in document.text[offset:] for offset, _, name in document.headings)
