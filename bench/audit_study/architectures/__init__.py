"""What is trained in the study; images are 16 by 16, texts of 8 tokens."""

from bench.audit_study.architectures.fourier import SpectralConv
from bench.audit_study.architectures.hub import INSTALLED, hub_bert, hub_gpt2
from bench.audit_study.architectures.language import (
    WIDTH,
    Bert,
    Gpt,
    LoraLinear,
    Tagger,
    Translator,
)
from bench.audit_study.architectures.pairs import Experts, Gan, Siamese, UNet
from bench.audit_study.architectures.timm_like import ConvNext, Mixer, NormFreeNet
from bench.audit_study.architectures.vision import (
    Vgg,
    densenet,
    efficientnet_b,
    mobilenet_v3,
    resnet18,
    short_resnet,
    shufflenet,
    swin,
    vit,
)

__all__ = [
    "INSTALLED",
    "WIDTH",
    "Bert",
    "ConvNext",
    "Experts",
    "Gan",
    "Gpt",
    "LoraLinear",
    "Mixer",
    "NormFreeNet",
    "Siamese",
    "SpectralConv",
    "Tagger",
    "Translator",
    "UNet",
    "Vgg",
    "densenet",
    "efficientnet_b",
    "hub_bert",
    "hub_gpt2",
    "mobilenet_v3",
    "resnet18",
    "short_resnet",
    "shufflenet",
    "swin",
    "vit",
]
