"""Shape annotations of the core are checked in its tests: a wrong shape is an error at the call."""

from __future__ import annotations

import torch
from jaxtyping import install_import_hook

install_import_hook("mdps_ros.core", "beartype.beartype")
torch.set_num_threads(1)
