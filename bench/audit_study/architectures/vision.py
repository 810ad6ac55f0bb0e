"""torchvision's own models, narrow enough that a step takes milliseconds."""

from __future__ import annotations

from typing import Any

from torch import nn
from torchvision.models import (
    DenseNet,
    ResNet,
    ShuffleNetV2,
    SwinTransformer,
    VisionTransformer,
    efficientnet,
    mobilenetv3,
    resnet,
    vgg,
)

from bench.audit_study.batches import CLASSES


def resnet18() -> Any:
    """The model as it is, for images of any size."""
    return resnet.resnet18(num_classes=CLASSES)


def short_resnet(**options: Any) -> Any:
    """A ResNet of four basic blocks."""
    return ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=CLASSES, **options)


def mobilenet_v3() -> Any:
    """MobileNetV3 (small) at a quarter of its width; dropout in its classifier."""
    return mobilenetv3.mobilenet_v3_small(width_mult=0.25, num_classes=CLASSES)


def densenet() -> Any:
    """A DenseNet of two dense blocks of two layers each."""
    return DenseNet(8, (2, 2), 16, num_classes=CLASSES)


def efficientnet_b(stochastic_depth: float = 0.0) -> Any:
    """EfficientNet's blocks, three of them; dropout in its classifier."""
    blocks = [
        efficientnet.MBConvConfig(1, 3, 1, 8, 8, 1),
        efficientnet.MBConvConfig(4, 3, 2, 8, 16, 2),
        efficientnet.MBConvConfig(4, 5, 2, 16, 24, 1),
    ]
    return efficientnet.EfficientNet(
        blocks, dropout=0.2, stochastic_depth_prob=stochastic_depth, num_classes=CLASSES
    )


def shufflenet() -> Any:
    """ShuffleNetV2, narrow."""
    return ShuffleNetV2([2, 2, 2], [8, 16, 32, 64, 64], num_classes=CLASSES)


def swin() -> Any:
    """A Swin transformer of two stages, without stochastic depth; images of 16 by 16."""
    return SwinTransformer(
        [4, 4], 16, [2, 2], [2, 2], [2, 2], stochastic_depth_prob=0.0, num_classes=CLASSES
    )


def vit(dropout: float = 0.0) -> Any:
    """A vision transformer of two layers, its head not at zero; images of 16 by 16."""
    model = VisionTransformer(16, 8, 2, 2, 16, 32, dropout=dropout, num_classes=CLASSES)
    nn.init.normal_(model.heads.head.weight, std=0.1)
    return model


class Vgg(nn.Module):
    """VGG's convolutions with BatchNorm, and a classifier with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.features: nn.Module = vgg.make_layers([8, "M", 16, "M"], batch_norm=True)
        self.avgpool = nn.AdaptiveAvgPool2d(2)
        self.classifier = nn.Sequential(
            nn.Linear(64, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, CLASSES)
        )

    def forward(self, images: Any) -> Any:
        """Logits `(count, classes)`."""
        return self.classifier(self.avgpool(self.features(images)).flatten(1))
