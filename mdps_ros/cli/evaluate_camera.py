"""`mdps evaluate camera-frames` and `camera-real`: the camera model frame by frame."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mdps_ros.cli.options import JsonOption


def camera_frames(
    frames: Annotated[Path, typer.Option(help="Folder of mdps frames.")],
    map: Annotated[
        str, typer.Option("--map", help="Map, a name or a file; that of the frames when left out.")
    ] = "",
    weights: Annotated[
        str, typer.Option(help="Weights file; the package's own when left out.")
    ] = "",
    count: Annotated[int, typer.Option(min=1, help="Frames, drawn at random.")] = 1200,
    seed: Annotated[int, typer.Option(help="Of the draw and of the windows.")] = 0,
    json_file: JsonOption = None,
    markdown_file: Annotated[
        Path | None, typer.Option("--markdown", help="Write the table to this file.")
    ] = None,
    picture_file: Annotated[
        Path | None, typer.Option("--picture", help="Draw examples and curves to this PNG.")
    ] = None,
) -> None:
    """Find the pose of single frames in a window of 64 m and 60 degrees.

    Each frame is held against the map as it is and against one with the errors that maps have.

    Examples:
        mdps evaluate camera-frames --frames out/frames/helsinki_test --json out.json
        mdps evaluate camera-frames --frames out/frames/helsinki_test --count 100
    """
    from rich.console import Console
    from rich.progress import track

    from mdps_ros.evaluation import camera_frames as study
    from mdps_ros.evaluation import camera_frames_report as report
    from mdps_ros.evaluation import results
    from mdps_ros.evaluation.camera_examples import examples
    from mdps_ros.evaluation.camera_frame_set import FrameSet
    from mdps_ros.maps.load import load_map
    from mdps_ros.models.camera.files import load_networks

    found = FrameSet(frames)
    networks = load_networks(weights)
    cases = study.map_cases(load_map(map or found.map), networks)
    chosen = study.choose(found, count, seed)
    steps = study.frame_results(found, chosen, cases, networks, seed)
    console = Console(stderr=True)
    done = list(track(steps, "frames", total=len(chosen), console=console))
    by_map = {name: [result[name] for result in done] for name in done[0]}
    rows = [study.row(name, values) for name, values in by_map.items()]
    for case in cases:
        if case.warp is not None:
            best = study.best_possible(found, chosen, case.warp)
            rows.append({"name": f"{case.name}, best possible", "frames": len(chosen), **best})
    results.print_table(Console(), "camera frames", rows, report.SCREEN_COLUMNS)
    command = results.command_line()
    if json_file is not None:
        content = results.document("camera frames", rows, seed, command=command)
        curves = {name: study.reliability(values).tolist() for name, values in by_map.items()}
        results.write_json(json_file, {**content, "mass": study.LEVELS.tolist(), **curves})
    if markdown_file is not None:
        text = report.markdown(rows, frames.name, Path(weights).name or "of the package", command)
        markdown_file.write_text(text, encoding="utf-8")
    if picture_file is not None:
        report.draw(picture_file, by_map, examples(found, chosen, cases, networks, seed))


def camera_real(
    data: Annotated[
        Path, typer.Option(envvar="MDPS_DATA", help="Folder with kitti_03_camera and others.")
    ],
    weights: Annotated[
        str, typer.Option(help="Weights file; the package's own when left out.")
    ] = "",
    json_file: JsonOption = None,
    picture_file: Annotated[
        Path | None, typer.Option("--picture", help="Draw two images of each drive to this PNG.")
    ] = None,
) -> None:
    """Look at real images: is the ground that the car drives over taken for road?

    Examples:
        mdps evaluate camera-real --data DATA --picture real.png
    """
    from rich.console import Console

    from mdps_ros.evaluation import camera_real as study
    from mdps_ros.evaluation import results
    from mdps_ros.evaluation.camera_frames_report import draw_real
    from mdps_ros.models.camera.files import load_networks

    networks = load_networks(weights)
    drives = {
        drive.name: list(study.real_frames(drive, networks)) for drive in study.real_drives(data)
    }
    rows = [study.row(name, frames) for name, frames in drives.items()]
    results.print_table(Console(), "camera on real images", rows)
    if json_file is not None:
        content = results.document("camera real", rows, 0, command=results.command_line())
        results.write_json(json_file, content)
    if picture_file is not None:
        shown = [frames[len(frames) * k // 4] for frames in drives.values() for k in (1, 3)]
        draw_real(picture_file, shown)
