"""A folder of one's own in the form of CUHK-PEDES: `reid_raw.json` and the images in `imgs/`.

Synthetic people are written so. Training identities may be any integers; they are renumbered in ascending
order. An entry may also tell its `camera` (a word) and `attributes` (an object of words).
"""

from model.datasets.annotations import EntryError, Facts, word
from model.datasets.layout import Entry, Layout


def told(path: str, entry: Entry) -> Facts:
    """What an entry tells of its picture; raises EntryError."""
    attributes = entry.get("attributes")
    if attributes is None:
        attributes = {}
    if not isinstance(attributes, dict):
        raise EntryError("'attributes' is not an object of words")
    words = {key: text for key, value in attributes.items() if (text := word(value, key))}
    return Facts(word(entry.get("camera"), "camera"), words)


FOLDER = Layout(title="The folder", files=("reid_raw.json",), path_key="file_path", renumber=True, facts=told)
