"""What is refused and what is let through: hundreds of sentences of each, and tricks with letters."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
from keyed_service import headers, keyed, make

from model.people.cameras import NEUTRAL
from model.people.captions import describe
from model.people.looks import sample_look
from model.people.render import render_view
from model.people.shapes import sample_shape
from service.casework.cases import CaseStore
from service.casework.protected_text import check_words, protected
from service.errors import ProtectedTrait
from service.scopes import Scope

WORN = ("in a red coat", "with a backpack", "wearing black trousers", "carrying a white bag")
ASKED = (
    "a muslim {}",
    "a jewish {}",
    "a {} of african origin",
    "an asian {}",
    "a black {}",
    "a white {}",
    "an arab {}",
    "a young black {}",
    "a {} with dark skin",
    "a dark-skinned {}",
    "a {} with a fair skin tone",
    "a gay {}",
    "a disabled {}",
    "an autistic {}",
    "a {} who looks chinese",
    "a turkish {}",
    "a hispanic {}",
    "a communist {}",
    "an immigrant {}",
    "a {} of mixed race",
    "a sikh {}",
    "a brown {}",
    "the {} has a pale complexion",
    "a {} who is black",
    "a {} from africa",
    "a negro {}",
    "a religious {}",
    "a {} with a disability",
)
ELSEWHERE = (
    "ein schwarzer Mann mit Rucksack",
    "eine muslimische Frau? eine Muslimin",
    "dunkelhäutiger Mann",
    "ein Türke",
    "un homme noir avec un sac",
    "une femme musulmane? une musulmane",
    "un homme à la peau foncée",
    "une arabe",
    "un hombre negro con mochila",
    "una mujer judía",
    "piel oscura",
    "un gitano",
    "un uomo nero",
    "un musulmano",
    "una donna con la pelle scura",
    "una donna ebrea",
    "een zwarte man",
    "een moslim",
    "een joods meisje",
)
TRICKS = (
    "a m u s l i m man",
    "a m-u-s-l-i-m man",
    "a mus\u200blim man",
    "a ｍｕｓｌｉｍ man",
    "a musIim man in red muslim",
    "a g@y man",
    "a musl1m man",
    "a BLACK MAN",
    "a bläck man",
    "a \u0430sian man",
    "an a.s.i.a.n man",
)
NOUNS = (
    "religion",
    "christianity",
    "islam",
    "buddhism",
    "homosexuality",
    "a negro",
    "somebody of any religion",
    "a man that looks white",
)
GARMENTS = ("coat", "jacket", "t-shirt", "dress", "skirt", "trousers", "hat", "bag", "backpack", "shoes")
COLOURS = ("black", "white", "brown", "dark blue", "pale grey", "yellow", "olive", "red", "green")
FINE = (
    "a man in black",
    "a woman in white",
    "a man in white and a woman in black, man behind them",
    "a black-haired man",
    "a woman with black hair",
    "a man with brown hair and white shoes",
    "a dark-haired boy",
    "a woman wearing a headscarf",
    "a man with a turban",
    "a man with a kippah",
    "a cross on a necklace",
    "a person in a wheelchair",
    "a man with a walking stick",
    "a woman with a white cane",
    "a woman in a nun's habit",
    "a girl in an Indian dress",
    "a man in a Scottish kilt",
    "an American football shirt",
    "a Chinese fan",
    "a German shepherd dog on a leash",
    "a leopard skin bag",
    "skin-tight jeans",
    "skinny black jeans",
    "skin colour tights",
    "a racing jacket",
    "a white lady's hat",
    "the white man's shirt",
    "a brown leather bag",
    "a man wearing a black and white striped shirt",
    "a black Labrador",
    "a man who is black haired",
    "a woman who is black clad",
    "a person who is dressed in black",
    "a man who is in white",
    "a man seen from behind",
    "un abrigo negro",
    "a woman from the left",
    "rainbow flag bag",
    "ein Mann mit schwarzer Jacke",
    "une femme en manteau noir",
    "una mujer con abrigo negro",
    "een man in zwarte jas",
)


def refused(text: str) -> bool:
    return next(protected(text), None) is not None


def test_what_asks_for_a_protected_trait_is_refused() -> None:
    persons = ("man", "woman", "boy", "person")
    sentences = [f"{ask.format(who)} {worn}" for ask, who, worn in product(ASKED, persons, WORN)]
    sentences += [*ELSEWHERE, *TRICKS, *NOUNS]
    assert len(sentences) > 300
    assert [sentence for sentence in sentences if not refused(sentence)] == []


def test_what_describes_clothes_is_let_through() -> None:
    sentences = [
        f"a {who} in a {colour} {garment} and {other} shoes, {worn}"
        for who, colour, garment, other, worn in product(
            ("man", "young woman", "tall person"), COLOURS, GARMENTS, ("black", "white"), WORN[:2]
        )
    ]
    sentences += [f"the {who} wears a {c} {g}" for who, c, g in product(("man", "lady"), COLOURS, GARMENTS)]
    sentences += FINE
    assert len(sentences) > 600
    assert [(text, *protected(text)) for text in sentences if refused(text)] == []


def test_captions_of_synthetic_people_are_let_through() -> None:
    captions = []
    for seed in range(40):
        domain, draws = ("base", "shifted")[seed % 2], [np.random.default_rng([3, seed, n]) for n in range(4)]
        shape = sample_shape(draws[0], domain)
        look = sample_look(draws[1], shape, domain)
        view = render_view(shape, draws[2], 96, 48, camera=NEUTRAL)
        captions += [describe(shape, look, view, draws[3], domain) for _ in range(5)]
    assert len(set(captions)) > 150
    assert [(text, *protected(text)) for text in captions if refused(text)] == []


def test_the_sentence_names_the_words_and_the_trait() -> None:
    with pytest.raises(ProtectedTrait, match=r"“black man” ask for origin or skin.*describe clothes"):
        check_words(["a red coat", "a young black man"])
    check_words([])


def test_searches_of_casework_are_refused_on_record_and_others_are_not(tmp_path: Path) -> None:
    later = "2999-01-01T00:00:00.000Z"
    with keyed(tmp_path / "casework", profile="casework") as (client, store):
        CaseStore(tmp_path / "casework").begin("c", "report", later)
        key, auditor = make(store, Scope.SEARCH), make(store, Scope.AUDIT)
        shown = headers(key) | {"Cskt-Case": "c", "Cskt-Purpose": "looking"}
        while client.post("/v1/search", json={"text": "coat"}, headers=shown).status_code != 200:
            pass
        bodies = [
            {"text": "an asian woman"},
            {"parts": [{"text": "coat"}, {"text": "a muslim man", "weight": -1}]},
            {"text": "coat", "filter": {"attributes": {"ethnicity": "any"}}},
            {"text": "coat", "filter": {"where": "religion = jewish"}},
            {"text": "coat", "filter": {"where": "coat = red or not (hat = true and religion exists)"}},
            {"text": "coat", "filter": {"where": 'belief = "\\u006duslim"'}},
        ]
        for body in bodies:
            answer = client.post("/v1/search", json=body, headers=shown)
            assert answer.status_code == 422
            assert answer.json()["type"] == "urn:cskt:problem:protected-trait"
        batch = client.post("/v1/search/batch", json={"searches": [{"text": "coat"}, *bodies]}, headers=shown)
        first, *others = batch.json()["answers"]
        assert first["problem"] is None
        assert {one["problem"]["type"] for one in others} == {"urn:cskt:problem:protected-trait"}
        assert (
            client.post("/v1/embeddings", json={"input": ["coat", "a muslim"]}, headers=shown).status_code
            == 422
        )
        for entry in ({"kind": "pin"}, {"kind": "decision", "verdict": "same"}):
            body = entry | {"item": 1, "query": "an asian woman"}
            assert client.post("/v1/cases/c/entries", json=body, headers=shown).status_code == 422
        told = client.get("/v1/audit?limit=1000", headers=headers(auditor)).json()["records"]
        assert sum("ask for" in one["refusal"] for one in told) == len(bodies) + 3
    with keyed(tmp_path / "open") as (client, _):
        assert client.post("/v1/search", json={"text": "an asian woman"}).status_code == 200
    with keyed(tmp_path / "strict", refuse_protected_traits=True) as (client, _):
        assert client.post("/v1/search", json={"text": "an asian woman"}).status_code == 422
