"""Sequences by other means: T5, a Conformer, a WaveNet, RWKV, a Perceiver."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from bench.audit_study.architectures.language import WIDTH, LoraLinear
from bench.audit_study.batches import CLASSES, VOCABULARY

if TYPE_CHECKING:
    from torch import Tensor

LONGEST = 16


class T5Block(nn.Module):
    """Attention with a bias by distance and a gated MLP, each behind an RMSNorm."""

    def __init__(self, lora: bool) -> None:
        super().__init__()
        linear: Any = LoraLinear if lora else nn.Linear
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.q = linear(WIDTH, WIDTH)
        self.k = nn.Linear(WIDTH, WIDTH, bias=False)
        self.v = linear(WIDTH, WIDTH)
        self.o = nn.Linear(WIDTH, WIDTH, bias=False)
        self.wi = nn.Linear(WIDTH, 4 * WIDTH, bias=False)
        self.wo = nn.Linear(2 * WIDTH, WIDTH, bias=False)

    def forward(self, x: Tensor, bias: Tensor) -> Any:
        """The shape of `x` `(count, length, width)`; `bias` is `(2, length, length)`."""
        y = self.norm1(x)
        q, k, v = (
            part(y).unflatten(-1, (2, WIDTH // 2)).transpose(1, 2)
            for part in (self.q, self.k, self.v)
        )
        mixed = torch.softmax(q @ k.transpose(-1, -2) + bias, -1) @ v
        x = x + self.o(mixed.transpose(1, 2).flatten(2))
        gate, value = self.wi(self.norm2(x)).chunk(2, -1)
        return x + self.wo(functional.gelu(gate) * value)


class T5(nn.Module):
    """The encoder of a T5 with one relative bias for both blocks, and a classifier."""

    def __init__(self, *, lora: bool = False) -> None:
        super().__init__()
        self.shared = nn.Embedding(VOCABULARY, WIDTH)
        self.relative_bias = nn.Embedding(2 * LONGEST, 2)
        self.block = nn.ModuleList([T5Block(lora), T5Block(lora)])
        self.norm = nn.RMSNorm(WIDTH)
        self.classifier = nn.Linear(WIDTH, CLASSES)

    def hidden(self, x: Tensor) -> Any:
        """What the blocks make of embeddings `(count, length, width)`."""
        place = torch.arange(x.shape[1])
        bias = self.relative_bias(place[:, None] - place[None, :] + LONGEST).permute(2, 0, 1)
        for block in self.block:
            x = block(x, bias)
        return self.norm(x)

    def forward(self, tokens: Tensor) -> Any:
        """Logits `(count, classes)`."""
        return self.classifier(self.hidden(self.shared(tokens)).mean(1))


class ConformerBlock(nn.Module):
    """Half an MLP, attention, a gated convolution with BatchNorm, half an MLP."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.ff1 = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.SiLU())
        self.norm = nn.LayerNorm(WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 2, batch_first=True)
        self.pointwise = nn.Conv1d(WIDTH, 2 * WIDTH, 1)
        self.depthwise = nn.Conv1d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH)
        self.bn = nn.BatchNorm1d(WIDTH)
        self.dropout = nn.Dropout(dropout)
        self.ff2 = nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.SiLU())

    def forward(self, x: Tensor, padded: Tensor | None = None) -> Any:
        """The shape of `x` `(count, frames, width)`."""
        x = x + 0.5 * self.ff1(x)
        y = self.norm(x)
        x = x + self.attention(y, y, y, key_padding_mask=padded, need_weights=False)[0]
        gated = functional.glu(self.pointwise(x.transpose(1, 2)), 1)
        x = x + self.dropout(functional.silu(self.bn(self.depthwise(gated)))).transpose(1, 2)
        return x + 0.5 * self.ff2(x)


class Conformer(nn.Module):
    """A front end of frames, two blocks, and a class for each frame."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.subsampling = nn.Linear(8, WIDTH)
        self.blocks = nn.ModuleList([ConformerBlock(dropout), ConformerBlock(dropout)])
        self.ctc = nn.Linear(WIDTH, CLASSES)

    def forward(self, frames: Tensor, padded: Tensor | None = None) -> Any:
        """Logits `(count, classes, frames)` of `(count, frames, 8)`."""
        x = self.subsampling(frames)
        for block in self.blocks:
            x = block(x, padded)
        return self.ctc(x).transpose(1, 2)


class WaveNet(nn.Module):
    """Gated causal convolutions of growing dilation whose skips are summed (1 channel in)."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.start = nn.Conv1d(1, width, 1)
        self.dilated = nn.ModuleList(nn.Conv1d(width, 2 * width, 2, dilation=d) for d in (1, 2, 4))
        self.skips = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in range(3))
        self.end = nn.Conv1d(width, CLASSES, 1)

    def layer(self, x: Tensor, index: int) -> tuple[Tensor, Tensor]:
        """The residual and the skip of one layer, both `(count, width, samples)`."""
        convolution = self.dilated[index]
        left, right = convolution(functional.pad(x, (2**index, 0))).chunk(2, 1)
        gated = torch.tanh(left) * torch.sigmoid(right)
        return x + gated, self.skips[index](gated)

    def forward(self, waves: Tensor) -> Any:
        """Logits `(count, classes, samples)` of `(count, 1, samples)`."""
        x, total = self.start(waves), torch.zeros(())
        for index in range(len(self.dilated)):
            x, skip = self.layer(x, index)
            total = total + skip
        return self.end(functional.relu(total))


class Rwkv(nn.Module):
    """A recurrence with a learnt decay for each channel, then a mix of channels."""

    def __init__(self) -> None:
        super().__init__()
        self.emb = nn.Embedding(VOCABULARY, WIDTH)
        self.ln1, self.ln2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.time_decay = nn.Parameter(torch.linspace(-6.0, -1.0, WIDTH))
        self.time_first = nn.Parameter(torch.zeros(WIDTH))
        self.receptance = nn.Linear(WIDTH, WIDTH, bias=False)
        self.key = nn.Linear(WIDTH, WIDTH, bias=False)
        self.value = nn.Linear(WIDTH, WIDTH, bias=False)
        self.ffn = nn.Sequential(
            nn.Linear(WIDTH, WIDTH, bias=False), nn.ReLU(), nn.Linear(WIDTH, WIDTH, bias=False)
        )
        self.head = nn.Linear(WIDTH, VOCABULARY, bias=False)

    def forward(self, tokens: Tensor) -> Any:
        """Logits `(count, length, vocabulary)`."""
        x = self.emb(tokens)
        y = self.ln1(x)
        gate, key, value = torch.sigmoid(self.receptance(y)), self.key(y).exp(), self.value(y)
        decay = torch.exp(-torch.exp(self.time_decay))
        above, below = torch.zeros_like(x[:, 0]), torch.zeros_like(x[:, 0])
        out = []
        for place in range(x.shape[1]):
            now = key[:, place] * self.time_first.exp()
            out.append((above + now * value[:, place]) / (below + now + 1e-6))
            above = decay * above + key[:, place] * value[:, place]
            below = decay * below + key[:, place]
        x = x + gate * torch.stack(out, 1)
        return self.head(x + self.ffn(self.ln2(x)))


class Perceiver(nn.Module):
    """Latents that look at the input twice, through the same attention, and at themselves."""

    def __init__(self, inputs: int = 8) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, WIDTH)
        self.latents = nn.Parameter(torch.randn(4, WIDTH) * 0.5)
        self.cross = nn.ModuleList([nn.MultiheadAttention(WIDTH, 2, batch_first=True)] * 2)
        self.process = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH, 0.0, batch_first=True) for _ in range(2)
        )
        self.head = nn.Linear(WIDTH, CLASSES)

    def encode(self, inputs: Tensor) -> Any:
        """Latents `(count, 4, width)` of inputs `(count, places, 8)`."""
        seen = self.project(inputs)
        x = self.latents.expand(len(inputs), -1, -1)
        for cross, process in zip(self.cross, self.process, strict=True):
            x = process(x + cross(x, seen, seen, need_weights=False)[0])
        return x

    def forward(self, inputs: Tensor) -> Any:
        """Logits `(count, classes)`."""
        return self.head(self.encode(inputs).mean(1))
