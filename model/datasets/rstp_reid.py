"""RSTPReid (Zhu et al., "DSSL: Deep Surroundings-person Separation Learning for Text-based Person Retrieval",
ACM MM 2021).

4,101 people, five images each, two captions an image.
"""

from model.datasets.samples import Layout

RSTP_REID = Layout(
    title="RSTPReid", files=("RSTPReid/data_captions.json", "data_captions.json"), path_key="img_path"
)
