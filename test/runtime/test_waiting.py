"""Threads that wait go to sleep soon, unless the user has chosen otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from mdps_ros.runtime.waiting import SPINS, compute_alone, wait_briefly

STARTS = {
    "command line": "from mdps_ros.cli.main import main; main(['--version'])",
    "node": "from mdps_ros.ros.main import main; main(['--ros-args', '-p', 'filter.none:=1'])",
}


@pytest.mark.parametrize("chosen", [{"GOMP_SPINCOUNT": "7"}, {"OMP_WAIT_POLICY": "ACTIVE"}])
def test_what_the_user_has_chosen_stays(chosen: dict[str, str]) -> None:
    environment = dict(chosen)
    wait_briefly(environment)
    assert environment == chosen


@pytest.mark.parametrize("start", STARTS)
def test_it_is_set_before_torch_is_imported(start: str) -> None:
    code = (
        f"import os, sys; {STARTS[start]}; "
        "print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)"
    )
    unset = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=unset, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == f"{SPINS} False"


def test_the_node_computes_in_one_thread_unless_told_otherwise() -> None:
    code = f"import os; {STARTS['node']}; import torch; print(torch.get_num_threads())"
    unset = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    for chosen, expected in (({}, "1"), ({"OMP_NUM_THREADS": "2"}, "2")):
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=unset | chosen,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines()[-1] == expected


def test_a_chosen_number_of_threads_stays() -> None:
    environment = {"OMP_NUM_THREADS": "3"}
    compute_alone(environment)
    assert environment == {"OMP_NUM_THREADS": "3"}
