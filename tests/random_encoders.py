"""Random networks of every kind a configuration allows, with weights that leave no term at nought or one."""

import torch
from hypothesis import strategies as st
from torch import nn

from model.adapters import AdapterConfig
from model.adapters.cskt import Cskt, CsktConfig
from model.adapters.dm_adapter import DmAdapterConfig, MixtureOfAdapters
from model.adapters.full import FullConfig
from model.config import BackboneConfig, EncoderConfig, TextConfig, VisionConfig
from model.encoder import PersonEncoder

VOCABULARY = 2_600  # holds the ids that keep the places of all but eight prompts (CSKT), and draws quickly
START, END = VOCABULARY - 2, VOCABULARY - 1
RATIOS = (0.5, 1.0, 2.7, 4.0)


@st.composite
def vision_configs(draw: st.DrawFn) -> VisionConfig:
    """One convolution (patches that overlap, touch or leave gaps) or a stem of one to three stages."""
    heads, layers = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    stem = draw(st.lists(st.integers(3, 9), max_size=3))
    if stem:
        patch = stride = 2 ** (len(stem) + 1)
        size = (stride * draw(st.integers(1, 4)), stride * draw(st.integers(1, 3)))
    else:
        patch, stride = draw(st.integers(2, 8)), draw(st.integers(2, 9))
        size = (patch + draw(st.integers(0, 20)), patch + draw(st.integers(0, 12)))
    return VisionConfig(
        image_size=size,
        patch_size=patch,
        stride=stride,
        width=heads * draw(st.sampled_from((8, 16, 20))),
        layers=layers,
        heads=heads,
        mlp_ratio=draw(st.sampled_from(RATIOS)),
        stem_widths=tuple(stem),
    )


@st.composite
def text_configs(draw: st.DrawFn) -> TextConfig:
    """Contexts from five tokens on."""
    heads = draw(st.integers(1, 3))
    return TextConfig(
        context_length=draw(st.integers(5, 32)),
        vocabulary_size=VOCABULARY,
        width=heads * draw(st.sampled_from((8, 16, 20))),
        heads=heads,
        layers=draw(st.integers(1, 3)),
        mlp_ratio=draw(st.sampled_from(RATIOS)),
    )


@st.composite
def adapter_configs(draw: st.DrawFn, method: str, vision: VisionConfig, text: TextConfig) -> AdapterConfig:
    """Every shape of the method that fits the towers."""
    reduction = draw(st.integers(1, min(vision.width, text.width)))
    scales = {name: draw(st.floats(-2, 4)) for name in ("vision_scale", "text_scale")}
    if method == "cskt":
        prompts = draw(st.integers(1, min(10, (text.context_length - 3) // 2)).filter(lambda n: n != 8))
        return CsktConfig(
            prompts=prompts,
            depth=draw(st.integers(1, max(vision.layers, text.layers))),
            prompts_from_words=prompts <= 8 and draw(st.booleans()),
            reduction=reduction,
            **scales,
        )
    if method == "dm_adapter":
        experts = draw(st.integers(1, 7))
        return DmAdapterConfig(
            experts=experts, top_k=draw(st.integers(1, experts)), reduction=reduction, **scales
        )
    return FullConfig()


@st.composite
def encoder_configs(
    draw: st.DrawFn, methods: tuple[str, ...] = ("full", "cskt", "dm_adapter")
) -> EncoderConfig:
    """Towers that differ, either activation, any method, any normalisation of the pixels."""
    vision, text = draw(vision_configs()), draw(text_configs())
    adapter = draw(adapter_configs(draw(st.sampled_from(methods)), vision, text))
    mean, std = (
        tuple(draw(st.floats(low, 0.7)) for _ in range(3)) for low in (0.0, 0.1)
    )  # fmt: skip
    return EncoderConfig(
        backbone=BackboneConfig(
            name="random",
            embed_dim=draw(st.integers(8, 24)),
            quick_gelu=draw(st.booleans()),
            vision=vision,
            text=text,
        ),
        adapter=adapter,
        mean=mean,
        std=std,
    )


def random_encoder(config: EncoderConfig, seed: int) -> PersonEncoder:
    """In evaluation mode, without gradients, the same weights for the same seed."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        encoder = PersonEncoder(config).eval().requires_grad_(False)
        for name, parameter in encoder.named_parameters():
            _draw(name, parameter)
        for module in encoder.modules():
            if isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
                module.weight.normal_(1, 0.4)
                module.bias.normal_(0, 0.3)
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.5)  # type: ignore[union-attr]
                module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
            if isinstance(module, MixtureOfAdapters):
                module.alpha.uniform_(-0.5, 1.5)
        if isinstance(encoder.adapter, Cskt):
            encoder.adapter.backbone_loaded(encoder.text.token_embedding.weight)
    return encoder


def _draw(name: str, parameter: torch.Tensor) -> None:
    """Products that keep a stream of length one about as long, and biases that count."""
    if name.endswith(("_embedding", "embedding.weight", "prompt")) or "prompts" in name:
        parameter.normal_(0, 0.5)
    elif name.endswith(("proj", "projection")):  # (width, embed_dim)
        parameter.normal_(0, parameter.shape[0] ** -0.5)
    elif parameter.ndim < 2:
        parameter.normal_(0, 0.3)
    else:
        parameter.normal_(0, parameter[0].numel() ** -0.5)


def random_bytes(config: EncoderConfig, count: int, seed: int) -> torch.Tensor:
    """Pictures (count, height, width, 3): a black one, a white one, noise."""
    shape = (count, *config.backbone.vision.image_size, 3)
    pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    pixels[0], pixels[1] = 0, 255
    return pixels


def normalised(config: EncoderConfig, pixels: torch.Tensor) -> torch.Tensor:
    """What the training form reads of bytes: (count, 3, height, width) in float32."""
    mean, std = torch.tensor(config.mean), torch.tensor(config.std)
    return ((pixels.float() / 255 - mean) / std).permute(0, 3, 1, 2)


def random_captions(config: EncoderConfig, lengths: list[int], seed: int) -> torch.Tensor:
    """Ids (captions, context), `lengths` tokens each with start and end; the last has a second end token."""
    context, random = config.backbone.text.context_length, torch.Generator().manual_seed(seed)
    ids = torch.zeros(len(lengths), context, dtype=torch.long)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(1, START, (length,), generator=random)
        ids[row, 0], ids[row, length - 1] = START, END
    ids[-1, -1] = END
    return ids


def relative(given: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest length of a row's difference over the row's own length."""
    given, expected = given.double(), expected.double()
    return float(((given - expected).norm(dim=-1) / expected.norm(dim=-1)).max())
