"""What the tests of training share: pairs to train on, and a run on them that was never stopped."""

import pytest
from training_toys import EVERYTHING, pairs_recipe, write_pairs

from model.training.loop import train


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A data set of pairs; no test changes it."""
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs")


@pytest.fixture(scope="session")
def whole(folder, tmp_path_factory):
    """The folder of a finished run; no test changes it."""
    out = tmp_path_factory.mktemp("whole")
    train(pairs_recipe(folder, **EVERYTHING), out, workers=0)
    return out
