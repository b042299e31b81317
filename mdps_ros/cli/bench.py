"""`mdps bench`: speed against peers, in one process, on this machine."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Annotated

import typer

from mdps_ros.cli.options import JsonOption

NAMES = ("core", "match", "smoother", "bank", "node", "scale")


def bench(
    suites: Annotated[
        list[str] | None, typer.Argument(help=f"Any of {', '.join(NAMES)}; all if none.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of every case.")] = 7,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Threads of torch; its own choice if not given.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    live: Annotated[
        float,
        typer.Option(
            "--live",
            min=0.0,
            help="Seconds for which `node` runs the real node at 10 Hz over DDS, twice; 0: not.",
        ),
    ] = 20.0,
    json_file: JsonOption = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", help="Write the tables to this file.")
    ] = None,
    picture_file: Annotated[
        Path | None, typer.Option("--picture", help="Draw the suite `scale` to this PNG.")
    ] = None,
) -> None:
    """Time the package against peers on the same work: medians, minima and ratios.

    Peers run where they are installed: pip install particles filterpy torch-kf

    Examples:
        mdps bench core bank --threads 2
        mdps bench --json bench.json --markdown bench.md
        mdps bench scale --picture scale.png
        mdps bench node --live 600 --json latency.json
    """
    import torch
    from rich.console import Console

    from mdps_ros.cli import bench_live
    from mdps_ros.evaluation import results
    from mdps_ros.evaluation.bench import report, scale_picture
    from mdps_ros.evaluation.bench import suites as bench_suites
    from mdps_ros.evaluation.bench.timing import Setup
    from mdps_ros.evaluation.results import Row

    names = _checked(suites, device, torch.cuda.is_available())
    if threads is not None:
        torch.set_num_threads(threads)
    machine = report.machine(device)
    rows: list[Row] = []
    screen = Console(stderr=True)
    try:
        over_dds = bench_live.rows(live) if live and "node" in names else ()
        for row in itertools.chain(bench_suites.run(names, Setup(device, repeats)), over_dds):
            rows.append(row)
            screen.print(report.line(row), highlight=False)
    finally:  # an interrupted run keeps what it has
        content = report.document(rows, machine, command=results.command_line())
        if json_file is not None:
            results.write_json(json_file, content)
        if markdown_file is not None:
            markdown_file.parent.mkdir(parents=True, exist_ok=True)
            markdown_file.write_text(report.markdown(content), encoding="utf-8")
        if picture_file is not None:
            scale_picture.picture(rows, picture_file)
    results.print_table(Console(), "bench", rows, report.SCREEN_COLUMNS)


def _checked(suites: list[str] | None, device: str, has_cuda: bool) -> list[str]:
    """The suites to run.

    Raises:
        SettingsError: a suite or the device does not exist.
    """
    from mdps_ros.settings import SettingsError

    if device not in ("cpu", "cuda"):
        raise SettingsError(f"--device {device}: use cpu or cuda")
    if device == "cuda" and not has_cuda:
        raise SettingsError("--device cuda: torch sees no CUDA device; use cpu")
    for name in suites or ():
        if name not in NAMES:
            raise SettingsError(f"there is no suite {name}; use one of {', '.join(NAMES)}")
    return list(dict.fromkeys(suites or NAMES))
