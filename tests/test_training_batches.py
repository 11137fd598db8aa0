"""Batches: functions of seed and step alone, and what they hold is what the labels say."""

import numpy as np
import pytest
import torch

from model.people.attributes import ATTRIBUTES
from model.text_mask import MASK_ID
from model.training.augment import through_a_camera
from model.training.batches import masked, prefetched
from model.training.recipe import load_recipe
from model.training.synthetic import SyntheticBatches, kept_people, labels, paint_people, visible

TINY = [
    "steps=4",
    "batch_size=4",
    "data.shapes=4",
    "data.views=1",
    "data.looks=2",
    "data.validation_identities=2",
]


@pytest.fixture(scope="module")
def source():
    recipe = load_recipe("demo_pretrain", TINY)
    return SyntheticBatches(recipe, paint_people(recipe.data), (160, 64))


def same(first, second):
    return (
        torch.equal(first.pixels, second.pixels)
        and torch.equal(first.ids, second.ids)
        and torch.equal(first.attributes.image, second.attributes.image)
        and torch.equal(first.attributes.text, second.attributes.text)
    )


def test_a_batch_depends_on_the_step_alone(source):
    assert same(source.batch(2), source.batch(2))
    assert not torch.equal(source.batch(2).pixels, source.batch(3).pixels)


def test_worker_processes_change_nothing(source):
    alone = [source.batch(step) for step in range(1, 4)]
    apart = list(prefetched(source, 1, 4, workers=2))
    assert len(apart) == 3
    assert all(same(one, other) for one, other in zip(alone, apart, strict=True))


def test_the_same_people_whatever_the_number_of_processes():
    data = load_recipe("demo_pretrain", TINY).data
    one, two = paint_people(data, 1), paint_people(data, 2)
    assert len(one) == 8
    assert np.array_equal(one.pictures, two.pictures)
    assert np.array_equal(one.ids, two.ids)


def test_painted_people_come_back_as_they_were_kept(source, tmp_path):
    source.people.save(tmp_path / "people.npz")
    data = load_recipe("demo_pretrain", TINY).data
    kept = kept_people(data, tmp_path / "people.npz", workers=1)
    for name in ("pictures", "seen", "ids", "said"):
        assert np.array_equal(getattr(kept, name), getattr(source.people, name)), name


def test_shapes_of_a_batch(source):
    batch = source.batch(0)
    assert batch.pixels.shape == (4, 3, 160, 64)
    assert batch.pixels.dtype == torch.uint8
    assert batch.attributes.image.shape == batch.attributes.text.shape == (4, len(ATTRIBUTES))
    assert (batch.ids.max(dim=1).values == 49407).all()


def test_what_a_caption_states_is_what_the_picture_shows(source):
    """A stated fact is never another class than the picture's own label."""
    stated = total = 0
    for step in range(8):
        labelled = source.batch(step).attributes
        both = (labelled.text >= 0) & (labelled.image >= 0)
        stated += int((labelled.text == labelled.image)[both].sum())
        total += int(both.sum())
    assert total > 50
    assert stated == total


def test_labels_are_class_numbers_in_order():
    facts = {name: classes[-1] for name, classes in ATTRIBUTES.items() if name != "sex"}
    expected = [-1 if name == "sex" else len(classes) - 1 for name, classes in ATTRIBUTES.items()]
    assert labels(facts) == expected


def test_a_back_view_shows_no_glasses():
    facts = {"facing": "back", "glasses": "glasses", "sex": "man"}
    assert visible(facts) == {"facing": "back", "sex": "man"}
    assert visible(facts | {"facing": "front"})["glasses"] == "glasses"


def test_hidden_words_are_as_many_as_asked_and_never_the_ends():
    recipe = load_recipe("demo_pretrain", ["hidden_words=0.25"])
    ids = torch.full((200, 77), 500)
    ids[:, 0], ids[:, 40], ids[:, 41:] = 49406, 49407, 0
    hidden = masked(ids, recipe, np.random.default_rng(0))
    assert (hidden[:, 0] == 49406).all()
    assert (hidden[:, 40] == 49407).all()
    share = float((hidden[:, 1:40] == MASK_ID).double().mean())
    assert 0.22 < share < 0.28  # 7,800 draws: 0.25 within six standard deviations


def test_augmentation_keeps_size_type_and_the_main_colour():
    picture = np.zeros((256, 128, 3), np.uint8)
    picture[..., 0] = 200
    for seed in range(30):
        seen = through_a_camera(picture, (160, 64), np.random.default_rng(seed))
        assert seen.shape == (160, 64, 3)
        assert seen.dtype == np.uint8
        middle = np.median(seen.reshape(-1, 3), axis=0)
        assert middle.argmax() == 0
