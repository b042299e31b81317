"""The page that goes with weights: what they are for, what they learned from, how to make them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mdps_ros import __version__


@dataclass(frozen=True, kw_only=True)
class ModelCard:
    """What is told about weights.

    Attributes:
        name: headline.
        summary: one sentence on what the weights are for.
        data: where the data come from.
        licence: of the weights.
        limits: what they should not be used for.
        seed: of weights and batches.
        command: what made them.
        metrics: measured numbers by name, with the unit in the name.
    """

    name: str
    summary: str
    data: str
    licence: str
    limits: str
    seed: int
    command: str
    metrics: Mapping[str, float]

    def markdown(self) -> str:
        """The page."""
        rows = "\n".join(f"| {name} | {value:.6g} |" for name, value in self.metrics.items())
        return f"""# {self.name}

{self.summary}

| | |
|---|---|
| Data | {self.data} |
| Licence | {self.licence} |
| Seed | {self.seed} |
| Made by | mdps_ros {__version__} |

```
{self.command}
```

## Measured

| what | value |
|---|---|
{rows}

## Limits

{self.limits}
"""

    def metadata(self) -> dict[str, str]:
        """The same facts for the header of the weights' file."""
        facts = {
            "name": self.name,
            "summary": self.summary,
            "data": self.data,
            "licence": self.licence,
            "limits": self.limits,
            "seed": str(self.seed),
            "command": self.command,
            "mdps_ros": __version__,
        }
        return facts | {f"metric {name}": repr(value) for name, value in self.metrics.items()}
