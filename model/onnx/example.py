"""How well sentences fit a picture, with onnxruntime alone: pip install onnxruntime tokenizers pillow numpy

python example.py PICTURE SENTENCE [SENTENCE ...]    (beside the exported visual/ and textual/)
"""

import json
import sys
from pathlib import Path

import numpy as np
from onnxruntime import InferenceSession
from PIL import Image
from tokenizers import Tokenizer

if len(sys.argv) < 3:
    sys.exit(__doc__)
folder = Path(__file__).parent
prepare = json.loads((folder / "visual/preprocess_cfg.json").read_text("utf-8"))
height, width = prepare["size"]
picture = Image.open(sys.argv[1]).convert("RGB").resize((width, height), Image.Resampling.BILINEAR)
pixels = (np.asarray(picture, np.float32) / 255 - prepare["mean"]) / prepare["std"]
image = pixels.transpose(2, 0, 1)[None].astype(np.float32)
tokenizer = Tokenizer.from_file(str(folder / "textual/tokenizer.json"))
text = np.array([encoding.ids for encoding in tokenizer.encode_batch(sys.argv[2:])], np.int32)
(seen,) = InferenceSession(folder / "visual/model.onnx").run(["embedding"], {"image": image})
(said,) = InferenceSession(folder / "textual/model.onnx").run(["embedding"], {"text": text})
for cosine, sentence in zip(said @ seen[0], sys.argv[2:], strict=True):
    print(f"{cosine:.4f}  {sentence}")
