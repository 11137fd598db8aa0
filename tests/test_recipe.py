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
    length = recipe.epochs if recipe.schedule.unit == "epoch" else recipe.steps
    assert length == 0 or recipe.schedule.warmup < length
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
        ("demo_pretrain", ["initial=elsewhere"], "exactly one of .encoder. and initial"),
        ("demo_pretrain", ["epochs=3"], "exactly one of steps and epochs"),
        ("demo_pretrain", ["schedule.unit=epoch"], "schedule_steps needs"),
        ("demo_pretrain", ['losses=[{kind="hard_captions"}]'], "needs captioned data"),
        ("demo_pretrain", ["data.kind=captioned"], "at 'data.captioned.name': Field required"),
        ("cskt", ['losses=[{kind="sdm"},{kind="sdm"}]'], "each loss is given once"),
        ("cskt", ['losses=[{kind="balance"}]'], "DM-Adapter's routers"),
        ("cskt", ['losses=[{kind="attributes",classes={sex=2}}]'], "needs synthetic people"),
        ("cskt", ["data.sampler=identity", "data.per_identity=200"], "must be a multiple of it"),
        ("cskt", ["data.sampler=identity", "data.per_identity=3"], "128 cannot be filled .* = 3 captions"),
        ("cskt", ["seed=-1"], "at 'seed'"),
        ("cskt", ["seed=18446744073709551616"], "at 'seed'"),
        ("demo_pretrain", ["data.validation_seed=-1"], "validation_seed'"),
        ("cskt", ["optimizer.betas=[1.5, 0.9]"], "at 'optimizer.betas.0'"),
        ("cskt", ["optimizer.learning_rate=inf"], "at 'optimizer.learning_rate'"),
        ("cskt", ["data.augmentation.erase_area=[0.9, 0.1]"], r"erase_area is \[0.9, 0.1\]; give the least"),
        ("cskt", ["data.augmentation.erase_ratio=[0, 3]"], r"erase_ratio is \[0.0, 3.0\]; give the least"),
        ("demo_pretrain", ["encoder.std=[0, 0, 0]"], "at 'encoder.std.0'"),
        ("demo_pretrain", ["adapter.reduction=9999"], r"beside .encoder. give .encoder.adapter."),
        ("demo_pretrain", ["adapter.method=nonsense"], r"beside .encoder. give .encoder.adapter."),
        ("demo_pretrain", ['losses=[{kind="identity"}]'], "needs captioned data"),
        ("demo_pretrain", ["noise_robust=1"], "weighs the pairs of the losses sdm and tal"),
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


def test_an_empty_override_takes_an_entry_out():
    assert load_recipe("cskt", ["epochs=", "steps=9"]).steps == 9


def test_a_recipe_stands_on_another_table_by_table(tmp_path):
    (tmp_path / "child.toml").write_text('extends = "dm_adapter"\nseed = 5\n[adapter]\nexperts = 3\n')
    child, parent = load_recipe(str(tmp_path / "child.toml")), load_recipe("dm_adapter")
    assert child.adapter == {"method": "dm_adapter", "experts": 3}
    assert child.model_copy(update={"name": parent.name, "seed": 1, "adapter": parent.adapter}) == parent


def test_a_recipe_that_stands_on_itself_is_refused(tmp_path):
    path = tmp_path / "circle.toml"
    path.write_text(f'extends = "{path}"\n')
    with pytest.raises(ConfigError, match="extends itself"):
        load_recipe(str(path))


PAPERS = [(method, short) for method in ("cskt", "dm_adapter", "full") for short in ("cuhk", "icfg", "rstp")]


@pytest.mark.parametrize(("method", "short"), PAPERS)
def test_the_papers_recipes_are_the_published_ones(method, short):
    """What the papers and their released scripts say of their runs."""
    recipe = load_recipe(f"{method}_{short}")
    assert recipe.data.name == {"cuhk": "cuhk_pedes", "icfg": "icfg_pedes", "rstp": "rstp_reid"}[short]
    assert recipe.initial == "openclip:ViT-B-16-quickgelu/openai"
    assert recipe.epochs == 60
    assert recipe.batch_size == (64 if method == "full" else 128)
    optimizer = recipe.optimizer
    assert optimizer.learning_rate == (1e-5 if method == "full" else 3e-4)
    assert (optimizer.kind, optimizer.eps, optimizer.weight_decay) == ("adam", 1e-3, 4e-5)
    schedule = recipe.schedule
    assert (schedule.mode, schedule.unit, schedule.warmup, schedule.warmup_factor) == (
        "cosine",
        "epoch",
        5,
        0.1,
    )
    kinds = {"cskt": ["sdm"], "dm_adapter": ["sdm", "balance"], "full": ["itc"]}[method]
    assert [loss.kind for loss in recipe.losses] == kinds
    assert recipe.published_text_mask == (method == "dm_adapter")
    assert not recipe.paper_protocol


def test_every_line_of_the_papers_recipes_says_why():
    for path in sorted(RECIPES.glob("*.toml")):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
            entry = (
                "=" in line
                and not line.startswith(("purpose", "seed", "extends"))
                and "demo" not in path.stem
            )
            assert not entry or "#" in line or "kind = " in line or "name = " in line, f"{path.name}:{number}"
