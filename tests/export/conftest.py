"""What the tests of `cskt export` share: people, an encoder, precisions that are off by a known amount."""

from functools import partial

import pytest
from export_toys import pretend, write_data, write_source

from model.inference import parity


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """Six painted people, as --data takes them; no test changes them."""
    return write_data(tmp_path_factory.mktemp("people") / "data")


@pytest.fixture(autouse=True)
def few_captions_are_enough(monkeypatch):
    """The twelve pictures of `data` may prove a form."""
    monkeypatch.setattr(parity, "LEAST_CAPTIONS", 1)


@pytest.fixture
def source(tmp_path):
    """The folder of a small encoder."""
    return write_source(tmp_path / "run")


@pytest.fixture
def pretended(monkeypatch):
    """Called with how far the form of each precision is off, as in `pretended(bfloat16=0.01)`."""
    return partial(pretend, monkeypatch)
