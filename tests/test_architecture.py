"""The walls of the house: who may import what, how quickly the command answers, how long files may get."""

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("model", "indexer", "service")
MAX_FILE_LINES = 300
MAX_FUNCTION_LINES = 40
LAYERS = {"model": 0, "indexer": 1, "service": 2}
WALLS = {
    "open_clip": ("model/backbone.py", "model/tokenizer.py"),
    "faiss": ("indexer/vectors/", "service/rival/"),  # the rival runs in another environment
    "pymilvus": ("indexer/milvus/",),
    "av": ("indexer/sources/frame_process.py",),
    "pyarrow": ("indexer/sources/parquet.py",),
    "fsspec": ("indexer/sources/remote.py",),
    "aiohttp": ("indexer/sources/remote.py",),
    "fastapi": ("service/",),
    "starlette": ("service/",),
    "uvicorn": ("service/",),
    "onnx": ("model/onnx/",),
    "onnxruntime": ("model/onnx/",),
}
HEAVY = (
    "torch",
    "open_clip",
    "faiss",
    "fastapi",
    "av",
    "openvino",
    "numpy",
    "PIL",
    "pydantic",
    "pyarrow",
    "fsspec",
)
NEEDED_BY_NO_ENCODER = ("open_clip", "torchvision", "timm", "torch._dynamo", "sympy", "huggingface_hub")
VAGUE_NAMES = {"utils", "helpers", "common", "base", "core", "misc"}


def source_files() -> list[Path]:
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imports(path: Path) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append(("." * node.level + (node.module or ""), node.lineno))
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_packages_import_only_downwards():
    wrong = [
        f"{relative(path)}:{line} imports {name}"
        for path in source_files()
        for name, line in imports(path)
        if LAYERS.get(name.split(".")[0], -1) > LAYERS[path.relative_to(ROOT).parts[0]]
    ]
    assert wrong == []


@pytest.mark.parametrize("package", WALLS)
def test_third_party_walls(package):
    users = {
        relative(path)
        for path in source_files()
        for name, _ in imports(path)
        if name.split(".")[0] == package
    }
    outside = {user for user in users if not user.startswith(WALLS[package])}
    assert outside == set()


def test_the_import_contracts_hold_the_same_walls():
    """import-linter (make lint) and this file must not drift apart."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    walled = {name for contract in settings["contracts"] for name in contract.get("forbidden_modules", [])}
    assert walled == set(WALLS) - {"pymilvus"} or walled == set(WALLS)


def test_imports_are_absolute_and_from_the_package():
    wrong = [
        f"{relative(path)}:{line}"
        for path in source_files()
        for name, line in imports(path)
        if name.startswith(".") or name in PACKAGES
    ]
    assert wrong == []


def test_names_say_what_files_hold():
    stems = {relative(path): path.stem for path in source_files()}
    vague = [path for path, stem in stems.items() if stem in VAGUE_NAMES]
    shadowing = [
        path
        for path, stem in stems.items()
        if stem in sys.stdlib_module_names and not stem.startswith("__") and path.count("/") == 1
    ]
    assert vague == []
    assert shadowing == []


def test_files_stay_short():
    long_files = {
        relative(path): count
        for path in source_files()
        if (count := len(path.read_text("utf-8").splitlines())) > MAX_FILE_LINES
    }
    assert long_files == {}


def test_functions_stay_short():
    long_functions = []
    for path in source_files():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    long_functions.append(f"{relative(path)}:{node.name} has {length} lines")
    assert long_functions == []


def test_initialisers_hold_registries_only():
    """A package's own __init__.py is empty; registries live one level down."""
    for path in source_files():
        if path.name == "__init__.py" and path.parent.parent == ROOT:
            assert path.read_text("utf-8").strip() == "", f"{relative(path)} must be empty"


def test_help_answers_without_heavy_imports():
    program = (
        "import sys\n"
        "from service.cli import build_parser\n"
        "text = build_parser().format_help()\n"
        "assert 'search' in text and 'index' in text, text\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_encoding_needs_neither_open_clips_package_nor_torchs_compiler():
    program = (
        "import sys, numpy\n"
        "from model.embedder import open_embedder\n"
        "embedder = open_embedder('demo', 'cpu')\n"
        "assert embedder.embed_texts(['a man in a red coat']).shape == (1, embedder.dimension)\n"
        "embedder.embed_images([numpy.zeros((60, 20, 3), numpy.uint8)])\n"
        f"print([name for name in {NEEDED_BY_NO_ENCODER!r} if name in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_help_costs_a_small_multiple_of_an_empty_python():
    """Half a second is what a person notices; counted in CPU seconds, the best of five."""

    def cpu_seconds(arguments: list[str]) -> float:
        program = (
            "import resource, subprocess, sys\n"
            "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
            "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
            "print(used.ru_utime + used.ru_stime)"
        )
        answer = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
        )
        return float(answer.stdout)

    fastest = min(cpu_seconds([sys.executable, "-m", "service", "--help"]) for _ in range(5))
    assert fastest < 0.5


def test_no_path_of_a_machine_stands_in_the_source():
    marks = ("/home/", "/Users/")
    text_files = [
        *source_files(),
        *(ROOT / "model" / "recipes").glob("*.toml"),
        *ROOT.glob("*.md"),
        ROOT / "Makefile",
    ]
    wrong = [
        f"{relative(path)}: {mark}"
        for path in text_files
        for mark in marks
        if mark in path.read_text("utf-8")
    ]
    assert wrong == []
