"""Swapped captions: one attribute another, everything else as it was, and never the same meaning."""

import numpy as np
import pytest

from model.training.hard_captions import GROUPS, swapped_caption

MAN = "A man in a dark blue T-shirt, black trousers and white sneakers; he has short hair."


def all_swaps(caption, draws=600):
    """Every caption that so many draws give, or {None}."""
    rng = np.random.default_rng(0)
    return {swapped_caption(caption, rng) for _ in range(draws)}


def words_put_in(caption, old):
    """What stands for `old` in the swaps, where nothing else can be swapped."""
    before, after = caption.split(old)
    found = set()
    for swap in all_swaps(caption):
        assert swap.startswith(before)
        assert swap.endswith(after)
        found.add(swap[len(before) : len(swap) - len(after)])
    return found


@pytest.mark.parametrize(
    ("caption", "old", "some", "never"),
    [
        ("in grey clothes", "grey", {"red", "pink"}, {"grey", "gray", "dark gray", "light grey", "silver"}),
        ("in GRAY clothes", "GRAY", {"RED", "BLACK"}, {"GREY", "GRAY", "grey", "red"}),
        (
            "in dark blue clothes",
            "dark blue",
            {"red", "light blue"},
            {"navy", "blue", "black", "dark red blue"},
        ),
        ("in light-green clothes", "light-green", {"dark green", "red"}, {"green", "lime green", "yellow"}),
        ("in dark orange clothes", "dark orange", {"blue", "white"}, {"dark blue orange", "orange", "red"}),
        ("in trousers", "trousers", {"shorts"}, {"pants", "slacks", "jeans"}),
        ("in pants", "pants", {"shorts"}, {"trousers", "slacks", "leggings"}),
        ("in jeans", "jeans", {"shorts", "leggings"}, {"denims", "pants", "trousers"}),
        ("with a backpack", "backpack", {"handbag", "suitcase"}, {"rucksack", "knapsack", "school bag"}),
        ("with a purse", "purse", {"backpack"}, {"handbag", "tote bag", "shoulder bag", "shopping bag"}),
        (
            "in a t-shirt",
            "t-shirt",
            {"jacket", "dress"},
            {"tee", "shirt", "blouse", "polo shirt", "overcoat"},
        ),
        ("in a dress shirt", "dress shirt", {"coat", "hoodie"}, {"shirt", "t-shirt", "suit", "jacket"}),
        ("in sneakers", "sneakers", {"boots", "sandals"}, {"trainers", "running shoes", "shoes"}),
        ("in dress shoes", "dress shoes", {"boots", "sneakers"}, {"shoes", "loafers", "high heels"}),
        ("in shoes", "shoes", {"sandals"}, {"sneakers", "boots", "high heels"}),
        ("her long wavy locks of hair, long hair", "long hair", {"short hair"}, {"long hair"}),
        ("blonde hair", "blonde", {"black", "red"}, {"blond", "grey", "green", "light brown"}),
        ("a dark-brown-haired one", "dark-brown", {"red", "blond"}, {"black", "brown", "green"}),
        ("hair in a bun", "bun", {"ponytail", "braid"}, {"bun"}),
        ("short-sleeved", "short", {"long", "full"}, {"half", "short"}),
        ("a skirt", "skirt", {"pair of jeans", "pair of shorts"}, {"jeans", "shorts"}),
        ("a pair of pants", "pair of pants", {"skirt", "pair of shorts"}, {"pair of jeans", "shorts"}),
    ],
)
def test_a_word_gives_way_to_another_meaning(caption, old, some, never):
    found = words_put_in(caption, old)
    assert some <= found
    assert not never & found


def test_exactly_one_place_changes():
    known = ("dark blue", "T-shirt", "black", "trousers", "white", "sneakers", "short")
    for swap in all_swaps(MAN):
        ways = [
            swap.startswith(MAN[: MAN.index(old)]) and swap.endswith(MAN[MAN.index(old) + len(old) :])
            for old in known
        ]
        assert swap != MAN
        assert any(ways), swap


def test_every_place_gets_its_turn():
    known = ("dark blue", "T-shirt", "black", "trousers", "white", "sneakers", "short hair")
    swaps = all_swaps(MAN)
    assert all(any(old not in swap for swap in swaps) for old in known)


@pytest.mark.parametrize(
    "caption",
    [
        "",
        "A young man is walking along.",
        "A black man with a bald head.",
        "Two white women, one black lady and a black person.",
        "He is redhanded, well-suited and reddish; a mangreen, greenery, shirtless one.",
        "The blue-eyed long queue in short order is carrying a bag.",
        "She is his wife; her dresser.",
    ],
)
def test_a_caption_without_a_known_word_has_no_swap(caption):
    assert all_swaps(caption, draws=20) == {None}


@pytest.mark.parametrize(
    ("caption", "begins"),
    [("Red coats", str.istitle), ("RED coats", str.isupper), ("red coats", str.islower)],
)
def test_case_is_kept(caption, begins):
    colours = [swap.removesuffix(" coats") for swap in all_swaps(caption)]
    assert len(colours) > 10
    assert all(begins(colour[0]) for colour in colours)
    if caption.startswith("RED"):
        assert all(colour.isupper() for colour in colours)
    else:
        assert all(colour[1:].islower() for colour in colours)


def test_the_capital_of_a_t_shirt_does_not_go_on():
    assert {"jacket", "dress"} <= words_put_in("in a T-shirt", "T-shirt")


def test_a_and_an_stay_right():
    vowels = ("a", "e", "i", "o", "u")
    consonants = words_put_in("in a blue thing", "blue")
    assert len(consonants) > 20
    assert not any(word.startswith(vowels) for word in consonants)
    assert words_put_in("in an orange thing", "orange") == {"off-white", "olive", "olive green", "army green"}
    assert all(word.startswith(vowels) for word in words_put_in("An orange thing", "orange"))


def test_white_space_and_odd_characters_stay():
    for swap in all_swaps("  Ein “red”  shoe\n– ¡café!\t"):
        assert swap.startswith("  Ein “")
        assert swap.endswith("”  shoe\n– ¡café!\t")


def test_the_same_generator_gives_the_same_swap():
    first, second = (
        [swapped_caption(MAN, rng) for _ in range(20)]
        for rng in (np.random.default_rng(5), np.random.default_rng(5))
    )
    assert first == second


def test_the_lists_of_names_are_sound():
    for group in GROUPS:
        names = [name for names in group.names.values() for name in names]
        assert len(set(names)) == len(names)
        assert all(name == name.lower() for name in names)
        sharing = [other.names for other in GROUPS if other.near == group.near]
        known = {meaning for names in sharing for meaning in names}
        assert {meaning for row in group.near for meaning in row} <= known


@pytest.mark.parametrize("group", GROUPS, ids=[next(iter(group.names)) for group in GROUPS])
def test_every_meaning_can_be_swapped(group):
    follows = {"hair": " hair", "sleeve": " sleeve"}
    after = next((text for word, text in follows.items() if word in group.followed_by), " things")
    for names in group.names.values():
        for name in names:
            swaps = all_swaps(f"with {name}{after}", draws=5)
            assert None not in swaps
            assert not swaps & {f"with {other}{after}" for other in names}
