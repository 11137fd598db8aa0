"""The record of a run, for people, for programs and for TensorBoard."""

import json
import sys

import pytest

from model.errors import ConfigError
from model.training.journal import Journal


def test_the_journal_forgets_what_came_after_the_saved_step(tmp_path):
    journal = Journal(tmp_path, 0)
    for step in (10, 20, 30):
        journal.write(step, {"loss": 1.0})
    with journal.path.open("a") as file:
        file.write('{"step": 40, "lo')
    assert [entry["step"] for entry in Journal(tmp_path, 20).entries()] == [10, 20]


def test_figures_keep_six_digits_whatever_their_size(tmp_path):
    journal = Journal(tmp_path, 0)
    journal.write(1, {"learning_rate": 1.23456789e-5, "loss": 123.456789})
    (entry,) = journal.entries()
    assert (entry["learning_rate"], entry["loss"]) == (1.23457e-05, 123.457)


def test_a_process_that_does_not_lead_writes_nothing(tmp_path):
    with Journal(tmp_path, 0, leads=False) as journal:
        journal.write(1, {"loss": 1.0})
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the packages that tensorboard stands on
def test_tensorboard_holds_the_same_figures(tmp_path):
    with Journal(tmp_path, 0, tensorboard=True) as journal:
        for step in (20, 40):
            journal.write(step, {"loss": 0.5 * step})
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    found = [(event.step, event.value) for event in events.Scalars("loss")]
    assert found == [(20, 10.0), (40, 20.0)]
    assert len(json.loads(journal.path.read_text().splitlines()[0])) == 3


def test_without_the_package_tensorboard_is_said_to_be_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match=r"cskt\[tensorboard\]"):
        Journal(tmp_path, 0, tensorboard=True)
