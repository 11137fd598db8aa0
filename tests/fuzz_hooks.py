"""What generated requests cannot know: pictures, and conditions in the filter language."""

import base64
import io

import schemathesis
from hypothesis import strategies as st
from PIL import Image


def _picture(colour: tuple[int, int, int], kind: str) -> str:
    data = io.BytesIO()
    Image.new("RGB", (20, 40), colour).save(data, kind)
    return base64.b64encode(data.getvalue()).decode()


_colour = st.tuples(*(st.integers(0, 255),) * 3)
schemathesis.openapi.format("picture", st.builds(_picture, _colour, st.sampled_from(["PNG", "JPEG", "WEBP"])))
schemathesis.openapi.format(
    "condition", st.sampled_from(["camera = gate", "not hat = true", "number >= 3 or camera exists"])
)
