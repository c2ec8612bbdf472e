"""Zero-cost proxies: `get_proxy("naswot")(network, batch, loss)` scores a network that was never trained."""

from __future__ import annotations

from trainables.proxies import (  # noqa: F401  (they register themselves)
    epe_nas,
    fisher,
    flops,
    grad_norm,
    grasp,
    jacob_cov,
    l2_norm,
    linear_regions,
    naswot,
    ntk,
    params,
    plain,
    snip,
    synflow,
    zen,
)
from trainables.proxies.registry import Batch, Proxy, get_proxy, proxy_names, register_proxy
from trainables.proxies.scoring import Inputs, Probe, ProxySettings, random_probe, score_archs, task_probe
from trainables.proxies.zero_cost_score import ZeroCostScore

__all__ = [
    "Batch",
    "Inputs",
    "Probe",
    "Proxy",
    "ProxySettings",
    "ZeroCostScore",
    "get_proxy",
    "proxy_names",
    "random_probe",
    "register_proxy",
    "score_archs",
    "task_probe",
]
