"""Number of linear regions (TE-NAS, Chen et al. 2021): how many different linear maps a network of ReLUs is made of."""

from __future__ import annotations

import numpy as np
from torch import cat, nn

from trainables.proxies.activations import relu_codes
from trainables.proxies.registry import Batch, Loss, Proxy, register_proxy

__all__ = ["LINEAR_REGIONS", "linear_regions"]


def linear_regions(network: nn.Module, batch: Batch, loss: Loss) -> float:
    """Count the different codes that the ReLUs of a pass give to the inputs of the batch.

    Any network of some width puts every input of a batch in a region of its own, so the paper counts in networks one
    channel wide, over thousands of tiny inputs.
    """
    codes = np.packbits(cat(relu_codes(network, batch.inputs), dim=1).cpu().numpy(), axis=1)
    return float(len(np.unique(codes, axis=0)))


LINEAR_REGIONS = register_proxy(
    Proxy("linear_regions", linear_regions, "weights", "linear regions of a thin network; Chen et al. 2021", thin=True)
)
