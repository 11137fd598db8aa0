"""What the decisions of several people on one person come to."""

from hypothesis import given
from hypothesis import strategies as st

from indexer.items import GalleryItem
from service.casework.case_file import case_file
from service.casework.entries import Entry


def nothing(id: int) -> None:
    """A gallery that holds nothing any more."""


DECISIONS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["same", "not", "unsure"])), min_size=1
)


def test_who_shows_no_key_counts_for_nobody_where_two_must_agree() -> None:
    said = [
        Entry("decision", "", "this machine", 1, "coat", "same"),
        Entry("decision", "k", "Ada", 1, "coat", "same"),
    ]
    assert [case_file(said, needed, nothing).findings[0].state for needed in (1, 2)] == [
        "confirmed",
        "one more",
    ]


def test_people_meet_who_mean_the_same_words_and_the_same_passage() -> None:
    def get(id: int) -> GalleryItem:
        return GalleryItem(f"k{id}", "u", "s", camera="gate", track="t" if id < 3 else "another")

    said = [
        Entry("decision", "a", "Ada", 1, "Red  coat", "same"),
        Entry("decision", "g", "Grace", 2, "red coat", "same"),
        Entry("decision", "h", "Hedy", 3, "red coat", "same"),
    ]
    found = case_file(said, 2, get).findings
    assert [(one.item, one.state) for one in found] == [(1, "confirmed"), (2, "confirmed"), (3, "one more")]
    said.append(Entry("decision", "a", "Ada", 2, "red coat", "not"))  # of this crop, as tracks mix people
    assert [one.state for one in case_file(said, 2, get).findings] == ["confirmed", "disputed", "one more"]


@given(DECISIONS, st.integers(1, 2))
def test_the_last_word_of_each_person_counts(decisions: list, needed: int) -> None:
    entries = [Entry("decision", key, key, 1, "coat", verdict) for key, verdict in decisions]
    (found,) = case_file(entries, needed, nothing).findings
    last = dict(decisions)
    came_round = {
        who
        for place, (who, verdict) in enumerate(decisions)
        if verdict == "same"
        and [said for other, said in decisions[:place] if other == who][-1:] in (["not"], ["unsure"])
        and any(other != who for other, _ in decisions[:place])
    }
    alone = {who for who, verdict in last.items() if verdict == "same"} - came_round
    same, no = (sum(verdict == wanted for verdict in last.values()) for wanted in ("same", "not"))
    if same and no:
        assert found.state == "disputed"
    elif same:
        assert found.state == ("confirmed" if needed == 1 or len(alone) >= 2 else "one more")
    else:
        assert found.state == ("not" if no else "unsure")
