from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from typer.testing import CliRunner

from cluster.artifacts.exporting import export_run
from cluster.cli import app
from mpnas_ray.errors import RunError, TaskError
from trainables import build_network
from trainables.networks.exporting import TOLERANCE, Export, ExportFormat, export_network
from trainables.networks.saved import FoundNetwork, NetworkCard, save_network
from trainables.networks.scaling import Decoder, Encoder

# All operations but zero, which is never computed.
CELLS = (
    "mixed:nasbench101:|conv1-d1~0|conv3-d1~0~1|conv5-d1~0|conv5-d2~2|avgpool~3~4|output~5|",
    "mixed:nasbench101:|conv7-d1~0|conv7-d2~0~1|linear~0|maxpool~2|skip~3~4|output~5|",
)
CLASSES, FIELD = (CELLS[1], (2, 45), False), (CELLS[0], (1, 11, 13), True)
SPECTRAL = ("mixed+spectral:nasbench101:|conv3-d1~0|fourier~1|output~0~2|", (1, 11, 13), True)
SIZED = (f"{CELLS[1].replace('mixed', 'mixed-macro', 1)}@w8-d2-s1", (2, 45), False)


def found_network(arch: str, input_shape: tuple[int, ...], dense: bool) -> FoundNetwork:
    """As if trained: no weight, mean or deviation is what it was drawn as; fields know their coordinates."""
    channels, *sides = input_shape
    encoded = (channels + len(sides) * dense, *sides)
    torch.manual_seed(0)
    network = build_network(arch, encoded, 3, dense, "small")
    for _ in range(3):
        network(torch.randn(8, *encoded))  # moves the statistics of batch norm
    ones = [1] * len(sides)
    encoder = Encoder(torch.randn(channels, *ones), torch.rand(channels, *ones) + 5, coordinates=dense)
    decoder: nn.Module = Decoder(torch.randn(3, *sides), 1e-3 * torch.rand(3, *sides)) if dense else nn.Identity()
    card = NetworkCard(arch, "made-up", encoded, 3, dense, "small", dense, {"validation_accuracy": 0.5})
    return FoundNetwork(encoder, network, decoder, card).eval()


def outputs_of(path: Path, export_format: str, inputs: Tensor) -> tuple[Tensor, str]:
    """What the file computes, and the card it carries."""
    if export_format == "torchscript":
        extra = {"mpnas.json": ""}
        return torch.jit.load(path, _extra_files=extra)(inputs).detach(), extra["mpnas.json"]
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path)
    outputs = torch.from_numpy(session.run(None, {"inputs": inputs.numpy()})[0])
    return outputs, session.get_modelmeta().custom_metadata_map["mpnas"]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    ("export_format", "which"),
    [
        ("torchscript", CLASSES),
        ("torchscript", FIELD),
        ("onnx", FIELD),
        pytest.param("onnx", CLASSES, marks=pytest.mark.slow),
        pytest.param("onnx", SPECTRAL, marks=pytest.mark.slow),
        pytest.param("torchscript", SIZED, marks=pytest.mark.slow),
    ],
)
def test_the_file_computes_the_same_for_batches_of_any_size(
    export_format: ExportFormat, which: tuple[str, tuple[int, ...], bool], tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript" if export_format == "onnx" else "torch")
    network = found_network(*which)
    done = export_network(network, tmp_path / "deep" / "network", export_format)
    assert done.input_shape == which[1]
    assert [path.name for path in done.path.parent.iterdir()] == ["network"]
    assert done.num_bytes == done.path.stat().st_size
    for size in (1, 9):
        inputs = 4 * torch.randn(size, *which[1])
        with torch.no_grad():
            expected = network(inputs)
        outputs, card = outputs_of(done.path, export_format, inputs)
        assert float((outputs - expected).abs().max()) < TOLERANCE * float(expected.abs().max())
        assert json.loads(card)["arch"] == which[0]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_torchscript_file_needs_nothing_of_ours(tmp_path: Path) -> None:
    network = found_network(*CLASSES)
    path = export_network(network, tmp_path / "network.pt", "torchscript").path
    inputs = torch.randn(4, *CLASSES[1])
    np.save(tmp_path / "inputs.npy", inputs.numpy())
    code = (
        "import sys, numpy, torch; network = torch.jit.load(sys.argv[1]); "
        "inputs = torch.from_numpy(numpy.load('inputs.npy')); numpy.save('outputs.npy', network(inputs).detach()); "
        "print([name for name in ('mpnas_ray', 'trainables', 'ray') if name in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    with torch.no_grad():
        assert np.allclose(np.load(tmp_path / "outputs.npy"), network(inputs), atol=1e-5)


class _Forgetful(nn.Module):
    """Traced for one batch size, it gives other values for others."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1)[:, :3] * len(inputs)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_file_that_computes_something_else_is_not_kept(tmp_path: Path) -> None:
    network = found_network(*CLASSES)
    network.network = _Forgetful()
    (tmp_path / "network.pt").write_text("an earlier one")
    with pytest.raises(TaskError, match="does not compute the same"):
        export_network(network, tmp_path / "network.pt", "torchscript")
    assert [path.name for path in tmp_path.iterdir()] == ["network.pt"]
    assert (tmp_path / "network.pt").read_text() == "an earlier one"


def test_missing_packages_are_named_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(TaskError, match=r"needs onnxscript: pip install 'mpnas-ray\[export\]'"):
        export_network(found_network(*CLASSES), tmp_path / "network.onnx", "onnx")


def test_a_place_that_cannot_be_written_and_an_unknown_format(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    network = found_network(*CLASSES)
    with pytest.raises(TaskError, match="cannot be written"):
        export_network(network, tmp_path / "file" / "network.pt", "torchscript")
    with pytest.raises(TaskError, match=r"There is no export format 'keras'\. There are: onnx, torchscript"):
        export_network(network, tmp_path / "network.keras", "keras")  # type: ignore[arg-type]


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_network_of_a_run_by_folder_and_by_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    save_network(tmp_path / "runs" / "mine" / "best", found_network(*CLASSES))
    assert export_run("runs/mine/", "torchscript").path == Path("mine.pt")
    uri = (tmp_path / "runs" / "mine").as_uri()
    fetched = export_run(uri, "torchscript", tmp_path / "fetched.pt")
    inputs = torch.randn(2, *CLASSES[1])
    found = [outputs_of(path, "torchscript", inputs)[0] for path in (Path("mine.pt"), fetched.path)]
    assert torch.equal(*found)


def test_a_run_without_a_network_is_told_from_no_run(tmp_path: Path) -> None:
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "run.json").write_text("{}")
    for run in (str(tmp_path / "unfinished"), (tmp_path / "unfinished").as_uri()):
        with pytest.raises(RunError, match="continue the run until it is complete"):
            export_run(run, "onnx")
    for run in (str(tmp_path), tmp_path.as_uri(), str(tmp_path / "nowhere")):
        with pytest.raises(RunError, match="is not the folder of a complete run"):
            export_run(run, "onnx")
    save_network(tmp_path / "damaged" / "best", found_network(*CLASSES))
    (tmp_path / "damaged" / "best" / "network.safetensors").write_bytes(b"no")
    with pytest.raises(TaskError, match="damaged"):
        export_run(str(tmp_path / "damaged"), "onnx")


@pytest.mark.parametrize(
    ("arguments", "file", "said"),
    [
        (["a.onnx"], "a.onnx", "onnx"),
        (["--out", "a.ONNX"], "a.ONNX", "onnx"),
        (["a.pt"], "a.pt", "torchscript"),
        (["--out", "a.pth"], "a.pth", "torchscript"),
        (["--format", "torchscript", "--out", "a.bin"], "a.bin", "torchscript"),
        (["--format", "torchscript"], "mine.pt", "torchscript"),
        ([], "mine.onnx", "onnx"),
    ],
)
def test_the_command_takes_the_format_from_the_files_ending(
    arguments: list[str], file: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_network(tmp_path / "mine" / "best", found_network(*CLASSES))
    written: list[tuple[str, str]] = []

    def write(network: FoundNetwork, path: str | Path, export_format: ExportFormat) -> Export:
        written.append((str(path), export_format))
        return Export(Path(path), (3, 8, 8), 0, 0.0)

    monkeypatch.setattr("cluster.artifacts.exporting.export_network", write)  # what it writes, other tests check
    assert CliRunner().invoke(app, ["export", "mine", *arguments]).exit_code == 0
    assert written == [(file, said)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine", "a.bin"], "a.bin does not say its format: let it end in .onnx, .pt"),
        (["mine", "a.pt", "--format", "onnx"], "a.pt ends as files of the format torchscript do, but --format is onnx"),
        (["x.onnx"], "Name the run before the file: mpnas export RUN x.onnx"),
    ],
)
def test_a_format_that_is_not_said_or_said_twice(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_network(tmp_path / "mine" / "best", found_network(*CLASSES))
    result = CliRunner().invoke(app, ["export", *arguments])
    assert isinstance(result.exception, RunError)
    assert message in str(result.exception)
