"""Plain CLIP with every weight trained: the baseline, and what an own encoder is pretrained with."""

from typing import Literal

from model.adapters.adapter import Adapter, MethodConfig, TowerShape


class FullConfig(MethodConfig):
    """No adapter; the backbone itself is trained."""

    method: Literal["full"] = "full"

    def build(self, vision: TowerShape, text: TowerShape) -> "Full":
        """A module without parameters."""
        return Full()


class Full(Adapter):
    """Adds nothing to CLIP and lets all of it train."""

    trains_backbone = True
