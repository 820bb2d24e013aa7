"""Templates and tokenizers that word differently."""

import json
from pathlib import Path

from tiny_bases import CHATML, write_tiny_tokenizer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

BRACKETS = (
    "{{ bos_token }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}"
    "{% else %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endif %}{% endfor %}"
)
DATED = (
    "{%- if not date_string is defined %}{%- if strftime_now is defined %}"
    "{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}{%- endif %}"
    "{{- 'Today: ' + date_string + '\\n' }}" + CHATML
)
TRIMMING = CHATML.replace("message['content']", "message['content'] | trim")
GENERATION = CHATML.replace(
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}",
    "{{ '<|im_start|>' + message['role'] + '\n' }}{% if message['role'] == 'assistant' %}"
    "{% generation %}{{ message['content'] + '<|im_end|>' }}{% endgeneration %}"
    "{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\n' }}",
)
QUOTING = "{% for message in messages %}{{ message | tojson }}{{ '<|im_end|>\n' }}{% endfor %}"
FORGETFUL = (
    "{% for message in messages %}{% if message['role'] != 'assistant' or loop.last %}"
    "{{ message['role'] + ': ' + message['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
UNMARKED = "message['content'] | replace('\uf8e0', '') | replace('\uf8e1', '')"
"""Content in which no foreign marks are left."""
FAITHFUL = {"chatml": CHATML, "brackets": BRACKETS, "generation": GENERATION}
"""Templates that print every message as it is, and whose prompts are prefixes of what follows."""


def write_merging_tokenizer(folder: Path, *, template: str = CHATML) -> Path:
    """As `write_tiny_tokenizer`, but bytes merge, also over the edge between a prompt and an answer."""
    write_tiny_tokenizer(folder, template=template)
    text = "assistant\nyes no user: a cat, a dog and an owl [INST] [/INST] yes\n\n 12 ab the theory of everything"
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<|im_start|>", "<|im_end|>", "<pad>"],
        show_progress=False,
    )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator([text], trainer)
    tokenizer.save(str(folder / "tokenizer.json"))
    ids = {name: tokenizer.token_to_id(text) for name, text in (("eos", "<|im_end|>"), ("pad", "<pad>"))}
    content = {"eos_token_id": ids["eos"], "pad_token_id": ids["pad"]}
    (folder / "generation_config.json").write_text(json.dumps(content))
    return folder


def rewrite(folder: Path, name: str, **changes: object) -> None:
    """Change keys of one JSON file; None removes a key."""
    content = json.loads((folder / name).read_text())
    content = {key: value for key, value in {**content, **changes}.items() if value is not None}
    (folder / name).write_text(json.dumps(content))
