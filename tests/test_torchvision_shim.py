"""The cure for a torchvision that does not fit its torch, in fresh interpreters."""

import subprocess
import sys

PROGRAM = """
from model.torchvision_shim import ensure_torchvision_imports
first, second = ensure_torchvision_imports(), ensure_torchvision_imports()
import torch, torchvision.transforms
assert torch.ops.torchvision.nms
print(first, second)
"""


def test_torchvision_imports_after_it():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=120
    )
    assert run.stdout.split()[0] in ("declared", "native", "imported")
    assert run.stdout.split()[1] in ("declared", "native", "imported")
