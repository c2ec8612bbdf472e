"""Zero-cost proxies against their definitions, worked out otherwise on networks of a few weights."""

from __future__ import annotations

import copy
import math
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mpnas_ray.errors import TaskError
from mpnas_ray.spaces import KINDS, Architectures, get_space
from trainables import build_network, cross_entropy, relative_l2
from trainables.networks.limits import NetworkSizes
from trainables.proxies import Batch, Probe, Proxy, ProxySettings, get_proxy, proxy_names, random_probe, score_archs
from trainables.proxies.registry import register_proxy

CONNECTED = (
    "mixed:nasbench201:|conv3-d1~0|+|skip~0|conv1-d1~1|+|avgpool~0|linear~1|maxpool~2|",
    "mixed:nasbenchasr:|conv5-d2|skip|conv7-d1~2|",
)
PATHLESS = "nasbench201:|nor_conv_3x3~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|"


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


class Bilinear(nn.Module):
    """``v relu(u x)`` for numbers x: all that follows can be written down."""

    def __init__(self, u: float, v: float) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
        with torch.no_grad():
            self.first.weight.fill_(u)
            self.second.weight.fill_(v)

    def forward(self, inputs: Tensor) -> Tensor:
        outputs: Tensor = self.second(torch.relu(self.first(inputs)))
        return outputs


def mean_square(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().mean() / 2


U, V = -2.0, 3.0
INPUTS, TARGETS = torch.tensor([[-1.0], [-2.0], [1.0]]), torch.tensor([[1.0], [0.0], [4.0]])
"""Outputs are 6, 12 and 0: the third input is where the ReLU is off."""


def small_score(name: str, network: nn.Module | None = None) -> float:
    return get_proxy(name)(network or Bilinear(U, V), Batch(INPUTS, TARGETS), mean_square)


def test_weights_and_gradients_by_hand() -> None:
    # Errors e = (5, 12, -4). dL/dv = mean(e relu(u x)) = (5*2 + 12*4) / 3, dL/du = mean(e v x) over the active two.
    dv, du = 58 / 3, (5 * 3 * -1 + 12 * 3 * -2) / 3
    assert small_score("params") == 2
    assert small_score("flops") == 2
    assert small_score("l2_norm") == pytest.approx(abs(U) + abs(V))
    assert small_score("grad_norm") == pytest.approx(abs(du) + abs(dv))
    assert small_score("plain") == pytest.approx(U * du + V * dv)
    assert small_score("snip") == pytest.approx(abs(U * du) + abs(V * dv))


def test_grasp_by_hand() -> None:
    # L = 1/6 sum (u v x - y)^2 over the active two: with p = u v, S = sum x^2 = 5, T = sum x y = -1,
    # dL/dp = (p S - T) / 3 = q and d2L/dp2 = S / 3 = c; H = [[c v^2, c u v + q], [c u v + q, c u^2]], g = (q v, q u).
    q, c = (U * V * 5 + 1) / 3, 5 / 3
    hessian = np.array([[c * V**2, c * U * V + q], [c * U * V + q, c * U**2]])
    assert small_score("grasp") == pytest.approx(-hessian @ [q * V, q * U] @ [U, V])


def test_fisher_by_hand() -> None:
    # a dL/da of one layer's output, L a mean over three samples: the same for both layers here, where a2 = v relu(a1).
    products = np.array([6 * 5, 12 * 12, 0]) / 3
    assert small_score("fisher") == pytest.approx(2 * 0.5 * (products**2).mean())


def test_fisher_sums_positions_before_it_squares_and_counts_a_channel_once() -> None:
    layer = nn.Conv1d(3, 2, 1, bias=False)
    inputs, targets = torch.randn(4, 3, 5), torch.randn(4, 2, 5)
    outputs = layer(inputs).detach()
    slope = (outputs - targets) / outputs.numel()
    expected = (outputs * slope).sum(dim=2).square().mean(dim=0).sum() / 2
    assert get_proxy("fisher")(layer, Batch(inputs, targets), mean_square) == pytest.approx(float(expected), rel=1e-5)


def test_synflow_by_hand() -> None:
    # R = |v| |u| on an input of 1, so each of the two weights gives |u v|.
    assert small_score("synflow") == pytest.approx(math.log(2 * 6))


def test_synflow_does_without_batch_norm_and_overflow() -> None:
    layers = [nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1)) for _ in range(20)]
    for layer in layers:
        nn.init.constant_(layer[0].weight, -1e3)
    network = nn.Sequential(*layers)
    assert small_score("synflow", network) == pytest.approx(math.log(20) + 60 * math.log(10))


def test_jacobians_by_hand() -> None:
    network = nn.Sequential(nn.Linear(9, 16), nn.ReLU(), nn.Linear(16, 2))
    inputs, targets = torch.randn(5, 9), torch.tensor([0, 1, 0, 1, 1])
    first, second = network[0].weight.detach().double().numpy(), network[2].weight.detach().double().numpy()
    active = (network[0](inputs) > 0).numpy()
    jacobian = np.array([second.sum(axis=0) * row @ first for row in active])
    values = np.linalg.eigvalsh(np.corrcoef(jacobian))
    batch = Batch(inputs, targets)
    expected = -sum(math.log(value + 1e-5) + 1 / (value + 1e-5) for value in values)
    assert get_proxy("jacob_cov")(network, batch, cross_entropy) == pytest.approx(expected, rel=1e-3)
    per_class = [np.log(np.abs(np.corrcoef(jacobian[targets.numpy() == label])) + 1e-5).sum() for label in (0, 1)]
    assert get_proxy("epe_nas")(network, batch, cross_entropy) == pytest.approx(np.abs(per_class).sum(), rel=1e-3)


def test_many_classes_are_compared_with_each_other() -> None:
    network, classes = nn.Sequential(nn.Linear(3, 50), nn.Tanh(), nn.Linear(50, 2)), 101
    inputs, targets = torch.randn(2 * classes, 3), torch.arange(classes).repeat(2)
    given = inputs.clone().requires_grad_()
    rows = torch.autograd.grad(network(given).sum(), given)[0].double().numpy()
    means = [np.log(np.abs(np.corrcoef(rows[[c, c + classes]])) + 1e-5).mean() for c in range(classes)]
    expected = sum(abs(one - other) for one in means for other in means) / classes
    assert get_proxy("epe_nas")(network, Batch(inputs, targets), cross_entropy) == pytest.approx(expected, rel=1e-4)


class ThreeReLUs(nn.Module):
    """A module, one that works in place, and a function."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(3, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(inplace=True))

    def forward(self, inputs: Tensor) -> Tensor:
        return F.relu(self.layers(inputs) - 0.1)


def codes_by_hand(network: ThreeReLUs, inputs: Tensor) -> np.ndarray:
    one = network.layers[0](inputs)
    two = network.layers[2](one.clamp(min=0))
    return torch.cat([one > 0, two > 0, two.clamp(min=0) > 0.1], dim=1).numpy().astype(int)


def test_relu_codes_by_hand() -> None:
    network = ThreeReLUs()
    batch = Batch(torch.cat([torch.eye(3), -torch.eye(3)]), torch.zeros(6, dtype=torch.int64))
    codes = codes_by_hand(network, batch.inputs)
    kernel = np.array([[(one == other).sum() for other in codes] for one in codes])
    assert len(np.unique(codes, axis=0)) == 6, "or the kernel is singular"
    assert get_proxy("naswot")(network, batch, cross_entropy) == pytest.approx(np.linalg.slogdet(kernel)[1])
    assert get_proxy("linear_regions")(network, batch, cross_entropy) == 6
    assert network.layers[3].inplace
    repeated = Batch(batch.inputs[[0, 1, 2, 0, 1, 0]], batch.targets)
    assert math.isnan(get_proxy("naswot")(network, repeated, cross_entropy))
    assert get_proxy("linear_regions")(network, repeated, cross_entropy) == 3


def test_a_network_without_relu_is_refused() -> None:
    for name in ("naswot", "linear_regions"):
        with pytest.raises(TaskError, match="Linear goes through no ReLU"):
            small_score(name, nn.Linear(1, 1))


def test_zen_by_hand() -> None:
    network = nn.Sequential(nn.Conv1d(2, 3, 1), nn.BatchNorm1d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    batch = Batch(torch.empty(8, 2, 4), torch.zeros(8, dtype=torch.int64))
    score = get_proxy("zen")(network, batch, cross_entropy, seed=5)
    torch.manual_seed(5)
    weight, _, inputs = torch.randn(3, 2, 1), torch.randn(2, 12), torch.randn(8, 2, 4)
    moved = inputs + 0.01 * torch.randn(8, 2, 4)

    def features(x: Tensor) -> tuple[Tensor, Tensor]:
        y = torch.einsum("oi,nip->nop", weight[:, :, 0], x)
        variance, mean = torch.var_mean(y, dim=(0, 2), correction=0)
        return F.relu((y - mean[:, None]) / (variance[:, None] + 1e-5).sqrt()), y.var(dim=(0, 2))

    here, variance = features(inputs)
    expected = (here - features(moved)[0]).abs().mean().log() + variance.mean().sqrt().log()
    assert score == pytest.approx(float(expected), rel=1e-3)


def test_tangent_kernel_by_hand() -> None:
    network = nn.Linear(3, 2)  # the sum of its outputs has the gradient (x, x): K = 2 X X'
    batch = Batch(torch.randn(3, 3), torch.zeros(3, dtype=torch.int64))
    values = np.linalg.eigvalsh((batch.inputs @ batch.inputs.T).double().numpy())
    assert get_proxy("ntk")(network, batch, cross_entropy) == pytest.approx(-values[-1] / values[0], rel=1e-3)


def test_a_singular_tangent_kernel_gives_no_score() -> None:
    batch = Batch(torch.tensor([[1.0], [1.0]]), torch.zeros(2, dtype=torch.int64))
    assert math.isnan(get_proxy("ntk")(nn.Linear(1, 1, bias=False), batch, cross_entropy))


def probe_of(shape: tuple[int, ...], dense: bool, settings: ProxySettings) -> Probe:
    if not dense:
        return random_probe(shape, 3, settings)
    generator = torch.Generator().manual_seed(settings.seed)
    inputs, fields = (torch.randn(settings.batch_size, n, *shape[1:], generator=generator) for n in (shape[0], 2))
    return Probe(Batch(inputs, fields), relative_l2, 2, dense=True)


@pytest.mark.parametrize("name", proxy_names())
@pytest.mark.parametrize(("shape", "dense"), [((1, 8, 8), False), ((2, 16), False), ((2, 6, 6), True), ((1, 12), True)])
def test_every_proxy_in_one_and_two_dimensions_for_points_and_fields(
    name: str, shape: tuple[int, ...], dense: bool
) -> None:
    proxy, settings = get_proxy(name), ProxySettings(batch_size=6)
    probe = probe_of(shape, dense, settings)
    for text in CONNECTED:
        archs = Architectures.of([text])
        if dense and proxy.needs == "classes":
            with pytest.raises(TaskError, match="not classes"):
                score_archs(proxy, archs, probe, settings)
            continue
        scores = score_archs(proxy, archs, probe, settings)
        assert np.isfinite(scores).all()
        torch.rand(3)  # what others draw does not matter
        assert np.array_equal(score_archs(proxy, archs, probe, settings), scores)


@pytest.mark.parametrize("name", proxy_names())
def test_the_network_stays_as_it_was(name: str) -> None:
    settings = ProxySettings(batch_size=6)
    probe = random_probe((1, 8, 8), 3, settings)
    network = build_network(CONNECTED[0], (1, 8, 8), 3, preset="small").eval()
    network(probe.batch.inputs).sum().backward()
    network.stem.requires_grad_(False)
    network.body[0].train()
    calls: list[str] = []
    network.head.register_forward_hook(lambda *_: calls.append("own"))
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.inplace = True
    before = copy.deepcopy(network)
    gradients = [None if parameter.grad is None else parameter.grad.clone() for parameter in network.parameters()]
    inputs, state = probe.batch.inputs.clone(), torch.random.get_rng_state()
    get_proxy(name)(network, probe.batch, probe.loss)

    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(probe.batch.inputs, inputs)
    assert not probe.batch.inputs.requires_grad
    for (key, value), other in zip(network.state_dict().items(), before.state_dict().values(), strict=True):
        assert torch.equal(value, other), key
    for parameter, other_parameter in zip(network.parameters(), before.parameters(), strict=True):
        assert parameter.requires_grad == other_parameter.requires_grad
    for parameter, gradient in zip(network.parameters(), gradients, strict=True):
        assert parameter.grad is gradient is None or torch.equal(parameter.grad, gradient)
    modules = zip(network.modules(), before.modules(), strict=True)
    for module, other_module in modules:
        assert type(module) is type(other_module)
        assert module.training == other_module.training
        assert getattr(module, "inplace", None) == getattr(other_module, "inplace", None)
        assert len(module._forward_hooks) == len(other_module._forward_hooks)
        assert not module._forward_pre_hooks


def test_what_no_path_leads_through_has_no_score_by_what_it_computes() -> None:
    archs = Architectures.of([PATHLESS])
    settings = ProxySettings(batch_size=6)
    probe = random_probe((1, 8, 8), 3, settings)
    scores = {name: score_archs(get_proxy(name), archs, probe, settings)[0] for name in proxy_names()}
    assert {name for name, score in scores.items() if math.isfinite(score)} == {
        *("params", "flops", "l2_norm", "linear_regions"),
    }
    assert scores["linear_regions"] == 1


def test_what_is_counted_without_building_is_what_the_proxy_counts() -> None:
    archs = get_space("mixed").sample_many(6, np.random.default_rng(3))
    for settings, shape in ((ProxySettings(), (2, 9)), (ProxySettings("paper"), (3, 9, 8))):
        probe = random_probe(shape, 4, settings)
        sizes = NetworkSizes(shape, 4, preset=settings.preset)
        for name, counted in (("params", sizes.parameters(archs)), ("flops", sizes.flops(archs))):
            assert score_archs(get_proxy(name), archs, probe, settings).tolist() == counted.tolist()
            network = build_network(archs[0], shape, 4, preset=settings.preset)
            assert get_proxy(name)(network, probe.batch, probe.loss) == counted[0]


@pytest.mark.data
def test_sizes_are_those_of_all_cells_of_nasbench201(tables_folder: Path) -> None:
    columns = ["arch_str", "params_m_c10", "flops_m_c10"]
    table = pq.read_table(tables_folder / "nasbench201.parquet", columns=columns).to_pydict()
    archs = Architectures.of(table["arch_str"], get_space("nasbench201"))
    settings = ProxySettings("paper")
    probe = random_probe((3, 32, 32), 10, settings)
    parameters, flops = (score_archs(get_proxy(name), archs, probe, settings) for name in ("params", "flops"))
    assert len(archs) == 15_625
    assert np.array_equal(parameters, np.round(np.array(table["params_m_c10"]) * 1e6))
    # The table also counts norms and ReLUs (3 an element), pooling (9), and operations that no path reaches.
    elements = 5 * (16 * 32**2 + 32 * 16**2 + 64 * 8**2)
    graphs = archs.graphs()
    convs = np.isin(graphs.kinds, [KINDS.index("conv1-d1"), KINDS.index("conv3-d1")])
    pools = graphs.kinds == KINDS.index("avgpool")
    counted = flops + 160_832 + 3 * elements * convs.sum(axis=1) + 9 * elements * pools.sum(axis=1)
    more = np.array(table["flops_m_c10"]) * 1e6 - counted
    dead = (convs & ~graphs.live()).any(axis=1)
    assert 4_000 < dead.sum() < 4_500
    assert np.abs(more[~dead]).max() < 10, "float32 in the table"
    assert more[dead].min() >= 3_932_150, "a dead pointwise convolution"


def test_seeds_matter() -> None:
    archs = Architectures.of(CONNECTED[:1])
    for name in ("snip", "naswot", "zen"):
        values = set()
        for seed in range(2):
            settings = ProxySettings(batch_size=6, seed=seed)
            probe = random_probe((1, 8, 8), 3, settings)
            values.add(float(score_archs(get_proxy(name), archs, probe, settings)[0]))
        assert len(values) == 2, name


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(TaskError, match=r"no proxy 'best'\. There are: "):
        get_proxy("best")
    with pytest.raises(TaskError, match="already a proxy 'snip'"):
        register_proxy(Proxy("snip", lambda network, batch, loss: 0.0, "inputs", "mine"))
    for wrong, named in (({"batch_size": 1}, "at least 2"), ({"inputs": "own"}, "'own'"), ({"preset": "huge"}, "huge")):
        with pytest.raises(TaskError, match=named):
            ProxySettings(**wrong)  # type: ignore[arg-type]
