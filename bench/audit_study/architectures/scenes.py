"""Images, points and graphs: ConvMixer, a ViT with registers, PointNet, DETR, a denoiser, CLIP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from torchvision.models.regnet import BlockParams, RegNet
from torchvision.models.squeezenet import squeezenet1_1
from torchvision.models.swin_transformer import (
    PatchMergingV2,
    SwinTransformer,
    SwinTransformerBlockV2,
)

from bench.audit_study.architectures.language import WIDTH
from bench.audit_study.batches import CLASSES, VOCABULARY

if TYPE_CHECKING:
    from torch import Tensor


def regnet() -> Any:
    """Torchvision's RegNet of two stages; images of 32."""
    blocks = BlockParams.from_init_params(depth=2, w_0=16, w_a=16.0, w_m=2.0, group_width=8)
    return RegNet(blocks, num_classes=CLASSES, stem_width=8)


def squeezenet() -> Any:
    """Torchvision's SqueezeNet, which ends with dropout and a convolution; images of 32."""
    return squeezenet1_1(num_classes=CLASSES)


def swin_v2() -> Any:
    """Torchvision's Swin transformer in its second version, of two stages."""
    return SwinTransformer(
        patch_size=[2, 2],
        embed_dim=8,
        depths=[1, 1],
        num_heads=[1, 2],
        window_size=[4, 4],
        stochastic_depth_prob=0.0,
        num_classes=CLASSES,
        block=SwinTransformerBlockV2,
        downsample_layer=PatchMergingV2,
    )


class ConvMixer(nn.Module):
    """Patches, then depthwise convolutions around which there is a shortcut, with BatchNorm."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=4), nn.GELU(), nn.BatchNorm2d(width)
        )
        self.depthwise = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1, groups=width),
                nn.GELU(),
                nn.BatchNorm2d(width),
            )
            for _ in range(2)
        )
        self.pointwise = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width, width, 1), nn.GELU(), nn.BatchNorm2d(width))
            for _ in range(2)
        )
        self.head = nn.Linear(width, CLASSES)

    def features(self, images: Tensor) -> Any:
        """Features `(count, width)`."""
        x = self.stem(images)
        for depthwise, pointwise in zip(self.depthwise, self.pointwise, strict=True):
            x = pointwise(x + depthwise(x))
        return x.mean((2, 3))

    def forward(self, images: Tensor) -> Any:
        """Logits `(count, classes)`."""
        return self.head(self.features(images))


class RegisterVit(nn.Module):
    """A vision transformer with registers beside its class token (after Darcet et al., 2023)."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, WIDTH, 4, stride=4)
        self.position = nn.Parameter(torch.randn(1, 16, WIDTH) * 0.1)
        self.cls = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.registers = nn.Parameter(torch.randn(1, 2, WIDTH) * 0.1)
        layer = nn.TransformerEncoderLayer(WIDTH, 2, 2 * WIDTH, 0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, CLASSES)

    def tokens(self, images: Tensor) -> Tensor:
        """Class token, registers and patches `(count, 19, width)`."""
        seen = self.patches(images).flatten(2).transpose(1, 2) + self.position
        extra = torch.cat([self.cls, self.registers], 1).expand(len(images), -1, -1)
        return torch.cat([extra, seen], 1)

    def forward(self, images: Tensor) -> Any:
        """Logits `(count, classes)`."""
        return self.head(self.norm(self.encoder(self.tokens(images))[:, 0]))


class PointNet(nn.Module):
    """Points are turned, each goes through the same layers, and the largest answers are kept."""

    def __init__(self) -> None:
        super().__init__()
        self.turn = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 9))
        self.shared = nn.Sequential(
            nn.Conv1d(3, 16, 1), nn.BatchNorm1d(16), nn.ReLU(), nn.Conv1d(16, 16, 1)
        )
        self.classifier = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, CLASSES))

    def features(self, points: Tensor) -> Any:
        """Features `(count, 16)` of points `(count, number, 3)`."""
        turn = torch.eye(3) + self.turn(points.mean(1)).view(-1, 3, 3)
        return self.shared((points @ turn).transpose(1, 2)).amax(2)

    def forward(self, points: Tensor) -> Any:
        """Logits `(count, classes)`."""
        return self.classifier(self.features(points))


class GraphNet(nn.Module):
    """Two graph convolutions by a normalised adjacency, and a class for each node."""

    def __init__(self) -> None:
        super().__init__()
        ring = torch.eye(12) + torch.eye(12).roll(1, 0) + torch.eye(12).roll(-1, 0)
        self.adjacency: Tensor
        self.register_buffer("adjacency", ring / 3)
        self.conv1, self.conv2 = nn.Linear(8, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, CLASSES)

    def forward(self, nodes: Tensor) -> Any:
        """Logits `(12, classes)` of nodes `(12, 8)`."""
        x = torch.tanh(self.conv1(self.adjacency @ nodes))
        return self.out(torch.tanh(self.conv2(self.adjacency @ x)))


class Detr(nn.Module):
    """A convolutional backbone, a transformer with object queries, classes and boxes."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1),
            nn.Sequential(nn.BatchNorm2d(8), nn.ReLU()),
            nn.Conv2d(8, WIDTH, 3, stride=2, padding=1),
        )
        self.transformer = nn.Transformer(WIDTH, 2, 1, 1, 2 * WIDTH, dropout=0.0, batch_first=True)
        self.queries = nn.Embedding(3, WIDTH)
        self.classes = nn.Linear(WIDTH, CLASSES)
        self.boxes = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 4))

    def forward(self, images: Tensor) -> tuple[Any, Any]:
        """Logits `(count, 3, classes)` and boxes `(count, 3, 4)`."""
        seen = self.backbone(images).flatten(2).transpose(1, 2)
        asked = self.queries.weight.expand(len(images), -1, -1)
        hidden = self.transformer(seen, asked)
        return self.classes(hidden), self.boxes(hidden).sigmoid()


class Denoiser(nn.Module):
    """A block of a diffusion U-Net: convolutions that are shifted by the time's embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Sequential(nn.Linear(8, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))
        self.down = nn.Sequential(nn.Conv2d(3, WIDTH, 3, padding=1), nn.GroupNorm(4, WIDTH))
        self.middle = nn.Sequential(nn.Conv2d(WIDTH, WIDTH, 3, padding=1), nn.GroupNorm(4, WIDTH))
        self.up = nn.Conv2d(2 * WIDTH, 3, 3, padding=1)

    def waves(self, times: Tensor) -> Tensor:
        """Sines and cosines `(count, 8)` of times `(count,)`."""
        angles = times[:, None].float() / 100 ** (torch.arange(4) / 4)
        return torch.cat([angles.sin(), angles.cos()], 1)

    def forward(self, images: Tensor, times: Tensor) -> Any:
        """The noise in images `(count, 3, height, width)`."""
        shift = self.time(self.waves(times))[:, :, None, None]
        skip = functional.silu(self.down(images) + shift)
        x = functional.silu(self.middle(functional.avg_pool2d(skip, 2)))
        return self.up(torch.cat([functional.interpolate(x, scale_factor=2.0), skip], 1))


class Clip(nn.Module):
    """A tower for images, a tower for texts, and the scale of their likeness."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Sequential(
            nn.Conv2d(3, WIDTH, 4, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.image_projection = nn.Linear(WIDTH, WIDTH, bias=False)
        self.text = nn.Sequential(
            nn.Embedding(VOCABULARY, WIDTH), nn.Linear(WIDTH, WIDTH), nn.LayerNorm(WIDTH)
        )
        self.text_projection = nn.Linear(WIDTH, WIDTH, bias=False)
        self.logit_scale = nn.Parameter(torch.tensor(2.0))

    def of_images(self, images: Tensor) -> Tensor:
        """Unit vectors `(count, width)`."""
        return functional.normalize(self.image_projection(self.visual(images)), dim=-1)

    def of_texts(self, tokens: Tensor) -> Tensor:
        """Unit vectors `(count, width)`."""
        return functional.normalize(self.text_projection(self.text(tokens).mean(1)), dim=-1)

    def forward(self, images: Tensor, tokens: Tensor) -> Any:
        """Likenesses `(count, count)` of images and texts."""
        return self.logit_scale.exp() * self.of_images(images) @ self.of_texts(tokens).T
