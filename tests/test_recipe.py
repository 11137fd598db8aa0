"""Recipes: what is shipped loads, what does not fit is said in one sentence."""

import pytest

from model.errors import ConfigError
from model.people.attributes import ATTRIBUTES
from model.training.recipe import RECIPES, SyntheticPeopleData, load_recipe


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_every_shipped_recipe_loads_and_says_its_purpose(path):
    recipe = load_recipe(path.stem)
    assert recipe.name == path.stem
    assert len(recipe.purpose) > 20
    assert recipe.schedule.warmup < recipe.steps
    assert not isinstance(recipe.data, SyntheticPeopleData) or recipe.data.shapes >= recipe.batch_size


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.toml")), ids=lambda path: path.stem)
def test_attribute_classes_are_those_of_the_synthetic_people(path):
    named = [loss.classes for loss in load_recipe(path.stem).losses if loss.kind == "attributes"]
    assert all(classes == {name: len(values) for name, values in ATTRIBUTES.items()} for classes in named)


def test_overrides_reach_nested_entries():
    recipe = load_recipe("demo_pretrain", ["steps=7", "data.shapes=200", "optimizer.learning_rate=0.5"])
    assert (recipe.steps, recipe.data.shapes, recipe.optimizer.learning_rate) == (7, 200, 0.5)


@pytest.mark.parametrize(
    ("name", "overrides", "said"),
    [
        ("no_such_recipe", [], "demo_pretrain"),
        ("demo_pretrain", ["steps=-1"], "steps"),
        ("demo_pretrain", ["stepz=1"], "stepz"),
        ("demo_pretrain", ["steps"], "--set takes"),
        ("demo_pretrain", ["purpose.of=1"], "not a table"),
        ("demo_pretrain", ["initial=elsewhere"], "exactly one"),
    ],
)
def test_what_does_not_fit_is_named(name, overrides, said):
    with pytest.raises(ConfigError, match=said):
        load_recipe(name, overrides)


def test_a_file_that_is_no_toml_is_named(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text("steps = = 3", "utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_recipe(str(path))
