"""When a gallery moves to another encoder, the service follows in one step; vectors never meet foreign."""

import asyncio
import logging
import time

import pytest
from service_toys import ToyEncoder, ToyGallery, person, words

from indexer.errors import FingerprintMismatch
from service.searcher import Searcher
from service.serving import Serving
from service.settings import Settings

OTHER = "other0123456789abcdef"


class MovingGallery(ToyGallery):
    """Says at a refresh that it has moved, once `moved`; takes only vectors of its own encoder."""

    moved = False

    def refresh(self) -> bool:
        if self.moved:
            raise FingerprintMismatch("the gallery has moved on to another encoder")
        return super().refresh()


def people(fingerprint: str, words: str) -> MovingGallery:
    rows = MovingGallery([person(words, number) for number in range(3)])
    rows.fingerprint = fingerprint
    return rows


def play(searcher: Searcher, scene) -> None:
    async def run() -> None:
        await searcher.start()
        try:
            await scene(searcher)
        finally:
            await searcher.close()

    asyncio.run(run())


def test_the_service_follows_while_queries_run() -> None:
    before, after = people("toy0123456789abcdef", "red coat"), people(OTHER, "blue dress")
    old, new = ToyEncoder(), ToyEncoder(fingerprint=OTHER)
    asked = {old.fingerprint: 0, OTHER: 0}
    for rows in (before, after):
        search = rows.search

        def checked(vectors, k, where=None, search=search, rows=rows):
            asked[rows.fingerprint] += 1
            return search(vectors, k, where)

        rows.search = checked

    async def scene(searcher: Searcher) -> None:
        assert (await searcher.search(words("coat", 1))).hits[0].item.attributes["upper"] == "red"
        old.gate.clear()  # a query is on its way by the old encoder when the gallery moves
        late = asyncio.create_task(searcher.search(words("coat", 1)))
        while len(old.batches) < 6:
            await asyncio.sleep(0.005)
        before.moved = True
        while searcher.stats.fingerprint != OTHER and searcher.upkeep.serving.gallery is not after:
            await asyncio.sleep(0.005)
        old.gate.set()
        assert (await late).hits[0].item.attributes["upper"] == "red"
        assert (await searcher.search(words("coat", 1))).hits[0].item.attributes["upper"] == "blue"
        assert not before.closed

    settings = Settings(refresh_seconds=0.01)
    play(Searcher(old, before, settings, lambda: Serving(new, after)), scene)
    assert asked == {old.fingerprint: 6, OTHER: 3}  # four and two of them are warm-ups
    assert before.closed
    assert after.closed


@pytest.mark.parametrize("reopen", [None, "fails"])
def test_what_cannot_follow_goes_on_with_what_it_has(reopen, caplog) -> None:
    def fail() -> Serving:
        raise FingerprintMismatch("the encoder of the settings is another one")

    rows = people("toy0123456789abcdef", "red coat")
    rows.moved = True

    async def scene(searcher: Searcher) -> None:
        while not caplog.records:
            await asyncio.sleep(0.005)
        assert len((await searcher.search(words("coat", 3))).hits) == 3

    settings = Settings(refresh_seconds=0.01)
    play(Searcher(ToyEncoder(), rows, settings, fail if reopen else None), scene)
    (message,) = {record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING}
    assert ("of the settings" if reopen else "has moved on") in message


def test_an_encoder_that_cannot_be_taken_up_costs_a_tenth_of_the_time() -> None:
    tries, rows = [], people("toy0123456789abcdef", "red coat")
    rows.moved = True

    def slow() -> Serving:
        tries.append(time.monotonic())
        time.sleep(0.1)
        raise FingerprintMismatch("the encoder of the settings is another one")

    async def scene(searcher: Searcher) -> None:
        while len(tries) < 2:
            await asyncio.sleep(0.005)

    play(Searcher(ToyEncoder(), rows, Settings(refresh_seconds=0.01), slow), scene)
    assert tries[1] - tries[0] > 1.0


def test_what_was_opened_and_cannot_be_searched_is_closed_again() -> None:
    rows, opened = people("toy0123456789abcdef", "red coat"), []
    rows.moved = True

    def broken() -> Serving:
        opened.append(people(OTHER, "blue dress"))
        return Serving(ToyEncoder(poison="a person", fingerprint=OTHER), opened[-1])

    async def scene(searcher: Searcher) -> None:
        while len(opened) < 2:
            await asyncio.sleep(0.005)
        assert (await searcher.search(words("coat", 1))).hits[0].item.attributes["upper"] == "red"

    play(Searcher(ToyEncoder(), rows, Settings(refresh_seconds=0.01), broken), scene)
    assert all(gallery.closed for gallery in opened)
