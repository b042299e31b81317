# Two commands on a bare machine: `make demo` and `make test`. Each first brings the virtual
# environment .venv up to date (skipped when nothing changed).
#
#   PYTHON=python3.12   the interpreter to start from
#   ARGS="--seed 3"     further arguments of `mdps demo`, or of pytest
#   WORKERS=2           test processes of `make test`
#
# Every PIP_* variable reaches pip.

PYTHON ?= python3
ARGS ?=
WORKERS ?= 2
BIN := .venv/bin
OUT := out

# Images need a larger shared-memory segment than the default; see the file.
export FASTDDS_DEFAULT_PROFILES_FILE := $(CURDIR)/config/fastdds.xml
# Set by the ROS wheels of another environment, it would keep ours from finding their libraries.
unexport _ROS_WHEELS_BOOTSTRAP_COMPLETE

.DEFAULT_GOAL := help
.PHONY: help setup demo test train lint clean

help:  ## say what there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /make \1\t/'

setup:  ## make or update the virtual environment and build the messages
	@command -v $(PYTHON) >/dev/null || \
	  { echo "set-up: Python ($(PYTHON)) is missing: install python3" >&2; exit 2; }
	@$(PYTHON) setup

demo: setup  ## a simulated drive through a real city, localized live by the node
	@ROS_LOG_DIR=$(CURDIR)/$(OUT)/ros_log $(BIN)/mdps demo $(ARGS)

test: setup  ## all tests
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} ROS_LOG_DIR=$(CURDIR)/$(OUT)/ros_log ROS_PYTHON_CHECK_FIELDS=1 \
	  $(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

train: setup  ## a small camera model: renders streets, trains on them, draws the curves
	@$(BIN)/mdps frames --map helsinki --split train --count 3200 --seed 1 --out $(OUT)/frames/quick
	@$(BIN)/mdps train config/train/camera_quick.yaml --out $(OUT)/camera/quick
	@echo "curves: $(OUT)/camera/quick/curves.png; tensorboard --logdir $(OUT)/camera/quick/tensorboard"

lint: setup  ## style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:  ## remove what was built, the virtual environment included
	rm -rf .venv build install log $(OUT)
