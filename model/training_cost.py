"""What a training step of CSKT or DM-Adapter must compute and keep, by count: the floor beside measurements.

Matrix products alone, two operations for each multiplication; of the frozen weights only the gradient of
what they are applied to. In DM-Adapter nothing before the first adapter is trained, so the first block's
attention and MLP need no backward pass.
"""

from dataclasses import dataclass

from model.adapters.cskt import CsktConfig
from model.adapters.dm_adapter import DmAdapterConfig
from model.config import EncoderConfig, TextConfig, VisionConfig

FLOAT_BYTES = 4


@dataclass(frozen=True)
class Cost:
    """Operations and bytes of a step; the bytes are those the backward pass needs without recomputing."""

    operations: int
    kept: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.operations + other.operations, self.kept + other.kept)


def training_cost(config: EncoderConfig, text_tokens: int, one_token: bool) -> Cost:
    """One image and one caption of `text_tokens` (start, end and padding counted, as far as it is run).

    `one_token`: of the last block only one token goes through the MLP and the adapter's bottleneck.
    """
    vision, text, adapter = config.backbone.vision, config.backbone.text, config.adapter
    rows, columns = vision.grid
    prompts = 2 * adapter.prompts if isinstance(adapter, CsktConfig) else 0
    patches = Cost(2 * rows * columns * vision.width * 3 * vision.patch_size**2, 0)
    image = _tower_cost(config, vision, 1 + rows * columns + prompts, one_token)
    return patches + image + _tower_cost(config, text, text_tokens, one_token)


def _tower_cost(
    config: EncoderConfig, tower: VisionConfig | TextConfig, tokens: int, one_token: bool
) -> Cost:
    adapter, width, layers = config.adapter, tower.width, tower.layers
    if not isinstance(adapter, CsktConfig | DmAdapterConfig):
        raise ValueError(f"no cost is known of method {adapter.method}")
    hidden = int(tower.mlp_ratio * width)
    whole = layers - 1 + 1 / tokens if one_token else layers  # MLPs and adapters in full
    bottleneck, untrained, normalised = width // adapter.reduction, 0, whole
    if isinstance(adapter, DmAdapterConfig):
        bottleneck, untrained, normalised = bottleneck * adapter.top_k, 1, layers  # routers see all tokens
    projections, scores = 2 * 4 * width**2, 4 * tokens * width
    per_token = (
        projections * (2 * layers - untrained)
        + scores * (3 * layers - 2 * untrained)
        + 4 * width * hidden * (2 * whole - untrained)
        + 4 * width * bottleneck * 3 * whole
    )
    stream_and_attention = 5 * width * (layers - untrained)  # queries, keys, values and their mixture
    stream_and_adapter = 2 * width * normalised + bottleneck * whole  # its normalised input, hidden units
    kept = stream_and_attention + stream_and_adapter + hidden * (whole - untrained)
    return Cost(round(tokens * per_token), round(tokens * kept * FLOAT_BYTES))
