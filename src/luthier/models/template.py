"""A base's own chat template, rendered in a sandbox that caps time and size."""

import functools
import json
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from typing import Any

from jinja2 import Environment, Template, TemplateError, nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from luthier.errors import UserError
from luthier.records import Message

OPEN, CLOSE = "\uf8e0", "\uf8e1"
"""Private-use characters put around an assistant's text to find it in the rendered template."""
MAX_RENDERED = 8_000_000
"""Characters of one rendering, and of any text or list that a template builds on the way."""
MAX_STEPS = 1_000_000
"""Rounds of loops and calls of macros in one rendering: a cap on time that is the same on every machine."""
MAX_EXPONENT = 1_000
FIXED_DATE = "01 Jan 2026"
"""What a template that asks for the date gets: a prompt must not change overnight."""
PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | capitalize }}: {{ message['content'] }}"
    "{% if message['role'] == 'assistant' %}{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}Assistant: {% endif %}"
)
"""Wording of a base that has no template of its own; saved with the tuned model."""
_steps: ContextVar[int] = ContextVar("steps of this rendering")


def render(template: str, values: Mapping[str, Any], *, marked: bool = False) -> str:
    """The text that a template makes of its values; `marked` puts OPEN and CLOSE around `{% generation %}` blocks.

    UserError if the template refuses the values, fails, or goes beyond a cap.
    """
    _steps.set(0)
    pieces, size = [], 0
    try:
        for piece in _compiled(template, marked).generate(values):
            pieces.append(piece)
            size += len(piece)
            _check_size(size)
    # A template is the base's own small program, and may fail in any of these ways.
    except (
        TemplateError,
        TypeError,
        ValueError,
        ArithmeticError,
        LookupError,
        AttributeError,
        RecursionError,
    ) as error:
        raise UserError(f"the chat template refuses this conversation: {error}") from None
    return "".join(pieces)


def template_turn(turn: Message) -> dict[str, Any]:
    """A message as templates expect it: a call's arguments are an object, and what is not known is not there.

    UserError if the arguments are not JSON.
    """
    told: dict[str, Any] = {"role": turn.role, "content": turn.content}
    if turn.tool_calls:
        told["tool_calls"] = [
            {
                **({"id": call.id} if call.id else {}),
                "type": "function",
                "function": {"name": call.name, "arguments": _parsed(call.arguments)},
            }
            for call in turn.tool_calls
        ]
    return told | {name: value for name in ("tool_call_id", "name") if (value := getattr(turn, name))}


def template_tools(tools: Sequence[str]) -> list[dict[str, Any]] | None:
    """Declarations as templates expect them; None if there are none. UserError if one is not JSON."""
    return [_parsed(tool) for tool in tools] or None


def has_generation_marks(template: str) -> bool:
    """True if the template marks itself what the assistant writes."""
    return "endgeneration" in template


class CappedEnvironment(ImmutableSandboxedEnvironment):
    """A sandbox that counts rounds, and in which no operator makes more than a rendering may hold."""

    intercepted_binops = frozenset({"+", "*", "**"})

    def __init__(self, *, marked: bool) -> None:
        self.marked = marked
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, GenerationTag])
        self.filters["tojson"] = _to_json
        self.globals["raise_exception"] = _refuse
        self.globals["strftime_now"] = lambda _format: FIXED_DATE

    def capped(self, source: str) -> Template:
        """Compile a template with its rounds counted."""
        code = self.compile(_count_steps(self.parse(source)))
        return self.template_class.from_code(self, code, self.make_globals(None))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Apply an operator, unless that would make something huge."""
        sizes = [len(side) if isinstance(side, str | list | tuple) else 0 for side in (left, right)]
        if operator == "+":
            _check_size(sum(sizes))
        elif operator == "*" and any(sizes):
            _check_size(max(sizes) * max(side for side in (left, right, 0) if isinstance(side, int)))
        elif operator == "**":
            _check_exponent(right)
        return super().call_binop(context, operator, left, right)

    def count_step(self) -> str:
        """Called in every round of a loop and every call of a macro."""
        steps = _steps.get() + 1
        if steps > MAX_STEPS:
            raise TemplateError(f"it takes more than {MAX_STEPS:,} steps")
        _steps.set(steps)
        return ""

    def chained(self, *parts: Any) -> str:
        """What `~` means."""
        texts = [str(part) for part in parts]
        _check_size(sum(map(len, texts)))
        return "".join(texts)


class GenerationTag(Extension):
    """`{% generation %}`, with which some templates mark what the assistant wrote: prints what it holds."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self.tags = {"generation"}

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Replace the tag by its body, between marks if the environment wants them."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        if not getattr(self.environment, "marked", False):
            return body
        opened, closed = (nodes.Output([nodes.TemplateData(mark)], lineno=line) for mark in (OPEN, CLOSE))
        return [opened, *body, closed]


def _count_steps(tree: nodes.Template) -> nodes.Template:
    """Put a call of `count_step` into every loop and macro, and one of `chained` into every `~`."""
    bodies = [
        *(node.body for node in tree.find_all(nodes.For)),
        *(node.body for node in tree.find_all(nodes.Macro)),
        *(node.body for node in tree.find_all(nodes.CallBlock)),
    ]
    for body in bodies:
        body.insert(0, nodes.ExprStmt(_call("count_step", [], tree), lineno=tree.lineno))
    for chain in list(tree.find_all(nodes.Concat)):
        chain.nodes = [_call("chained", chain.nodes, chain)]
    return tree


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(f"what is said of tools is not JSON: {error}: {text[:80]!r}") from None


def _call(name: str, arguments: list[nodes.Expr], near: nodes.Node) -> nodes.Call:
    """A call of a method of the environment, which no name in the template can stand before."""
    call = nodes.Call(nodes.EnvironmentAttribute(name), arguments, [], None, None)
    call.set_lineno(near.lineno)
    assert near.environment is not None
    call.set_environment(near.environment)
    return call


@functools.lru_cache(maxsize=64)
def _compiled(template: str, marked: bool) -> Template:
    return CappedEnvironment(marked=marked).capped(template)


def _check_size(size: int) -> None:
    if size > MAX_RENDERED:
        raise TemplateError(f"it writes more than {MAX_RENDERED:,} characters")


def _check_exponent(exponent: Any) -> None:
    if isinstance(exponent, int | float) and abs(exponent) > MAX_EXPONENT:
        raise TemplateError(f"it raises to a power above {MAX_EXPONENT:,}")


def _to_json(value: Any, **settings: Any) -> str:
    """As `transformers` fills templates: jinja's own filter escapes for web pages."""
    return json.dumps(value, **{"ensure_ascii": False, **settings})


def _refuse(message: str) -> None:
    raise TemplateError(message)
