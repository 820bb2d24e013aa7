"""Small bases with random weights."""

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def write_tiny_tokenizer(folder: Path, *, template: str = CHATML, context: int = 512) -> Path:
    """A byte-level tokenizer without merges and a ChatML template: one token per byte, three special tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: index for index, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>", "<pad>"]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    start, end, pad = (tokenizer.token_to_id(text) for text in special)
    files = {
        "tokenizer_config.json": {"bos_token": special[0], "eos_token": special[1], "pad_token": special[2]},
        "config.json": {"max_position_embeddings": context, "vocab_size": tokenizer.get_vocab_size()},
        "generation_config.json": {"bos_token_id": start, "eos_token_id": end, "pad_token_id": pad},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder


def write_word_pieces(folder: Path) -> Path:
    """A tokenizer of single letters as word pieces, with mask token and pairs: `[CLS] a [SEP] b [SEP]`."""
    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(place) for place in range(33, 127)]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = [*special, *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({piece: place for place, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    files = {
        "tokenizer_config.json": {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"},
        "config.json": {"max_position_embeddings": 512, "vocab_size": len(pieces)},
        "generation_config.json": {"pad_token_id": 0, "eos_token_id": 3},
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder


def write_base(folder: Path, *, kind: str) -> None:
    """Give a tokenizer folder the weights of a small decoder or encoder of a kind.

    `pieces` and `headless` are `bert`, the latter without what fills in words.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    settings = json.loads((folder / "config.json").read_text())
    special = json.loads((folder / "generation_config.json").read_text())
    torch.manual_seed(0)
    decoder, built = kind in DECODERS, "bert" if kind in {"pieces", "headless"} else kind
    build = DECODERS[kind] if decoder else ENCODERS[built]
    special = special if decoder else {"pad_token_id": special["pad_token_id"]}
    auto = AutoModelForCausalLM if decoder else AutoModelForMaskedLM
    model = auto.from_config(CONFIG_MAPPING[built](**{**settings, **special, **SIZE, **build}), dtype=torch.float32)
    model = model.bert if kind == "headless" else model
    generation = (folder / "generation_config.json").read_bytes()
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_bytes(generation)


SIZE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
DECODERS: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2},
    "qwen3": {"num_key_value_heads": 1, "head_dim": 16},
    "gemma3_text": {
        "num_key_value_heads": 1,
        "head_dim": 16,
        "sliding_window": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "gpt2": {"n_inner": 64},
    "gpt_neox": {},
    "phi": {},
    "cohere": {"logit_scale": 0.25},
    "granite": {"logits_scaling": 8.0},
    "gemma2": {"num_key_value_heads": 1, "head_dim": 16},
}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": {},
    "distilbert": {"hidden_dim": 64},
    "roberta": {},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "mpnet": {},
    "modernbert": {"local_attention": 16, "global_attn_every_n_layers": 2},
    "electra": {"embedding_size": 16},
}
"""What each kind is told besides its size."""
