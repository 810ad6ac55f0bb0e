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
from bench.audit_study.architectures.scenes import (
    Clip,
    ConvMixer,
    Denoiser,
    Detr,
    GraphNet,
    PointNet,
    RegisterVit,
    regnet,
    squeezenet,
    swin_v2,
)
from bench.audit_study.architectures.sequences import T5, Conformer, Perceiver, Rwkv, WaveNet
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
    "T5",
    "WIDTH",
    "Bert",
    "Clip",
    "Conformer",
    "ConvMixer",
    "ConvNext",
    "Denoiser",
    "Detr",
    "Experts",
    "Gan",
    "Gpt",
    "GraphNet",
    "LoraLinear",
    "Mixer",
    "NormFreeNet",
    "Perceiver",
    "PointNet",
    "RegisterVit",
    "Rwkv",
    "Siamese",
    "SpectralConv",
    "Tagger",
    "Translator",
    "UNet",
    "Vgg",
    "WaveNet",
    "densenet",
    "efficientnet_b",
    "hub_bert",
    "hub_gpt2",
    "mobilenet_v3",
    "regnet",
    "resnet18",
    "short_resnet",
    "shufflenet",
    "squeezenet",
    "swin",
    "swin_v2",
    "vit",
]
