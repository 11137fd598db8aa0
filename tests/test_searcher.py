"""Searcher: one query path; answers never get mixed up; new rows appear; failures stay with their cause."""

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
import pytest
from service_toys import ToyEncoder, ToyGallery, embed, person, words

from indexer.errors import GalleryCorrupt
from indexer.filters import OneOf
from service.admission import Pass
from service.errors import BadQuery, NotReady, Overloaded, QueryFailed, UnknownItem
from service.facets import count_facets
from service.query import MAX_CHARACTERS, clean_text
from service.searcher import Searcher
from service.settings import Settings

WORDS = [
    f"{colour} {garment}"
    for colour in ("red", "blue", "green", "white")
    for garment in ("coat", "dress", "cap")
]


def gallery() -> ToyGallery:
    return ToyGallery([person(words, number) for number, words in enumerate(WORDS, 1)])


def play(searcher: Searcher, scene: Callable[[Searcher], Awaitable[None]]) -> None:
    async def run() -> None:
        await searcher.start()
        try:
            await asyncio.wait_for(scene(searcher), 30)
        finally:
            await searcher.close()

    asyncio.run(run())


def test_ranking_equals_brute_force() -> None:
    async def scene(searcher: Searcher) -> None:
        found = await searcher.search(words("  blue \n dress ", 5))
        scores = np.array([float(embed(words) @ embed("blue dress")) for words in WORDS])
        order = np.argsort(-scores, kind="stable")[:5]
        assert [hit.id for hit in found.hits] == [int(place) + 1 for place in order]
        np.testing.assert_allclose([hit.score for hit in found.hits], scores[order], atol=1e-6)
        assert (found.words[0].text, found.words[0].tokens, found.words[0].truncated) == (
            "blue dress",
            4,
            False,
        )

    play(Searcher(ToyEncoder(), gallery()), scene)


def test_each_of_many_concurrent_queries_gets_its_own_answer_from_few_batches() -> None:
    encoder = ToyEncoder()

    async def scene(searcher: Searcher) -> None:
        encoder.batches.clear()
        asked = [WORDS[number % len(WORDS)] for number in range(200)]
        patient = Pass(60.0)  # however slow the machine was when it was warmed
        found = await asyncio.gather(*(searcher.search(words(text, 1), patient) for text in asked))
        assert [answer.words[0].text for answer in found] == asked
        assert [answer.hits[0].id for answer in found] == [WORDS.index(text) + 1 for text in asked]
        assert [len(batch) for batch in encoder.batches] == [64, 64, 64, 8]

    play(Searcher(encoder, gallery()), scene)


def test_filter_reaches_the_gallery() -> None:
    async def scene(searcher: Searcher) -> None:
        found = await searcher.search(words("red coat", 50, OneOf("camera", ("camera-2",))))
        assert {hit.item.camera for hit in found.hits} == {"camera-2"}
        assert len(found.hits) == 4

    play(Searcher(ToyEncoder(), gallery()), scene)


def test_long_texts_are_cut_and_say_so() -> None:
    async def scene(searcher: Searcher) -> None:
        exact = await searcher.search(words(" ".join(["red"] * 75), 1))
        assert (exact.words[0].tokens, exact.words[0].truncated) == (77, False)
        longer = await searcher.search(words(" ".join(["red"] * 76), 1))
        assert (longer.words[0].tokens, longer.words[0].truncated) == (78, True)
        endless = await searcher.search(words("x" * 50_000, 1))
        assert endless.words[0].truncated
        assert len(endless.words[0].text) == MAX_CHARACTERS

    play(Searcher(ToyEncoder(), gallery()), scene)


@pytest.mark.parametrize("text", ["", "   \n\t", "?!…", "🙂🙂", "\x00\x01"])
def test_texts_without_words_are_refused(text: str) -> None:
    with pytest.raises(BadQuery):
        clean_text(text)


@pytest.mark.parametrize("text", ["a", "7", "женщина", "红色外套"])
def test_words_of_any_script_are_taken(text: str) -> None:
    assert clean_text(text) == (text, False)


def test_a_poisonous_query_fails_alone_without_its_words_in_the_sentence() -> None:
    async def scene(searcher: Searcher) -> None:
        texts = ["red coat", "secret poison words", "blue cap"]
        answers = await asyncio.gather(
            *(searcher.search(words(text, 1)) for text in texts), return_exceptions=True
        )
        assert isinstance(answers[1], QueryFailed)
        assert "secret" not in str(answers[1])
        assert [answers[place].hits[0].item.attributes["upper"] for place in (0, 2)] == ["red", "blue"]

    play(Searcher(ToyEncoder(), gallery()), scene)


def test_more_queries_than_allowed_inside_are_refused() -> None:
    encoder = ToyEncoder()

    async def scene(searcher: Searcher) -> None:
        encoder.gate.clear()
        waiting = [asyncio.create_task(searcher.search(words("red coat", 1))) for _ in range(4)]
        await asyncio.sleep(0.01)
        with pytest.raises(Overloaded):
            await searcher.search(words("blue cap", 1))
        encoder.gate.set()
        assert len(await asyncio.gather(*waiting)) == 4
        assert (await searcher.search(words("blue cap", 1))).hits

    play(Searcher(encoder, gallery(), Settings(max_waiting=4)), scene)


def test_rows_added_elsewhere_appear_without_restart() -> None:
    rows = gallery()

    async def scene(searcher: Searcher) -> None:
        assert searcher.stats.items == len(WORDS)
        rows.commit_elsewhere(person("purple poncho", 99))
        while searcher.stats.items == len(WORDS):
            await asyncio.sleep(0.005)
        found = await searcher.search(words("purple poncho", 1))
        assert found.hits[0].item.key == "person-99"
        assert "purple" in {
            value for facet in searcher.facets if facet.name == "upper" for value, _ in facet.values
        }

    play(Searcher(ToyEncoder(), rows, Settings(refresh_seconds=0.01)), scene)


def test_a_failing_refresh_leaves_the_last_good_state_serving(caplog: pytest.LogCaptureFixture) -> None:
    rows = gallery()

    def refuse() -> bool:
        rows.refreshed += 1
        raise GalleryCorrupt("the gallery is damaged")

    async def scene(searcher: Searcher) -> None:
        rows.refresh = refuse
        before = rows.refreshed
        while rows.refreshed < before + 3:
            await asyncio.sleep(0.005)
        assert (await searcher.search(words("red coat", 1))).hits[0].id == 1
        searcher.say_state()
        behind = searcher.metrics.registry.get_sample_value("cskt_gallery_behind_seconds")
        assert behind >= 0.02  # three looks in vain, one each hundredth of a second
        rows.refresh = lambda: False
        await searcher.upkeep.refresh_now()
        assert searcher.upkeep.behind < behind

    play(Searcher(ToyEncoder(), rows, Settings(refresh_seconds=0.01)), scene)
    assert [record.getMessage() for record in caplog.records] == [
        "cannot take up new rows: the gallery is damaged"
    ]


def test_a_failing_gallery_is_one_answer_without_paths(caplog: pytest.LogCaptureFixture) -> None:
    rows = gallery()

    async def scene(searcher: Searcher) -> None:
        def fail(*_: object) -> None:
            raise GalleryCorrupt("/secret/folder/gallery.db is damaged")

        rows.search = fail
        with pytest.raises(QueryFailed) as caught:
            await searcher.search(words("red coat", 1))
        assert "/secret" not in str(caught.value)

    play(Searcher(ToyEncoder(), rows), scene)
    assert "/secret/folder/gallery.db is damaged" in caplog.text


def test_before_start_and_after_close_nothing_is_answered() -> None:
    rows = gallery()
    searcher = Searcher(ToyEncoder(), rows)

    async def run() -> None:
        for early in (searcher.search(words("red", 1)), searcher.item(1), searcher.image(1)):
            with pytest.raises(NotReady):
                await early
        with pytest.raises(NotReady):
            _ = searcher.stats
        await searcher.start()
        assert (await searcher.item(1)).key == "person-1"
        with pytest.raises(UnknownItem):
            await searcher.item(10_000)
        with pytest.raises(UnknownItem):
            await searcher.image(10_000)
        await searcher.close()
        with pytest.raises(NotReady):
            await searcher.search(words("red", 1))

    asyncio.run(run())
    assert rows.closed


def test_facets_count_values_by_type_and_leave_out_free_text() -> None:
    rows = ToyGallery([person(f"{'red' if number < 200 else 'blue'} coat", number) for number in range(300)])
    facets = {facet.name: facet.values for facet in count_facets(rows, sample=5000)}
    assert facets == {"upper": (("red", 200), ("blue", 100)), "hat": ((True, 150), (False, 150))}


def test_facets_of_a_large_gallery_come_from_an_even_sample() -> None:
    rows = ToyGallery([person("red coat", number) for number in range(1000)])
    asked: list[int] = []
    rows.get = lambda id: asked.append(id)
    count_facets(rows, sample=100)
    assert len(asked) <= 101
    assert max(asked) - min(asked) >= 900
