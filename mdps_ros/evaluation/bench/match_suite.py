"""Suite `match`: poses scored by how a view's ground features fit the map's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from mdps_ros.evaluation.bench.baselines import grid_sample_scores
from mdps_ros.evaluation.bench.timing import Case, Contender, Setup
from mdps_ros.maps import load_map
from mdps_ros.models.camera.feature_tiles import FINER, FeatureTiles
from mdps_ros.models.camera.files import load_networks
from mdps_ros.models.camera.look import CameraLook, Lattice
from mdps_ros.models.camera.model import CameraModel
from mdps_ros.models.camera.networks import CameraNetworks
from mdps_ros.settings import CameraSettings

SPREAD = (2.0, 2.0, 0.04)  # m, m, rad: standard deviations of a tracked cloud
NOISE = 0.5  # of the view's features, in standard deviations of the map's
NATS = 10.0  # standard deviation of the scores over the concentrated cloud


class Town(NamedTuple):
    """A map with its networks, and its features about a place at half a metre."""

    model: CameraModel
    default: CameraModel
    features: Tensor
    corner: tuple[float, float]
    place: tuple[float, float]
    device: torch.device


def make_town(setup: Setup, half_width: float) -> Town:
    """The bundled map of Helsinki about its middle; features to `half_width` m around."""
    device = torch.device(setup.device)
    map_ = load_map("helsinki")
    networks: CameraNetworks = load_networks("").to(device)
    box = map_.bounds
    place = (box.min_x + box.width / 2, box.min_y + box.height / 2)
    store = FeatureTiles(map_, networks.map, 512.0, device)
    steps = torch.arange(round(2 * half_width * FINER), device=device, dtype=torch.float64)
    axis = (steps + 0.5) / FINER - half_width
    y, x = torch.meshgrid(axis + place[1], axis + place[0], indexing="ij")
    lattice = torch.stack((x, y, torch.zeros_like(x)), -1).reshape(-1, 3)
    store.hold(lattice[:, :2], 1.0)
    found = store.at(store.rows_at(lattice, lattice.new_zeros(1, 2)))
    features = found.float().reshape(len(axis), len(axis), -1).permute(2, 0, 1).contiguous()
    return Town(
        CameraModel(map_, CameraSettings(cells=20_000), device, networks),
        CameraModel(map_, CameraSettings(), device, networks),
        features,
        (place[0] - half_width, place[1] - half_width),
        place,
        device,
    )


def view_cells(spacing: float, depth: float, half_width: float) -> Tensor:
    """Cells of a view, (Z, X, 2) m forward and left, the nearest row `spacing` ahead."""
    ahead = torch.arange(1, round(depth / spacing) + 1) * spacing
    side = torch.arange(-round(half_width / spacing), round(half_width / spacing) + 1) * spacing
    forward, right = torch.meshgrid(ahead, side, indexing="ij")
    return torch.stack((forward, -right), -1)


def make_look(town: Town, grid: Tensor, generator: torch.Generator) -> CameraLook:
    """What a camera at the place would see: the map's features and noise, scaled to NATS."""
    grid = grid.to(town.device)
    cells = grid.reshape(-1, 2)
    x = (cells[:, 0] + town.place[0] - town.corner[0]) * FINER
    y = (cells[:, 1] + town.place[1] - town.corner[1]) * FINER
    seen = town.features[:, y.long(), x.long()].T
    noise = torch.randn(seen.shape, generator=generator, device=town.device)
    seen = seen - seen.mean(0) + NOISE * seen.std(0) * noise
    scores = exact(town, tracked(town, 200, generator), cells, seen)
    seen = seen * (NATS / scores.std())
    reach = float(cells.norm(dim=1).max())
    nothing = torch.zeros(1, 1, device=town.device)
    ordered = seen.T.reshape(-1, *grid.shape[:2])
    lattice = Lattice(ordered, grid[0, 0], grid[1, 0] - grid[0, 0], grid[0, 1] - grid[0, 0])
    return CameraLook(cells, seen, nothing[None], nothing, reach, lattice)


def tracked(town: Town, count: int, generator: torch.Generator) -> Tensor:
    """Poses (N, 3) about the place, facing east, as a filter that tracks has them."""
    spread = torch.tensor(SPREAD, device=town.device)
    middle = torch.tensor([*town.place, 0.0], device=town.device)
    draws = torch.randn(count, 3, generator=generator, device=town.device)
    return middle + spread * draws.clamp(-3.0, 3.0)


def scattered(town: Town, count: int, half_width: float, generator: torch.Generator) -> Tensor:
    """Poses (N, 3) anywhere within half_width m of the place, facing anywhere."""
    draws = torch.rand(count, 3, generator=generator, device=town.device) * 2.0 - 1.0
    spread = torch.tensor([half_width, half_width, 3.14159], device=town.device)
    return torch.tensor([*town.place, 0.0], device=town.device) + spread * draws


def exact(town: Town, poses: Tensor, cells: Tensor, view: Tensor) -> Tensor:
    """Scores of poses by the published formulation, in chunks."""
    parts = [
        grid_sample_scores(town.features, town.corner, 1.0 / FINER, part, cells, view)
        for part in torch.split(poses, 100)
    ]
    return torch.cat(parts)


def cases(setup: Setup) -> Iterator[Case]:
    """All cases of the suite."""
    if setup.small:
        town = make_town(setup, 60.0)
        yield match(town, 50, view_cells(4.0, 32.0, 32.0), "tracked", 0.0)
        return
    town = make_town(setup, 260.0)
    for cells in (view_cells(1.0, 40.0, 24.0), view_cells(0.5, 32.0, 32.0)):
        for count in (1000, 10_000):
            yield match(town, count, cells, "tracked", 0.0)
        yield match(town, 1000, cells, "scattered", 200.0)
    yield match(town, 100_000, view_cells(1.0, 40.0, 24.0), "scattered", 200.0)


def match(town: Town, count: int, grid: Tensor, where: str, half_width: float) -> Case:
    """Poses of one cloud against one view; errors over the standard deviation of the scores."""
    generator = torch.Generator(town.device).manual_seed(0)
    look = make_look(town, grid, generator)
    cells = look.cells
    poses = (
        tracked(town, count, generator)
        if where == "tracked"
        else scattered(town, count, half_width, generator)
    )
    few = poses[:500]
    wanted = exact(town, few, look.cells, look.features)

    def error(model: CameraModel) -> float:
        found = model.log_likelihood(poses[None], look)
        assert found is not None
        off = (found[0, :500] - wanted).abs().max()
        return float(off / wanted.std())

    def published() -> Tensor:
        return grid_sample_scores(
            town.features, town.corner, 1.0 / FINER, poses, look.cells, look.features
        )

    dense = Contender("5-D grid_sample", published, "local maps of all poses, bilinear", 0.0)
    if count * len(cells) > 10_000_000:
        dense = dense._replace(run=None, note="not run: its local maps do not fit memory")
    contenders = (
        Contender(
            "ours, all cells",
            lambda: town.model.log_likelihood(poses[None], look),
            error=error(town.model),
        ),
        Contender(
            "ours, as configured",
            lambda: town.default.log_likelihood(poses[None], look),
            "500 cells or fewer stand for all",
            error(town.default),
        ),
        dense,
    )
    name = f"{count} {where} poses against {len(cells)} cells"
    return Case(name, count * len(cells), "cell", contenders, 3 if count > 1000 else None)
