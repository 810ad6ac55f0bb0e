"""Models of text: a GPT with LoRA, a BERT, a translator, taggers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit_study.batches import CLASSES, VOCABULARY

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = 16


class LoraLinear(nn.Module):
    """A linear layer and a low-rank addition that begins at zero (Hu et al., 2021)."""

    def __init__(self, inputs: int, outputs: int, rank: int = 2) -> None:
        super().__init__()
        self.base = nn.Linear(inputs, outputs)
        self.lora_a = nn.Parameter(torch.randn(rank, inputs) / inputs**0.5)
        self.lora_b = nn.Parameter(torch.zeros(outputs, rank))

    def forward(self, x: Tensor) -> Any:
        """The shape of a linear layer."""
        return self.base(x) + x @ self.lora_a.T @ self.lora_b.T


class GptBlock(nn.Module):
    """Causal attention and an MLP, each behind a LayerNorm."""

    def __init__(self, dropout: float, lora: bool) -> None:
        super().__init__()
        linear: Any = LoraLinear if lora else nn.Linear
        self.ln_1 = nn.LayerNorm(WIDTH)
        self.qkv = linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.ln_2 = nn.LayerNorm(WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Any:
        """The shape of `x` `(count, length, width)`."""
        count, length, _ = x.shape
        q, k, v = (
            part.view(count, length, 2, WIDTH // 2).transpose(1, 2)
            for part in self.qkv(self.ln_1(x)).chunk(3, dim=-1)
        )
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.dropout(self.proj(mixed.transpose(1, 2).reshape(count, length, WIDTH)))
        return x + self.dropout(self.mlp(self.ln_2(x)))


class Gpt(nn.Module):
    """A GPT of two blocks; its head is its embedding."""

    def __init__(self, dropout: float = 0.0, *, lora: bool = False, tied: bool = True) -> None:
        super().__init__()
        self.wte = nn.Embedding(VOCABULARY, WIDTH)
        self.wpe = nn.Embedding(16, WIDTH)
        self.h = nn.ModuleList([GptBlock(dropout, lora), GptBlock(dropout, lora)])
        self.ln_f = nn.LayerNorm(WIDTH)
        self.lm_head = nn.Linear(WIDTH, VOCABULARY, bias=False)
        if tied:
            self.lm_head.weight = self.wte.weight

    def embed(self, tokens: Tensor) -> Tensor:
        """Embeddings `(count, length, width)` of tokens and their places."""
        embedded: Tensor = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
        return embedded

    def forward(self, tokens: Tensor) -> Any:
        """Logits `(count, length, vocabulary)`."""
        x = self.embed(tokens)
        for block in self.h:
            x = block(x)
        return self.lm_head(self.ln_f(x))


class Bert(nn.Module):
    """An encoder of two layers with dropout, a pooler, and a classifier."""

    def __init__(self, dropout: float = 0.1) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(VOCABULARY, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.pooler = nn.Linear(WIDTH, WIDTH)
        self.classifier = nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens: Tensor) -> Any:
        """Logits `(count, classes)`."""
        hidden = self.encoder(self.embeddings(tokens))
        return self.classifier(torch.tanh(self.pooler(hidden[:, 0])))


class Translator(nn.Module):
    """`nn.Transformer` with one embedding for source, target and generator."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.source = nn.Embedding(VOCABULARY, WIDTH)
        self.target = nn.Embedding(VOCABULARY, WIDTH)
        self.transformer = nn.Transformer(
            WIDTH, 2, 1, 1, 2 * WIDTH, dropout=dropout, batch_first=True
        )
        self.generator = nn.Linear(WIDTH, VOCABULARY)
        self.target.weight = self.source.weight
        self.generator.weight = self.source.weight

    def forward(self, source: Tensor, target: Tensor) -> Any:
        """Logits `(count, length, vocabulary)`."""
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        hidden = self.transformer(self.source(source), self.target(target), tgt_mask=mask)
        return self.generator(hidden)


class Tagger(nn.Module):
    """Word vectors, a recurrent layer, and a class for each token."""

    def __init__(
        self, cell: type[nn.LSTM | nn.GRU] = nn.LSTM, max_norm: float | None = None
    ) -> None:
        super().__init__()
        self.vectors = nn.Embedding(VOCABULARY, WIDTH, padding_idx=0, max_norm=max_norm)
        self.rnn = cell(WIDTH, WIDTH, num_layers=2, batch_first=True)
        self.out = nn.Linear(WIDTH, CLASSES)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Any, Any]:
        """Logits `(count, classes, length)`, and the state after the last token."""
        hidden, state = self.rnn(self.vectors(tokens), state)
        return self.out(hidden).transpose(1, 2), state
