"""Check the names and files of a search, as far as they can be known without Ray and without the task's data."""

from __future__ import annotations

from cluster.run.assemble.supernet_score import ONE_SHOT, names_supernet
from cluster.run.config import SearchConfig
from mpnas_ray.catalogue import make_predictor
from mpnas_ray.curves.network_files import BUNDLED_NETWORK, load_network
from mpnas_ray.errors import RunError
from mpnas_ray.predictors import CostPredictor
from mpnas_ray.pretrained import find_checkpoint, load_checkpoint
from mpnas_ray.ray_versions import require_dashboard
from mpnas_ray.spaces import get_space
from searchers.registry import BY_SCORE
from trainables.networks.network import get_macro
from trainables.proxies import get_proxy
from trainables.tasks.core.cache import check_data_dir

__all__ = ["check_config"]


def check_config(config: SearchConfig) -> None:
    """Refuse a search whose preset, predictor, proxy, scheduler's network or data folder is not there or does not fit.

    Raises:
        MPNASError: If one of these is wrong; the message says which and why.
    """
    get_macro(config.preset)
    if config.workers_per_trial > 1:
        require_dashboard("A trial of several workers")
    if config.searcher == "predictor":
        make_predictor(str(config.predictor), config.seed)
    elif config.searcher == "mpnas":
        predictor, _ = load_checkpoint(find_checkpoint(config.predictor, get_space(config.space)))
        if isinstance(predictor, CostPredictor):
            raise RunError(
                f"The predictor {config.predictor} knows costs alone, but trials measure the quality of networks: take "
                f"the default."
            )
    elif config.predictor != "default":
        raise RunError(f"The searcher {config.searcher} uses no meta-learned predictor: mpnas does.")
    if config.scheduler == "lcranknet":
        load_network(BUNDLED_NETWORK)
    if config.searcher == ONE_SHOT and (config.proxy is None or not names_supernet(config.proxy)):
        raise RunError(
            f"The searcher {ONE_SHOT} needs a supernet: --proxy supernet:RUN names a run of `mpnas supernet`."
        )
    if config.proxy is not None:
        if not names_supernet(config.proxy):
            get_proxy(config.proxy)
        if config.searcher not in (*BY_SCORE, "mpnas"):
            raise RunError(f"The searcher {config.searcher} uses no proxy: {', '.join(('mpnas', *BY_SCORE))} do.")
        if config.cost_names:
            raise RunError("A proxy knows nothing of costs: leave out the proxy, or --minimize and --max.")
    if config.weights is not None and not names_supernet(config.weights):
        raise RunError(
            f"weights names a supernet from which networks start, such as supernet:sn for the run sn of `mpnas "
            f"supernet`, not {config.weights!r}."
        )
    check_data_dir(config.data_dir)
