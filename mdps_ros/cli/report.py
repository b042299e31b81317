"""`mdps report`: look at a run without RViz: a page, or a recording for Foxglove."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdps_ros.cli.options import (
    FixTopicOption,
    HeadingOption,
    ImageTopicOption,
    OdometryTopicOption,
    SetOption,
    SettingsOption,
    read_settings,
)
from mdps_ros.runtime.waiting import compute_alone

if TYPE_CHECKING:
    from mdps_ros.cli.bag_drive import BagDrive
    from mdps_ros.cli.show import NoteCounter
    from mdps_ros.evaluation.run import Trace
    from mdps_ros.maps import Map
    from mdps_ros.settings import Settings

ANSWERS, PARTICLES = "live.jsonl", "particles.jsonl"
"""What `mdps demo` and `play_bag --record` leave of a live run."""


def report(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="DRIVE_OR_RUN",
            help="A bag to localize, or what a live run left: a folder of `mdps demo`, or the "
            "file of `play_bag --record`.",
        ),
    ],
    map: Annotated[list[str], typer.Option("--map", help="What it ran on, or is to run on.")],
    html: Annotated[Path | None, typer.Option(help="Page to write.")] = None,
    mcap: Annotated[
        Path | None, typer.Option(help="Recording to write, for Foxglove or Lichtblick.")
    ] = None,
    drive: Annotated[
        Path | None, typer.Option(help="Bag of a live run, for truth and camera images.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the filter, for a bag.")] = 0,
    file: SettingsOption = None,
    assignments: SetOption = None,
    heading: HeadingOption = None,
    odometry_topic: OdometryTopicOption = None,
    image_topic: ImageTopicOption = None,
    fix_topic: FixTopicOption = None,
) -> None:
    """Write a run as a page with a slider, or as a recording for a viewer.

    The page needs nothing but a browser. The recording holds map, poses,
    hypotheses, particles and curves under the node's topic names; open it in
    Foxglove or Lichtblick with the layout config/foxglove.json. Without
    --html and --mcap both are written beside the source.

    Examples:
        mdps report drive --map helsinki --html report.html
        mdps report out/demo --map helsinki --mcap view.mcap
        mdps report bag --map city.osm.pbf --set node.odometry_source=twist --image-topic /front
        mdps report answers.jsonl --map city.osm.pbf --drive bag --html report.html
    """
    compute_alone(os.environ)  # before torch is imported, as in the node

    from mdps_ros.cli.looks import VIEW_PERIOD_S, looks_of, page_looks
    from mdps_ros.cli.show import NoteCounter
    from mdps_ros.evaluation import html_report, results, view_bag
    from mdps_ros.evaluation.report import row_of
    from mdps_ros.evaluation.run import RunError
    from mdps_ros.maps import load_map

    settings = read_settings(file, assignments or [], seed=seed, heading=heading)
    place, notes = load_map(map), NoteCounter()
    name = source.resolve().stem
    topics = (odometry_topic, image_topic, fix_topic)
    trace, seen = _trace(source, drive, topics, place, settings, notes)
    notes.print()
    if html is None and mcap is None:
        html, mcap = source.parent / f"{name}.html", source.parent / f"{name}.view.mcap"
    if html is not None:
        title, row = f"{name} on {place.name}", row_of(name, seed, trace)
        command = results.command_line()
        try:
            html.parent.mkdir(parents=True, exist_ok=True)
            looks = [] if seen is None else page_looks(seen, trace, place)
            html_report.write_html(html, trace, place, title, row=row, command=command, looks=looks)
        except OSError as error:
            raise RunError(f"cannot write {html}: {error}") from error
        typer.echo(f"wrote {html}")
    if mcap is not None:
        looks = [] if seen is None else looks_of(seen, trace, place, VIEW_PERIOD_S)
        view_bag.write_view(mcap, trace, place, looks)
        typer.echo(f"wrote {mcap}")


def _trace(
    source: Path,
    drive: Path | None,
    topics: tuple[str | None, str | None, str | None],
    place: Map,
    settings: Settings,
    notes: NoteCounter,
) -> tuple[Trace, BagDrive | None]:
    """The run and its bag: replayed where the source is a bag, read where it is a record.

    Raises:
        RunError: there was no estimate, or topics are named without a bag.
        BagError: a bag cannot be read.
    """
    from mdps_ros.cli.bag_drive import open_drive
    from mdps_ros.cli.replay import run
    from mdps_ros.evaluation.recorded import recorded_outputs
    from mdps_ros.evaluation.run import RunError, collect_trace

    answers = source / ANSWERS if source.is_dir() else source
    if answers.suffix != ".jsonl" or not answers.is_file():
        replayed = open_drive(source, settings, *topics)
        return run(replayed, place, settings, notes), replayed
    particles = answers.with_name(PARTICLES)
    if drive is None and any(topics):
        raise RunError(f"{answers} is a record of answers; topics are read of a bag: give --drive")
    played = None if drive is None else open_drive(drive, settings, *topics)
    truth = None if played is None else played.truth(place)
    outputs = recorded_outputs(answers, particles if particles.exists() else None)
    return collect_trace(outputs, truth), played
