"""CSV files: classes, labels and values, rows as features and as series, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mpnas_ray.errors import TaskError
from trainables import DataOptions, get_task
from trainables.tasks.sources.csv_tables import read_csv_table
from trainables.tasks.sources.losses import CrossEntropy, LabelLoss, OrdinalLoss, ValueLoss
from trainables.tasks.sources.summary import summary


def table(folder: Path, text: str) -> Path:
    file = folder / "table.csv"
    file.write_text(text, encoding="utf-8")
    return file


def rows(count: int, form: str) -> str:
    """Rows by a format of the number ``i``."""
    return "".join(form.format(i=i, half=i % 2, third=i % 3) + "\n" for i in range(count))


def refused(file: Path, **options: Any) -> str:
    with pytest.raises(TaskError) as error:
        get_task(f"csv:{file}", DataOptions(**options))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_iris(own_data: Path) -> None:
    from sklearn.datasets import load_iris

    samples = read_csv_table(str(own_data / "iris.csv"), DataOptions(target="species"))
    assert samples.form == "features"
    np.testing.assert_allclose(samples.inputs[:, 0], load_iris().data, rtol=1e-6)
    np.testing.assert_array_equal(samples.targets.values, load_iris().target)
    task = get_task(f"csv:{own_data / 'iris.csv'}", DataOptions(target="species"))
    assert (task.name, task.num_outputs, task.metric.name) == ("csv-iris", 3, "accuracy")
    assert task.classes == ("setosa", "versicolor", "virginica")
    assert task.input_scaling == "position", "each feature by itself"
    assert [len(split) for split in vars(task.load_checked(None)).values()] == [90, 30, 30]


def test_diabetes_is_a_regression(own_data: Path) -> None:
    task = get_task(f"csv:{own_data / 'diabetes.csv'}", DataOptions(target="target"))
    data = task.load_checked(None)
    assert task.metric.name == "r2"
    assert task.classes == ()
    assert isinstance(task.loss, ValueLoss)
    assert task.loss.scales == pytest.approx([float(data.train.targets.std(correction=0))])
    assert data.train.targets.shape == (266, 1)
    lines = summary(task, data)
    assert lines is not None
    assert "target: from 25 to 346 in train" in lines


@pytest.mark.parametrize(
    ("column", "options", "kind", "names"),
    [
        ("{third}", {}, "classes", ("0", "1", "2")),
        ("c{third}", {}, "classes", ("c0", "c1", "c2")),
        ("{half}.0", {}, "values", ()),
        ("{half}.0", {"metric": "accuracy"}, "classes", ("0", "1")),
        ("{i}.5", {}, "values", ()),
        ("{i}", {"loss": "l1"}, "values", ()),
        ("{i}", {"metric": "spearman"}, "values", ()),
        ("{third}", {"loss": "ordinal"}, "classes", ("0", "1", "2")),
    ],
)
def test_what_a_target_is(
    tmp_path: Path, column: str, options: dict[str, str], kind: str, names: tuple[str, ...]
) -> None:
    file = table(tmp_path, "x,y\n" + rows(30, "{i}.25," + column))
    targets = read_csv_table(str(file), DataOptions(target="y", **options)).targets  # type: ignore[arg-type]
    assert targets.kind == kind
    assert get_task(f"csv:{file}", DataOptions(target="y", **options)).classes == names  # type: ignore[arg-type]


def test_several_targets(tmp_path: Path) -> None:
    file = table(tmp_path, "x,a,b,c\n" + rows(30, "{i},{half},{third},{half}"))
    values = get_task(f"csv:{file}", DataOptions(target="a,b"))
    assert (values.num_outputs, values.metric.name) == (2, "r2")
    labels = get_task(f"csv:{file}", DataOptions(target=("a", "c")))
    assert (labels.num_outputs, labels.metric.name, labels.classes) == (2, "average_precision", ("a", "c"))
    assert labels.load_checked(None).train.targets.dtype == torch.float32
    numbers = get_task(f"csv:{file}", DataOptions(target="a,c", loss="mse"))
    assert numbers.classes == ()


def test_weights_and_losses_by_name(tmp_path: Path) -> None:
    file = table(tmp_path, "x,y,a,b\n" + rows(40, "{i},{half},{half},{half}").replace(",1,1,1\n", ",0,0,1\n", 10))
    weighted = get_task(f"csv:{file}", DataOptions(target="y", class_weights="balanced")).loss
    assert isinstance(weighted, CrossEntropy)
    assert weighted.weights == pytest.approx([24 / (2 * 18), 24 / (2 * 6)])
    ordinal = get_task(f"csv:{file}", DataOptions(target="y", class_weights="balanced", loss="ordinal")).loss
    assert ordinal == OrdinalLoss(weighted.weights)
    labels = get_task(f"csv:{file}", DataOptions(target="a,b", class_weights="balanced"))
    assert isinstance(labels.loss, LabelLoss)
    assert labels.loss.weights[0] > labels.loss.weights[1], "the rarer label weighs more"
    assert "are for classes and labels" in refused(file, target="y", loss="l1", class_weights="balanced")


def test_rows_as_series(tmp_path: Path) -> None:
    """Columns may come in any order; they are told apart by word and ordered by number."""
    names = [f"{word}_{step}" for step in (10, 2, 0, 1, 3, 4, 5, 6) for word in ("x", "y")]
    lines = [",".join([*(f"{row}.{step % 10}" for step in range(16)), str(row % 2)]) for row in range(10)]
    file = table(tmp_path, "\n".join([",".join([*names, "label"]), *lines]))
    samples = read_csv_table(str(file), DataOptions(target="label"))
    assert samples.form == "series"
    assert samples.inputs.shape == (10, 2, 8)
    np.testing.assert_allclose(samples.inputs[1, 0], [1.4, 1.6, 1.2, 1.8, 1.0, 1.2, 1.4, 1.0], rtol=1e-6)
    assert get_task(f"csv:{file}", DataOptions(target="label")).input_scaling == "channel"
    features = read_csv_table(str(file), DataOptions(target="label", rows="features"))
    assert (features.form, features.inputs.shape) == ("features", (10, 1, 16))


def test_few_numbered_columns_are_features_unless_asked(tmp_path: Path) -> None:
    file = table(tmp_path, "t0,t1,t2,y\n" + rows(12, "{i},{half},{third},{half}"))
    assert read_csv_table(str(file), DataOptions(target="y")).form == "features"
    assert read_csv_table(str(file), DataOptions(target="y", rows="series")).form == "series"
    file = table(tmp_path, "t0,t1,u0,y\n" + rows(12, "{i},{half},{third},{half}"))
    assert "here the numbers differ" in refused(file, target="y", rows="series")
    file = table(tmp_path, "t0,age,y\n" + rows(12, "{i},{half},{half}"))
    assert "'age' is none" in refused(file, target="y", rows="series")


@pytest.mark.parametrize("sign", [";", "\t"])
def test_other_signs_between_columns(own_data: Path, tmp_path: Path, sign: str) -> None:
    text = (own_data / "iris.csv").read_text().replace(",", sign)
    other = read_csv_table(str(table(tmp_path, text)), DataOptions(target="species"))
    np.testing.assert_array_equal(
        other.inputs, read_csv_table(str(own_data / "iris.csv"), DataOptions(target="species")).inputs
    )


def test_groups_stay_together(tmp_path: Path) -> None:
    lines = [f"{i},{i % 2},patient-{i // 6}" for i in range(60)]
    file = table(tmp_path, "\n".join(["x,y,patient", *lines]))
    data = get_task(f"csv:{file}", DataOptions(target="y", group="patient")).load_checked(None)
    patients = [set((split.inputs.flatten() // 6).int().tolist()) for split in vars(data).values()]
    assert sum(map(len, patients)) == 10
    assert [len(split) for split in vars(data).values()] == [36, 12, 12]
    few = table(tmp_path, "\n".join(["x,y,patient", *(f"{i},{i % 2},{i % 2}" for i in range(60))]))
    assert "The class '0' has too few groups in the column 'patient', 1:" in refused(few, target="y", group="patient")
    two = table(tmp_path, "\n".join(["x,y,patient", *(f"{i},{i % 2},{i // 30}" for i in range(60))]))
    assert "There are too few groups in the column 'patient', 2:" in refused(two, target="y", group="patient")


GOOD = "x,y\n" + rows(12, "{i},{half}")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        pytest.param(GOOD, {}, "say with --target which column is to be predicted; its columns are x, y.", id="none"),
        pytest.param(GOOD, {"target": "Y"}, "has no column 'Y'; its columns are x, y. Did you mean 'y'?", id="similar"),
        pytest.param(GOOD, {"target": "y", "group": "z"}, "has no column 'z'", id="group"),
        pytest.param(GOOD, {"target": "y", "group": "y"}, "cannot be both target and group", id="both"),
        pytest.param(GOOD, {"target": "x,y"}, "has no column beside x and y", id="no features"),
        pytest.param("x,x,y\n" + rows(9, "1,2,{half}"), {"target": "y"}, "two columns of the name 'x'", id="twice"),
        pytest.param("", {"target": "y"}, "is empty", id="empty"),
        pytest.param("x,y\n", {"target": "y"}, "has no rows", id="no rows"),
        pytest.param("x,y\n1,2\n1,2,3\n", {"target": "y"}, "cannot be read as a CSV file", id="ragged"),
        pytest.param(
            "x,name,y\n" + rows(9, "1,n{i},{half}"),
            {"target": "y"},
            "the column 'name' holds texts, such as n0, and features must be numbers",
            id="texts",
        ),
        pytest.param(
            "x,day,y\n" + rows(9, "1,2024-01-0{third},{half}").replace("-00", "-03"),
            {"target": "y"},
            "the column 'day' holds values of type date32",
            id="dates",
        ),
        pytest.param(
            "x,y\n1,0\n,1\n3,0\n", {"target": "y"}, "row 2 has no finite value in the column 'x'; 1 of 3", id="gap"
        ),
        pytest.param(
            "x,y\n1,a\n2,\n3,b\n", {"target": "y"}, "row 2 has no finite value in the column 'y'", id="no class"
        ),
        pytest.param("x,y\n1.5,0\nnan,1\n3,0\n", {"target": "y"}, "row 2 has no finite value", id="nan"),
        pytest.param("x,y\n1.5,0\n2,1\ninf,0\n", {"target": "y"}, "row 3 has no finite value", id="infinite"),
        pytest.param("x,y\n,0\n,1\n", {"target": "y", "skip_bad": True}, "every row has a gap", id="all gaps"),
        pytest.param("x,y\n" + rows(9, "{i},0"), {"target": "y"}, "all samples are of one class, 0", id="one class"),
        pytest.param(
            "x,y\n" + rows(9, "{i},0.5"), {"target": "y"}, "y has the same value in all samples", id="constant"
        ),
        pytest.param(
            "x,y\n" + rows(9, "{i},{i}"),
            {"target": "y"},
            "The class '0' has too few different samples, 1",
            id="too few",
        ),
        pytest.param(
            GOOD, {"target": "y", "metric": "f1_micro"}, "the targets are classes, and f1_micro is not", id="metric"
        ),
        pytest.param("x,y\n" + rows(9, "{i},c{third}"), {"target": "y", "loss": "mse"}, "y holds texts, so", id="loss"),
        pytest.param(
            "x,a,b\n" + rows(9, "{i},c{half},1"), {"target": "a,b"}, "'a' holds texts: several", id="two texts"
        ),
        pytest.param(
            "x,a,b\n" + rows(9, "{i},{half},1"), {"target": "a,b"}, "The label b is the same in all", id="label"
        ),
        pytest.param(
            "x,y\n" + rows(40, "{i},{i}"),
            {"target": "y"},
            "y holds 40 different whole numbers, some of them once: to predict them as values, say --loss mse",
            id="numbers as classes",
        ),
        pytest.param(GOOD, {"target": "y", "augment": "flip"}, "flip is no augmentation of features", id="augment"),
    ],
)
def test_refusals(tmp_path: Path, text: str, options: dict[str, Any], message: str) -> None:
    assert message in refused(table(tmp_path, text), **options)


def test_a_file_that_is_not_utf_8_or_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "latin.csv"
    file.write_bytes(("x,y\n" + rows(9, "{i},caf\u00e9{half}")).encode("latin-1"))
    assert "the column 'y' is not all UTF-8" in refused(file, target="y")
    opened = Path.open

    def open_others(path: Path, *arguments: Any, **named: Any) -> Any:
        if path == file:
            raise PermissionError("Permission denied")
        return opened(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", open_others)
    assert "latin.csv cannot be read as a CSV file: Permission denied" in refused(file, target="y")


def test_truth_values(tmp_path: Path) -> None:
    """As features, as a target and as labels."""
    file = table(
        tmp_path, "x,on,y,z\n" + rows(24, "{i},{half},{half},{half}").replace(",1", ",true").replace(",0", ",false")
    )
    task = get_task(f"csv:{file}", DataOptions(target="y"))
    assert task.classes == ("False", "True")
    assert get_task(f"csv:{file}", DataOptions(target="y,z")).classes == ("y", "z")


def test_no_file(tmp_path: Path) -> None:
    assert "There is no file" in refused(tmp_path / "nothing.csv", target="y")
    assert "is a folder, and not a CSV file: a folder of images is named images:" in refused(tmp_path, target="y")


def test_rows_with_gaps_are_left_out_where_asked(tmp_path: Path) -> None:
    file = table(tmp_path, "x,y\n" + rows(20, "{i},{half}") + ",1\n7,\n")
    task = get_task(f"csv:{file}", DataOptions(target="y", skip_bad=True))
    lines = summary(task, task.load_checked(None))
    assert lines is not None
    assert lines.endswith("2 left out: row 21 has a gap; row 22 has a gap.")


def test_more_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = table(tmp_path, GOOD)
    monkeypatch.setattr("os.sysconf", lambda name: 1)
    assert "would take 0.0 GB of memory, and 0.0 GB are free" in refused(file, target="y")
