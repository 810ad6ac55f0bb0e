"""Small random models of the library `transformers`, where it is installed; nothing is fetched."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from bench.audit_study.batches import CLASSES, VOCABULARY

INSTALLED = find_spec("transformers") is not None


def hub_gpt2(dropout: float = 0.0) -> Any:
    """GPT-2 of two layers with its tied head."""
    from transformers import GPT2Config, GPT2LMHeadModel  # noqa: PLC0415  takes seconds

    return GPT2LMHeadModel(
        GPT2Config(
            vocab_size=VOCABULARY,
            n_positions=16,
            n_embd=16,
            n_layer=2,
            n_head=2,
            resid_pdrop=dropout,
            embd_pdrop=dropout,
            attn_pdrop=dropout,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


def hub_bert() -> Any:
    """BERT of two layers with a classifier, and its dropout of a tenth."""
    from transformers import (  # noqa: PLC0415  likewise
        BertConfig,
        BertForSequenceClassification,
    )

    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=16,
    )
    config.num_labels = CLASSES
    return BertForSequenceClassification(config)
