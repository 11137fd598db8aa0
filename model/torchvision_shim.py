"""Lets torchvision be imported beside a torch it was not built for.

Package registries carry a CUDA build of torchvision. Beside a CPU build of torch its native library cannot be
loaded, and `import torchvision`, and so `import open_clip`, fails with "operator torchvision::nms does not
exist". Declaring the two operators it registers fakes for cures that; transforms then work, its C++ operators
do not (cskt uses none). Call `ensure_torchvision_imports()` before the first import of open_clip or
torchvision. It changes nothing where the native library loads.
"""

import importlib.util
import sys
from pathlib import Path

import torch

_declared: list[torch.library.Library] = []  # operators vanish with the object that declared them


def ensure_torchvision_imports() -> str:
    """Make `import torchvision` work; returns "imported", "absent", "native" or "declared" for what was
    found."""
    if _declared:
        return "declared"
    if "torchvision" in sys.modules:
        return "imported"
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return "absent"
    for name in ("_C.so", "_C_stable.so", "_C.pyd"):
        library = Path(spec.origin).with_name(name)
        if library.exists():
            try:
                torch.ops.load_library(str(library))  # type: ignore[no-untyped-call]
                return "native"
            except OSError:
                continue
    operators = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        schema = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        operators.define(schema)  # type: ignore[no-untyped-call]
    _declared.append(operators)
    return "declared"
