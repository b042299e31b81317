"""`mdps doctor`: what is wrong with a running graph or a bag, and what to do about it."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdps_ros.cli.options import SetOption, SettingsOption, read_settings

if TYPE_CHECKING:
    from mdps_ros.maps import Map
    from mdps_ros.runtime.checkup.finding import Finding
    from mdps_ros.runtime.checkup.observation import Observation
    from mdps_ros.settings import Settings

LISTEN_S = 5.0
"""Time to listen to a running graph."""
START_S = 60.0
"""Time that the observing process gets beside the time to listen."""


def doctor(
    bag: Annotated[
        Path | None,
        typer.Argument(help="rosbag2 folder, .mcap or .db3; the running graph when left out."),
    ] = None,
    map: Annotated[
        list[str] | None,
        typer.Option("--map", help="Map to check, too; a running node's own when left out."),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0.5, help="How long to listen (5); of a bag, how much to read (all)."),
    ] = None,
    odometry_topic: Annotated[str | None, typer.Option(help="Where there are several.")] = None,
    image_topic: Annotated[str | None, typer.Option(help="Where there are several.")] = None,
    camera_info_topic: Annotated[str | None, typer.Option(help="Of a running graph.")] = None,
    fix_topic: Annotated[str | None, typer.Option(help="Of a running graph.")] = None,
    file: SettingsOption = None,
    assignments: SetOption = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the findings to this file, too.")
    ] = None,
) -> None:
    """Check topics, clocks, camera, transforms, map and machine; say what to do.

    One line per check: pass, warn or fail, what was found, and the remedy. The
    exit code is 1 when a check failed. A running graph is listened to in this
    ROS_DOMAIN_ID; with a localization node in it, its own topics and
    parameters are taken.

    Examples:
        mdps doctor
        mdps doctor drive --map helsinki
        mdps doctor --map city.osm.pbf --odometry-topic /wheel/odometry --json doctor.json
    """
    from mdps_ros.cli.doctor_bag import observe_bag
    from mdps_ros.cli.processes import LiveError
    from mdps_ros.evaluation import results
    from mdps_ros.runtime.checkup.checkup import examine

    settings = read_settings(file, assignments or [])
    named = {
        "odom": odometry_topic,
        "image": image_topic,
        "camera_info": camera_info_topic,
        "fix": fix_topic,
    }
    if bag is None:
        try:
            seen, settings = _graph(settings, named, seconds or LISTEN_S)
        except LiveError as error:
            print(f"mdps doctor: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        city = _load(map or [settings.node.map])
    else:
        city = _load(map or [settings.node.map])
        known = None if isinstance(city, str) else city
        seen = observe_bag(bag, settings, odometry_topic, image_topic, seconds, known)
    findings = examine(_surrounded(seen, settings, city), settings)
    _show(seen.source, findings)
    if json_file is not None:
        rows = [finding._asdict() | {"severity": finding.verdict} for finding in findings]
        results.write_json(json_file, {"source": seen.source, "findings": rows})
    if any(finding.verdict == "fail" for finding in findings):
        raise typer.Exit(1)


def _graph(
    settings: Settings, named: dict[str, str | None], seconds: float
) -> tuple[Observation, Settings]:
    """Let a process of its own listen; a running node's parameters go over the settings.

    Raises:
        LiveError: it did not answer.
    """
    import os
    import tempfile

    from mdps_ros.cli.processes import Child, LiveError, children
    from mdps_ros.runtime.checkup.observation import from_json
    from mdps_ros.settings import SettingsError, with_values

    if settings.node.odometry_source == "twist":
        named = {"twist": named["odom"], **{k: v for k, v in named.items() if k != "odom"}}
    with tempfile.TemporaryDirectory(prefix="mdps_doctor_") as folder, children() as started:
        out, log = Path(folder, "seen.json"), Path(folder, "observe.log")
        words = [str(out), "--seconds", f"{seconds:g}", "--base", settings.frames.base]
        if settings.node.odometry_source == "tf":
            words += ["--odom-frame", settings.frames.odom]
        words += [word for role, name in named.items() if name for word in (f"--{role}", name)]
        child = Child("mdps_ros.ros.observe", words, os.environ, log)
        started.append(child)
        if child.wait(seconds + START_S) != 0:
            raise LiveError(f"the graph could not be observed:\n{child.tail()}")
        seen = from_json(out.read_text(encoding="utf-8"))
    if seen.node is not None:
        parameters = seen.node.parameters
        try:
            settings = with_values(settings, parameters)
        except SettingsError:  # a finding; the map that it names can be looked at all the same
            source = {k: v for k, v in parameters.items() if k == "node.map"}
            with contextlib.suppress(SettingsError):
                settings = with_values(settings, source)
    return seen, settings


def _load(sources: list[str]) -> Map | str | None:
    """The map, why it cannot be used, or None where none was named."""
    from mdps_ros.maps import MapError, load_map

    try:
        return load_map(sources) if any(sources) else None
    except MapError as error:
        return str(error)


def _surrounded(seen: Observation, settings: Settings, city: Map | str | None) -> Observation:
    """The observation with map and machine."""
    import dataclasses

    from mdps_ros.runtime.checkup.observation import MapSeen
    from mdps_ros.runtime.checkup.surroundings import see_machine, see_map

    on_map = MapSeen(error=city) if isinstance(city, str) else None
    if city is not None and not isinstance(city, str):
        on_map = see_map(city, seen.fixes, seen.poses)
    return dataclasses.replace(seen, map=on_map, machine=see_machine(settings))


def _show(source: str, findings: list[Finding]) -> None:
    """One line per finding, and a last one that sums up."""
    colours = {"pass": "green", "warn": "yellow", "fail": "red"}
    counts = dict.fromkeys(colours, 0)
    for finding in findings:
        counts[finding.verdict] += 1
        word = typer.style(finding.verdict, fg=colours[finding.verdict], bold=True)
        typer.echo(word + finding.line[len(finding.verdict) :])
    summed = ", ".join(f"{number} {word}" for word, number in counts.items())
    typer.echo(f"{source}: {summed}")
