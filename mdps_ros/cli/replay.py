"""`mdps replay`: a bag through the session, without ROS and as fast as it goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdps_ros.cli.options import (
    FixTopicOption,
    HeadingOption,
    ImageTopicOption,
    JsonOption,
    OdometryTopicOption,
    SetOption,
    SettingsOption,
    read_settings,
)
from mdps_ros.runtime.waiting import compute_alone

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

    from mdps_ros.cli.bag_drive import BagDrive
    from mdps_ros.cli.show import NoteCounter, RunProgress
    from mdps_ros.evaluation.run import Trace
    from mdps_ros.maps import Map
    from mdps_ros.notes import Note
    from mdps_ros.runtime.events import Event
    from mdps_ros.runtime.jumps import JumpWatch
    from mdps_ros.runtime.outputs import Output
    from mdps_ros.runtime.session import Session
    from mdps_ros.runtime.watching.bystanders import Bystanders
    from mdps_ros.settings import Settings


def replay(
    bag: Annotated[Path, typer.Argument(help="rosbag2 folder, or an .mcap or .db3 file.")],
    map: Annotated[
        list[str],
        typer.Option(
            "--map", help=".osm or .osm.pbf, nav2 YAML, helsinki or suburb; again for a union."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report; out/replay/BAG when left out.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the filter.")] = 0,
    file: SettingsOption = None,
    assignments: SetOption = None,
    heading: HeadingOption = None,
    heading_sd: Annotated[
        float, typer.Option(help="Standard deviation of a given heading, degrees.")
    ] = 30.0,
    odometry_topic: OdometryTopicOption = None,
    image_topic: ImageTopicOption = None,
    fix_topic: FixTopicOption = None,
    film: Annotated[
        bool, typer.Option("--film", help="Draw drive.webp, a moving picture for browsers.")
    ] = False,
    json_file: JsonOption = None,
) -> None:
    """Localize a recorded drive and write a report.

    The report: report.html (a page with a slider over time), report.png, table.md,
    summary.json, estimate.tum and, where the bag has /ground_truth, truth.tum.
    Equal bag, map, settings and seed give equal estimates, byte for byte.

    Examples:
        mdps replay drive --map helsinki
        mdps replay drive --map city.osm.pbf --seed 3 --heading 90
        mdps replay drive --map helsinki --set depth.enabled=false
        mdps replay drive --map city.osm.pbf --set node.odometry_source=twist --fix-topic /fix
        mdps replay drive --map helsinki --set node.event_dir=events
    """
    compute_alone(os.environ)  # before torch is imported, as in the node

    from mdps_ros.cli.bag_drive import open_drive
    from mdps_ros.cli.looks import page_looks
    from mdps_ros.cli.show import NoteCounter, print_run
    from mdps_ros.evaluation import report, results
    from mdps_ros.maps import load_map

    settings = read_settings(
        file, assignments or [], seed=seed, heading=heading, heading_sd_deg=heading_sd
    )
    drive = open_drive(bag, settings, odometry_topic, image_topic, fix_topic)
    place = load_map(map)
    notes = NoteCounter()
    trace = run(drive, place, settings, notes)
    name = os.path.basename(os.path.normpath(bag))
    row = report.row_of(name, seed, trace)
    command = results.command_line()
    files = report.write_report(
        out or Path("out", "replay", name),
        trace,
        place,
        f"{name} on {place.name}",
        row=row,
        suite="replay",
        command=command,
        looks=page_looks(drive, trace, place),
        film=film,
    )
    if json_file is not None:
        results.write_json(json_file, results.document("replay", [row], seed, command=command))
    notes.print()
    print_run(f"Replay of {name}", row, files)
    if settings.node.event_dir:
        typer.echo(_events(notes, settings.node.event_dir))


def run(drive: BagDrive, map: Map, settings: Settings, notes: NoteCounter) -> Trace:
    """Send a drive through a session, show progress, count notes.

    Raises:
        RunError: there was no estimate.
    """
    import dataclasses
    import time

    from mdps_ros.cli.show import RunProgress
    from mdps_ros.evaluation.run import collect_trace
    from mdps_ros.runtime.jumps import JumpWatch
    from mdps_ros.runtime.session import Session

    truth = drive.truth(map)
    if truth is not None:
        _warn_off_map(truth.poses[0], map)
    start = time.perf_counter()
    session, looking = Session(map, settings), _bystanders(map, settings, notes)
    jumps = JumpWatch(settings.estimate)
    looking.start()
    try:
        with RunProgress(drive.length_s) as progress:
            events = drive.events(session.takes_images, map.anchor)
            outputs = _outputs(session, events, drive.start_ns, notes, progress, looking, jumps)
            trace = collect_trace(outputs, truth)
    finally:
        looking.stop()
    return dataclasses.replace(trace, seconds=time.perf_counter() - start)


def _warn_off_map(pose: NDArray[np.float64], map: Map) -> None:
    """Say so where a drive begins off the map: every place that is found there is wrong."""
    from mdps_ros.runtime.inputs.messages import OFF_MAP_M

    off = map.bounds.off(float(pose[0]), float(pose[1]))
    if off > OFF_MAP_M:
        where = f"by its own truth this drive is {off / 1e3:.1f} km off the map {map.name}"
        typer.echo(f"warning: {where}; take a map of that place, none is found here", err=True)


def _events(notes: NoteCounter, folder: str) -> str:
    """What was recorded of getting lost and of jumps, in one line."""
    from mdps_ros.notes import Code, Severity

    count = notes.count(Code.EVENT_RECORD, Severity.INFO)
    if not count:
        return "No events: nothing was recorded of getting lost or of a jump"
    return f"Events: {count} recorded, the newest are kept in {folder}"


def _bystanders(map: Map, settings: Settings, notes: NoteCounter) -> Bystanders:
    """Who records getting lost and jumps, where `node.event_dir` asks for it."""
    from mdps_ros.notes import Code, Note, Severity
    from mdps_ros.runtime.watching.bystanders import Bystanders
    from mdps_ros.runtime.watching.incident_recorder import IncidentRecorder

    def failed(error: Exception) -> None:
        text = f"event records failed, none is made any more: {error!r}"
        notes.add(Note(Code.EVENT_RECORD, Severity.ERROR, text))

    recorder = None
    if settings.node.event_dir:
        recorder = IncidentRecorder(map, settings.node, notes.add, failed)
    return Bystanders(settings.estimate, recorder=recorder)


def _outputs(
    session: Session,
    events: Iterator[tuple[int, Event | Note]],
    start_ns: int,
    notes: NoteCounter,
    progress: RunProgress,
    looking: Bystanders,
    jumps: JumpWatch,
) -> Iterator[Output]:
    """What a session answers to the events of a drive."""
    from mdps_ros.notes import Note

    for stamp_ns, event in events:
        if isinstance(event, Note):
            notes.add(event)
            continue
        looking.heard(event)
        for output in session.handle(event):
            if isinstance(output, Note):
                notes.add(output)
            looking.said(output, jumps.see(output))
            yield output
            progress.saw(output)
        progress.at((stamp_ns - start_ns) * 1e-9)
