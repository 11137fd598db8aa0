"""What the tests of `cskt export` export, on what, and forms that are off by a known amount."""

import torch
from small_encoder import small_encoder

from model import embedder as embedder_module
from model.checkpoint import save_checkpoint
from model.inference import precision as precision_module
from model.inference.form import build_form
from model.people.write import PeopleOrder, write_people
from service.cli import build_parser

CPU = torch.device("cpu")


def write_data(folder):
    """Six painted people with two small pictures each, all of them test; what --data takes."""
    write_people(PeopleOrder(folder, 6, 2, 11, split="test", height=96, width=48), workers=1)
    return f"folder:{folder}"


def write_source(folder):
    """A small encoder to export."""
    save_checkpoint(folder, small_encoder().eval(), card={"made": "by a test"}, half=True)
    return folder


class Noisy:
    """A form whose features are off by `far` of their length, as a coarse precision would make them."""

    def __init__(self, exact, far):
        self.exact, self.far = exact, far

    def encode_image(self, pixels):
        return self._off(self.exact.encode_image(pixels))

    def encode_text(self, ids):
        return self._off(self.exact.encode_text(ids))

    def _off(self, features):
        noise = torch.randn(features.shape, generator=torch.Generator().manual_seed(0))
        return features + self.far * noise * features.norm(dim=1, keepdim=True) / features.shape[1] ** 0.5


def pretend(monkeypatch, **far):
    """Any machine has the named precisions; their forms are off by so much."""

    def build(encoder, precision, device, scales=None):
        exact = build_form(encoder, "float32", device)
        return Noisy(exact, far[precision]) if precision in far else exact

    monkeypatch.setattr(embedder_module, "build_form", build)
    monkeypatch.setattr(precision_module, "precisions_of", lambda device: (*far, "float32"))


def export(*words):
    """Run the command on the CPU."""
    arguments = build_parser().parse_args(["export", *map(str, words), "--device", "cpu", "--workers", "1"])
    return arguments.run(arguments)
