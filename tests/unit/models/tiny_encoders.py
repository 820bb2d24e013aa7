"""Small encoders of several architectures with random weights, in memory."""

from functools import cache
from typing import Any

import torch
from tiny_models import GROUPED, SIZE, VOCABULARY, WINDOW
from transformers import AutoModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from luthier.models.heads import PooledClassifier

LABELS = 3
SPECIAL = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "initializer_range": 0.2}
BERT = {**SIZE, "intermediate_size": 48, "max_position_embeddings": 256}
ENCODERS: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "roberta": BERT,
    "xlm-roberta": BERT,
    "camembert": BERT,
    "electra": {**BERT, "embedding_size": 16},
    "albert": {**BERT, "embedding_size": 16},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48, "vocab_size": VOCABULARY},
    "modernbert": {**BERT, "local_attention": 2 * WINDOW, "global_attn_every_n_layers": 2, "cls_token_id": 0},
    "eurobert": GROUPED,
    "mpnet": BERT,
    "deberta-v2": {**BERT, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
}
STREAMABLE = [kind for kind in ENCODERS if kind not in {"mpnet", "deberta-v2"}]
"""The other two compute attention in their own way."""


@cache
def tiny_encoder(kind: str, **settings: Any) -> PooledClassifier:
    """A classifier on an encoder, without dropout unless asked for; it never changes."""
    torch.manual_seed(0)
    config = CONFIG_MAPPING[kind](**{**SPECIAL, **ENCODERS[kind]})
    for name in [name for name in vars(config) if "dropout" in name]:
        setattr(config, name, 0.0)
    for name, value in settings.items():
        setattr(config, name, value)
    encoder = AutoModel.from_config(config, dtype=torch.float32)
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    return PooledClassifier(encoder, labels=LABELS).eval()
