"""A folder of one's own in the form of CUHK-PEDES: `reid_raw.json` and the images in `imgs/`.

Synthetic people are written so. Training identities may be any integers; they are renumbered in ascending
order.
"""

from model.datasets.samples import Layout

FOLDER = Layout(title="The folder", files=("reid_raw.json",), path_key="file_path", renumber=True)
