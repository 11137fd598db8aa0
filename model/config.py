"""What rebuilds a network: frozen, validated descriptions of CLIP's two towers and of the adapter on them."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from model.adapters import AdapterConfig
from model.adapters.adapter import TowerShape

OPENAI_MEAN = (0.48145466, 0.4578275, 0.40821073)
OPENAI_STD = (0.26862954, 0.26130258, 0.27577711)
PERSON_IMAGE_SIZE = (384, 128)


Deviation = Annotated[float, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class VisionConfig(_Part):
    """CLIP's vision transformer; `image_size` is (height, width) in pixels.

    `stem_widths` empty means CLIP's single convolution of `patch_size` with `stride` (patches overlap when
    the stride is smaller); otherwise model.stem.ConvolutionalStem, whose halvings must multiply up to
    `stride`.
    """

    image_size: tuple[int, int]
    patch_size: int = Field(gt=0)
    stride: int = Field(gt=0)
    width: int = Field(gt=0)
    layers: int = Field(gt=0)
    heads: int = Field(gt=0)
    mlp_ratio: float = Field(default=4.0, gt=0)
    stem_widths: tuple[int, ...] = ()

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        height, width = self.image_size
        if self.stem_widths:
            return height // self.stride, width // self.stride
        return (height - self.patch_size) // self.stride + 1, (width - self.patch_size) // self.stride + 1

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"vision width {self.width} is not divisible by {self.heads} heads")
        if self.stem_widths:
            total = 2 ** (len(self.stem_widths) + 1)
            if total != self.stride or any(side % total for side in self.image_size):
                raise ValueError(
                    f"a stem of widths {self.stem_widths} reduces {total}-fold: stride must be {total} and "
                    f"divide the image size {self.image_size}"
                )
        elif min(self.image_size) < self.patch_size:
            raise ValueError(f"image size {self.image_size} is smaller than one patch of {self.patch_size}")
        return self


class TextConfig(_Part):
    """CLIP's causal text transformer."""

    context_length: int = Field(default=77, gt=2)
    vocabulary_size: int = Field(default=49408, gt=0)
    width: int = Field(gt=0)
    heads: int = Field(gt=0)
    layers: int = Field(gt=0)
    mlp_ratio: float = Field(default=4.0, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"text width {self.width} is not divisible by {self.heads} heads")
        return self


class BackboneConfig(_Part):
    """One CLIP: `name` is for people only; `quick_gelu` as in OpenAI's weights."""

    name: str
    embed_dim: int = Field(gt=0)
    quick_gelu: bool = True
    vision: VisionConfig
    text: TextConfig

    @property
    def vision_shape(self) -> TowerShape:
        """What an adapter must know of the vision tower."""
        return TowerShape(width=self.vision.width, layers=self.vision.layers)

    @property
    def text_shape(self) -> TowerShape:
        """What an adapter must know of the text tower."""
        return TowerShape(width=self.text.width, layers=self.text.layers)


class EncoderConfig(_Part):
    """Everything that rebuilds a PersonEncoder; `mean` and `std` normalise RGB in 0..1."""

    backbone: BackboneConfig
    adapter: AdapterConfig
    mean: tuple[float, float, float] = OPENAI_MEAN
    std: tuple[Deviation, Deviation, Deviation] = OPENAI_STD

    @model_validator(mode="after")
    def _fits(self) -> Self:
        self.adapter.check(
            self.backbone.vision_shape, self.backbone.text_shape, self.backbone.text.context_length
        )
        return self
