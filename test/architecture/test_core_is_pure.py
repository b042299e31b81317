from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GLOBAL_TORCH = {"manual_seed", "seed", "set_default_dtype", "set_default_device", "set_rng_state"}
SAMPLERS = {
    *("rand", "randn", "randint", "randperm", "normal", "multinomial", "bernoulli", "poisson"),
    *("rand_like", "randn_like", "randint_like"),
}
IN_PLACE = {"normal_", "uniform_", "exponential_", "cauchy_", "random_", "bernoulli_"}


def impurities(source: str) -> list[str]:
    """Uses of global random numbers and of global state, one line each."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Attribute)
            and ast.unparse(node.value)
            in (
                "np.random",
                "numpy.random",
            )
            and node.attr != "Generator"
        ):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner, name = ast.unparse(node.func.value), node.func.attr
        seeded = any(word.arg == "generator" for word in node.keywords)
        of_torch = owner == "torch" and name in SAMPLERS
        if (of_torch or name in IN_PLACE) and not seeded:
            found.append(f"line {node.lineno}: {ast.unparse(node.func)} without generator")
        if owner == "torch" and name in GLOBAL_TORCH:
            found.append(f"line {node.lineno}: {ast.unparse(node.func)}")
    return found


@pytest.mark.parametrize("layer", ["core", "models"])
def test_no_global_random_numbers_and_no_global_state(layer: str) -> None:
    found = {
        str(path.relative_to(ROOT)): impurities(path.read_text())
        for path in sorted((ROOT / "mdps_ros" / layer).rglob("*.py"))
    }
    assert found
    assert not {path: lines for path, lines in found.items() if lines}


@pytest.mark.parametrize(
    "line",
    [
        "x = torch.randn(3)",
        "x = torch.empty(3).normal_()",
        "np.random.seed(0)",
        "x = numpy.random.default_rng(0).normal()",
        "torch.manual_seed(1)",
    ],
)
def test_that_check_finds_what_it_looks_for(line: str) -> None:
    assert len(impurities(line)) == 1
    assert not impurities("def f(g: np.random.Generator): return torch.randn(3, generator=g)")
