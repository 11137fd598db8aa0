"""CUHK-PEDES (Li et al., "Person Search with Natural Language Description", CVPR 2017).

13,003 people, 40,206 images, two captions each; training identities are written from 1.
"""

from model.datasets.samples import Layout

CUHK_PEDES = Layout(
    title="CUHK-PEDES",
    files=("CUHK-PEDES/reid_raw.json", "reid_raw.json"),
    path_key="file_path",
    first_identity=1,
)
