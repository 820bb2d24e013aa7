"""Small bases with random weights."""

import json
from pathlib import Path

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
    """Give a tokenizer folder the weights of a small `llama` (a decoder), or of a `bert` (an encoder) with or without
    (`headless`) what fills in words.
    """
    import torch
    from transformers import BertConfig, BertForMaskedLM, LlamaConfig, LlamaForCausalLM

    settings = json.loads((folder / "config.json").read_text())
    special = json.loads((folder / "generation_config.json").read_text())
    torch.manual_seed(0)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    if kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(**settings, **special, **size, num_key_value_heads=2))
    else:
        model = BertForMaskedLM(BertConfig(**settings, pad_token_id=special["pad_token_id"], **size))
    model = model.bert if kind == "headless" else model
    generation = (folder / "generation_config.json").read_bytes()
    model.save_pretrained(folder)
    (folder / "generation_config.json").write_bytes(generation)
