# Everything a user or developer runs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LOWEST := .venv-lowest
PEERS ?= .venv-peers
JOBS ?=

# Main job and training.
DATA ?=
RATIO ?= 0.5
MODEL ?= hrnet
RUN ?=
SET ?=
TRAIN_OPTIONS = $(if $(RUN),--run $(RUN)) $(if $(DATA),--data $(DATA)) $(foreach setting,$(SET),--set $(setting))
DEMO := data/demo
DEMO_SET := $(or $(DATA),$(DEMO))
DEMO_OUT := $(if $(DATA),demo/$(notdir $(DATA:/=)),demo)
JOBS_OPTION := $(if $(JOBS),--jobs $(JOBS))

# The paper's tables.
QUICK ?=
SECTION ?= $(if $(QUICK),quick)
SEEDS ?=
GPUS ?=
OBJECTS ?=
OBJECTS_IMAGES ?=
MINUTES ?=
LANES ?=
THREADS ?=
STATUS ?=
COLLECT ?=
TABLE_OPTIONS = $(if $(SECTION),--section $(SECTION)) $(if $(DATA),--data $(DATA)) $(if $(SEEDS),--seeds $(SEEDS)) \
	$(if $(GPUS),--gpus $(GPUS)) $(if $(OBJECTS),--objects $(OBJECTS)) \
	$(if $(OBJECTS_IMAGES),--objects-images $(OBJECTS_IMAGES)) $(foreach setting,$(SET),--set $(setting)) \
	$(if $(LANES),--lanes $(LANES)) $(if $(THREADS),--threads $(THREADS)) \
	$(if $(MINUTES),--minutes $(MINUTES)) $(if $(STATUS),--status) $(if $(COLLECT),--collect)

.PHONY: help setup demo pictures train eval table1 table2 overfit test lint types pytest test-lowest test-peers stress bench-masks bench-pool bench-render bench-realism bench-train \
	bench-workers rehearsal fit-masks clean

help:  ## List every target.
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.core  ## Make .venv with the versions that were tested.

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed: make PYTHON=/path/to/python3 ...")'
	$(PYTHON) -m venv $(VENV)

# The stamps make sure that a second run installs nothing.
$(VENV)/.core: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[figures]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[cluster,dev,export,train]'
	@touch $@ $(VENV)/.core $(VENV)/.train

$(LOWEST)/.dev: pyproject.toml constraints-lowest.txt
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --prefer-binary -c constraints-lowest.txt -e . \
		hypothesis pycocotools pytest pytest-xdist
	@touch $@

$(VENV)/.train: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]'
	@touch $@ $(VENV)/.core

demo: $(VENV)/.train  ## Main job on a demo data set; DATA=/path/to/mpii runs it on real data.
	$(if $(DATA),,$(BIN)/noda-synth demo-data $(DEMO) $(JOBS_OPTION))
	@mkdir -p $(DEMO_OUT)
	$(BIN)/noda-synth build-pool --data $(DEMO_SET) --out $(DEMO_OUT)/pool.h5 $(JOBS_OPTION)
	$(BIN)/noda-synth render --data $(DEMO_SET) --pool $(DEMO_OUT)/pool.h5 --out $(DEMO_OUT)/mpii_noda --ratio $(RATIO) $(JOBS_OPTION)
	$(BIN)/noda-synth preview $(DEMO_OUT)/pool.h5 --out $(DEMO_OUT)/bodies.png --overwrite
	$(BIN)/noda-synth preview $(DEMO_OUT)/mpii_noda --out $(DEMO_OUT)/renders.png --overwrite
	$(BIN)/noda-synth report $(DEMO_OUT)/mpii_noda --pool $(DEMO_OUT)/pool.h5 --number 500 --overwrite $(JOBS_OPTION)
	rm -rf $(DEMO_OUT)/run
	$(BIN)/noda-train fit demo --data $(DEMO_OUT)/mpii_noda --run $(DEMO_OUT)/run --set cache_dir=$(DEMO_OUT)/cache --set limit=400
	$(BIN)/noda-train eval --run $(DEMO_OUT)/run --mean-pose --set pictures=0
	@echo
	@echo "Look at $(DEMO_OUT)/bodies.png (the cut-out people) and $(DEMO_OUT)/renders.png (before, after, covered joints);"
	@echo "the occluded data set is in $(DEMO_OUT)/mpii_noda: images/, annot/, manifest.jsonl, report.json;"
	@echo "open $(DEMO_OUT)/mpii_noda/report.html in a browser to go through it."
	@echo "The network above is the smallest there is, trained for minutes on at most 400 people at 64 pixels: it shows that all parts work."

# The pictures of the report alone are taken in a browser.
PICTURES := docs/images
PREVIEW := $(BIN)/noda-synth preview --overwrite
pictures: $(VENV)/.core  ## Make the pictures of README and docs anew, from the demo data set: docs/images.
	$(BIN)/noda-synth demo-data $(DEMO) $(JOBS_OPTION)
	@mkdir -p demo
	$(BIN)/noda-synth build-pool --data $(DEMO) --out demo/pool.h5 $(JOBS_OPTION)
	for preset in paper best; do \
		$(BIN)/noda-synth render --data $(DEMO) --pool demo/pool.h5 --out demo/$$preset --preset $$preset $(JOBS_OPTION) && \
		$(PREVIEW) demo/$$preset --out $(PICTURES)/$$preset.png --number 4 --side 190 --columns 1 || exit 1; \
	done
	$(PREVIEW) demo/best --out $(PICTURES)/before-after.png --side 190 --columns 2 --id 00009_000022 --id 00022_000050
	$(PREVIEW) demo/pool.h5 --out $(PICTURES)/bodies.png --number 4 --side 150 --columns 2
	$(BIN)/noda-synth levels demo/pool.h5 --out $(PICTURES)/levels.png --overwrite
	$(BIN)/noda-synth stats demo/paper --pool demo/pool.h5 --out demo/stats --overwrite
	for chart in joints occluded renders; do cp demo/stats/$$chart.png $(PICTURES)/stats-$$chart.png; done

train: $(VENV)/.train  ## Train: MODEL=hrnet|simple|..., DATA=, RUN=, SET="key=value ...".
	$(BIN)/noda-train fit $(MODEL) $(TRAIN_OPTIONS)

eval: $(VENV)/.train  ## Evaluate the newest run, or RUN=; AGAINST= compares with another.
	$(BIN)/noda-train eval $(TRAIN_OPTIONS) $(if $(AGAINST),--against $(AGAINST))

table1: $(VENV)/.train  ## The paper's Table I and our rows: DATA=, SEEDS=, GPUS=0,1; QUICK=1; STATUS=1; COLLECT=1.
	$(BIN)/noda-train table table1 $(TABLE_OPTIONS)

table2: $(VENV)/.train  ## The paper's Table II, three networks with and without NODA; options as for table1.
	$(BIN)/noda-train table table2 $(TABLE_OPTIONS)

overfit: $(VENV)/.train  ## Over-fit 32 people, to see that training works: DATA=/path/to/mpii.
	$(BIN)/noda-train fit overfit $(TRAIN_OPTIONS)

test: lint types pytest  ## Set up, lint, type-check, test. NODA_DATA=/path adds the tests on real data.

lint: $(VENV)/.dev  ## Ruff: rules and format.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev  ## Mypy, strict.
	$(BIN)/mypy

pytest: $(VENV)/.dev
	$(BIN)/python -m pytest -m 'not slow' $(if $(CI),-n 2 -q)

# What leans most on the libraries: files of all kinds, masks, pool, renders, workers, the command line.
LOWEST_TESTS := build_pool cli compositing convert damaged_images formats_* images jobs json_pieces mat_structs pool \
	rules_on_output scene
test-lowest: $(LOWEST)/.dev  ## Test noda-synth with the lowest versions that pyproject.toml allows; ALL=1: all of it.
	$(LOWEST)/bin/python -m pytest -m 'not slow' -p no:cacheprovider $(if $(CI),-n 2 -q) \
		$(if $(ALL),tests --ignore=tests/train,$(foreach name,$(LOWEST_TESTS),tests/test_$(name).py))

# In an environment of its own, of some GB: torch comes with what it needs on a GPU.
$(PEERS)/.installed: tests/peers/requirements.txt tests/peers/requirements-alone.txt pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: -r tests/peers/requirements.txt
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r tests/peers/requirements-alone.txt
	$(PEERS)/bin/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

test-peers: $(PEERS)/.installed  ## Test with MMPose, ultralytics and others that read what is written: docs/interop.md.
	$(PEERS)/bin/python -m pytest -p no:cacheprovider -W default tests/peers tests/test_adapters.py

stress: $(VENV)/.dev  ## The tests that take their time: kills at random moments, full disks, long fuzzing.
	$(BIN)/python -m pytest -m slow

bench-masks: $(VENV)/.core  ## Mask quality and speed on COCO outlines: DATA=/path/to/coco-masks.
	$(BIN)/python scripts/bench_masks.py --data $(DATA)

bench-pool: $(VENV)/.core  ## Time a person of build-pool, stage by stage: DATA=/path/to/mpii.
	$(BIN)/python scripts/bench_pool.py --data $(DATA)

bench-workers: $(VENV)/.core  ## Two workers against one: DATA=/path/to/mpii.
	$(BIN)/python scripts/bench_workers.py --data $(DATA)

rehearsal: $(VENV)/.core  ## MPII at full size from links to the images of DATA=/path/to/mpii: time and memory.
	$(BIN)/python scripts/rehearsal.py --data $(DATA) --out rehearsal

fit-masks: $(VENV)/.core  ## Fit the widths of the cardboard body to outlines: DATA=/path/to/coco.
	$(BIN)/python -m scripts.fit_masks --data $(DATA)

bench-train: $(VENV)/.train  ## Samples/s of the trainer's data path, network and whole: DATA=/path/to/mpii.
	$(BIN)/noda-train bench --data $(DATA)

bench-cpu-training: $(VENV)/.train  ## Processor time and memory of training on a CPU, by model, size and precision.
	$(BIN)/python -m scripts.bench_cpu_training

bench-render: $(VENV)/.core  ## Time per image of render against decode + encode alone: DATA=/path/to/mpii.
	$(BIN)/python scripts/bench_render.py --data $(DATA)

bench-realism: $(VENV)/.core  ## How bodies stand beside their targets, against real pairs: DATA=/path/to/mpii POOL=.
	$(BIN)/python scripts/bench_realism.py --data $(DATA) --pool $(POOL)

bench-outline: $(VENV)/.train  ## How well the outlines of pasted bodies are told from real ones: DATA=, POOL=, WEIGHTS=resnet50.pth.
	$(BIN)/python -m scripts.bench_outline --data $(DATA) --pool $(POOL) --weights $(WEIGHTS)

bench-methods: $(VENV)/.core  ## Time per image of each method of occlusion: DATA=/path/to/mpii, POOL=, OBJECTS=.
	$(BIN)/python scripts/bench_methods.py --data $(DATA) $(if $(POOL),--pool $(POOL)) $(if $(OBJECTS),--objects $(OBJECTS)) \
		$(if $(OBJECTS_IMAGES),--objects-images $(OBJECTS_IMAGES))

bench-report: $(VENV)/.dev  ## Size and speed of the report's page at MPII's size: RENDERED=/path/to/set POOL=.
	$(BIN)/python -m scripts.bench_report --set $(RENDERED) --pool $(POOL)

gpu-report: $(VENV)/.train  ## The figures that need a GPU, from what `gpu_report.py pack` wrote: PACKS=packs.
	$(BIN)/python scripts/gpu_report.py run --packs $(or $(PACKS),packs)

fuzz: $(VENV)/.dev  ## Fuzz the readers for an hour with atheris, which it installs.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	for kind in annotations pictures manifests pools weights; do \
		$(BIN)/python scripts/fuzz_readers.py corpus/$$kind -max_total_time=720 -max_len=65536 -rss_limit_mb=1500 || exit 1; done

import-levels: $(VENV)/.core  ## The rooms of the packages, and which imports which.
	$(BIN)/python scripts/import_levels.py

.PHONY: bench-cpu-training bench-methods bench-outline bench-report gpu-report fuzz import-levels

clean:  ## Remove the demo and everything that was installed.
	rm -rf $(VENV) $(LOWEST) $(PEERS) $(DEMO) demo build *.egg-info
