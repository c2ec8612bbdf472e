"""Folders of images: what is read of them, how it is split, and what is refused in one line."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from mpnas_ray.errors import TaskError
from trainables import DataOptions, TaskData, get_task
from trainables.tasks.sources.images import read_images
from trainables.tasks.sources.summary import summary

SMALL = DataOptions(image_size=8)


def photo(file: Path, size: tuple[int, int] = (20, 10), mode: str = "RGB", shade: int = 100) -> Path:
    """A picture in which brightness rises from left to right, so that a mirrored or turned one is another."""
    file.parent.mkdir(parents=True, exist_ok=True)
    ramp = np.linspace(0, shade, size[0]).astype(np.uint8)[None].repeat(size[1], axis=0)
    image = Image.fromarray(ramp).convert(mode)
    image.save(file)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six cats and six dogs of several sizes and formats."""
    for label in ("cat", "dog"):
        for number in range(6):
            ending = ("png", "jpg", "bmp")[number % 3]
            photo(tmp_path / "pets" / label / f"{number}.{ending}", (20 + number, 10), shade=100 + 10 * number)
    return tmp_path / "pets"


def refused(folder: Path, options: DataOptions = SMALL) -> str:
    with pytest.raises(TaskError) as error:
        get_task(f"images:{folder}", options)
    assert "\n" not in str(error.value)
    return str(error.value)


def sizes(data: TaskData) -> list[int]:
    return [len(split) for split in (data.train, data.validation, data.test)]


def test_digits_come_back_as_they_were_written(own_data: Path) -> None:
    from sklearn.datasets import load_digits

    samples = read_images(str(own_data / "digits"), SMALL)
    assert samples.inputs.shape == (300, 1, 8, 8)
    assert samples.inputs.dtype == np.float32
    order = np.lexsort(samples.inputs.reshape(300, -1).T)
    written = (load_digits().images[:300] * 15).astype(np.uint8).astype(np.float32)[:, None] / np.float32(255)
    expected = np.lexsort(written.reshape(300, -1).T)
    np.testing.assert_array_equal(samples.inputs[order], written[expected])
    np.testing.assert_array_equal(samples.targets.values[order], load_digits().target[:300][expected])


def test_a_task_is_the_same_in_another_process(own_data: Path) -> None:
    task = get_task(f"images:{own_data / 'digits'}", SMALL)
    assert task.name == "images-digits"
    assert task.num_outputs == 10
    assert task.classes == tuple(f"digit-{number}" for number in range(10))
    content = pickle.dumps(task)
    assert len(content) < 5_000, "the data are not in it"
    there = pickle.loads(content)
    assert there.load == task.load
    mine, theirs = task.load_checked(None), there.load_checked(None)
    for part in ("train", "validation", "test"):
        assert torch.equal(getattr(mine, part).inputs, getattr(theirs, part).inputs)
        assert torch.equal(getattr(mine, part).targets, getattr(theirs, part).targets)
    other = get_task(f"images:{own_data / 'digits'}", DataOptions(image_size=8, split_seed=1)).load_checked(None)
    assert sizes(other) == sizes(mine)
    assert not torch.equal(other.test.inputs, mine.test.inputs)


def test_a_folder_is_read_again_where_it_has_changed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And not where it has not: commands ask for their task many times."""
    task = get_task(f"images:{folder}", SMALL)
    assert get_task(f"images:{folder}", SMALL) is task
    assert get_task(f"images:{folder}", DataOptions(image_size=16)).load_checked(None).train.inputs.shape[-1] == 16
    for number in range(3):
        photo(folder / "bird" / f"{number}.png", shade=50 + number)
    assert get_task(f"images:{folder}", SMALL).classes == ("bird", "cat", "dog")


@pytest.mark.parametrize(
    ("folder_name", "name"), [("pets v1.2", "images-pets-v1.2"), ("日本", "images-data"), (".hidden", "images-hidden")]
)
def test_the_name_is_one_that_file_systems_take(folder: Path, folder_name: str, name: str) -> None:
    assert get_task(f"images:{folder.rename(folder.with_name(folder_name))}", SMALL).name == name


def test_images_of_any_size_are_resized(folder: Path) -> None:
    data = get_task(f"images:{folder}", DataOptions(image_size=16)).load_checked(None)
    assert data.train.inputs.shape == (8, 3, 16, 16)
    row = data.train.inputs[0, 0, 8]
    assert row[0] < 0.05
    assert 0.35 < row[-1] < 0.62
    assert (row.diff() > -0.02).all(), "brightness rises from left to right, as in the file"


def test_a_photo_is_turned_as_the_camera_was(tmp_path: Path) -> None:
    for label in ("a", "b"):
        for number in range(3):
            file = photo(tmp_path / "turned" / label / f"{number}.jpg", shade=200 + number)
            image = Image.open(file)
            exif = image.getexif()
            exif[0x0112] = 6  # turned by a quarter
            image.save(file, exif=exif)
    (image, *_) = read_images(str(tmp_path / "turned"), SMALL).inputs
    assert abs(image[0, 4].max() - image[0, 4].min()) < 0.1
    assert image[0, -1, 4] - image[0, 0, 4] > 0.5


def test_grey_colour_alpha_palette_and_16_bits(tmp_path: Path) -> None:
    root = tmp_path / "modes"
    for label in ("a", "b"):
        for number, mode in enumerate(("L", "RGB", "RGBA", "P", "CMYK", "1")):
            photo(root / label / f"{number}.{'tif' if mode == 'CMYK' else 'png'}", mode=mode, shade=250)
        deep = (np.linspace(0, 250, 20) * 257).astype(np.uint16)[None].repeat(10, axis=0)
        Image.fromarray(deep).save(root / label / "deep.png")
    assert "grey images and coloured ones, such as a/0.png and a/1.png: say --colours" in refused(root)
    grey = read_images(str(root), DataOptions(image_size=8, colours="grey")).inputs
    colour = read_images(str(root), DataOptions(image_size=8, colours="rgb")).inputs
    assert grey.shape == (14, 1, 8, 8)
    assert colour.shape == (14, 3, 8, 8)
    smooth = [0, 1, 2, 3, 4, 6]  # without the one of two colours
    np.testing.assert_allclose(grey[smooth], grey[:1].repeat(6, axis=0), atol=0.03)


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    for label in ("a", "b"):
        for number in range(3):
            file = tmp_path / "icons" / label / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGBA", (8, 8), (0, number, 0, 0)).save(file)
    assert (read_images(str(tmp_path / "icons"), SMALL).inputs == 1).all()


def test_folders_of_parts_are_kept(folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "parts"
    for part, count in (("train", 5), ("Validation", 3), ("test", 2)):
        for label in ("cat", "dog"):
            for number in range(count):
                photo(root / part / label / f"{number}.png", shade=100 + number)
    data = get_task(f"images:{root}", SMALL).load_checked(None)
    assert sizes(data) == [10, 6, 4]


@pytest.mark.parametrize("present", ["test", "val", None])
def test_parts_that_are_missing_come_from_train(tmp_path: Path, present: str | None) -> None:
    root = tmp_path / "parts"
    for part in ("train", present):
        for label in ("cat", "dog"):
            for number in range(10):
                if part is not None:
                    photo(root / part / label / f"{number}.png", shade=100 + number)
    data = get_task(f"images:{root}", SMALL).load_checked(None)
    assert sizes(data) == {"test": [16, 4, 20], "val": [16, 20, 4], None: [12, 4, 4]}[present]


def test_hidden_files_and_folders_inside_classes(folder: Path) -> None:
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "cat" / ".DS_Store").write_bytes(b"x")
    (folder / ".cache").mkdir()
    (folder / "README.txt").write_text("pets")
    photo(folder / "cat" / "more" / "6.png", shade=250)
    assert len(read_images(str(folder), SMALL).inputs) == 13


def test_the_same_image_twice_is_in_one_part(folder: Path) -> None:
    for number in range(6):
        photo(folder / "cat" / f"copy-{number}.png", shade=77)
    data = get_task(f"images:{folder}", SMALL).load_checked(None)
    copy = read_images(str(folder), SMALL).inputs[-7]  # the last cat, before six dogs
    homes = [sum(bool((image.numpy() == copy).all()) for image in split.inputs) for split in vars(data).values()]
    assert sorted(homes) == [0, 0, 6]


def test_a_class_may_be_called_train(folder: Path) -> None:
    for number in range(3):
        photo(folder / "train" / f"{number}.png", shade=30 + number)
    assert get_task(f"images:{folder}", SMALL).classes == ("cat", "dog", "train")


class TestRefusals:
    def test_parts_without_classes(self, tmp_path: Path) -> None:
        for part in ("train", "test"):
            photo(tmp_path / "flat" / part / "0.png")
        assert "flat/train holds no folders: the images of each class go into" in refused(tmp_path / "flat")

    def test_no_folder(self, tmp_path: Path) -> None:
        assert "There is no folder" in refused(tmp_path / "nothing" / "deep")
        (tmp_path / "flowers").mkdir()
        assert refused(tmp_path / "flower").endswith("Did you mean 'flowers'?")

    def test_a_file(self, folder: Path) -> None:
        file = folder / "cat" / "0.png"
        assert refused(file) == f"{file} is a file, and not a folder that holds a folder of images for each class."

    def test_an_empty_folder_of_a_part(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "parts" / "val").mkdir(parents=True)
        folder.rename(tmp_path / "parts" / "train")
        assert "parts/val holds no folders: the images of each class go into" in refused(tmp_path / "parts")

    def test_many_bad_files_are_counted(self, folder: Path) -> None:
        for number in range(5):
            (folder / "cat" / f"bad-{number}.png").write_bytes(b"")
        task = get_task(f"images:{folder}", DataOptions(image_size=8, skip_bad=True))
        lines = summary(task, task.load_checked(None))
        assert lines is not None
        assert lines.splitlines()[-1].startswith("5 left out: cat/bad-0.png is empty; ")
        assert lines.endswith("; and 2 more.")

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        assert "holds no folders: the images of each class go into a folder of its own" in refused(tmp_path)

    def test_images_without_folders(self, tmp_path: Path) -> None:
        photo(tmp_path / "pets" / "0.png")
        assert "holds 0.png beside the folders of its classes" in refused(tmp_path / "pets")

    def test_one_class(self, folder: Path) -> None:
        for file in (folder / "dog").iterdir():
            file.unlink()
        assert "pets/dog holds no image" in refused(folder)
        (folder / "dog").rmdir()
        assert "holds one class, 'cat': there is nothing to tell apart" in refused(folder)

    @pytest.mark.parametrize(
        ("content", "message"),
        [(b"", "is empty"), (b"no image", "is no image that can be read"), (None, "cannot be read (")],
    )
    def test_bad_files(self, folder: Path, content: bytes | None, message: str) -> None:
        bad = folder / "cat" / "bad.png"
        photo(bad)
        bad.write_bytes(bad.read_bytes()[:60] if content is None else content)
        assert f"{bad} {message}" in refused(folder)
        task = get_task(f"images:{folder}", DataOptions(image_size=8, skip_bad=True))
        lines = summary(task, task.load_checked(None))
        assert lines is not None
        assert f"1 left out: cat/bad.png {message}" in lines.splitlines()[-1]
        assert "12 images" in lines

    def test_nothing_but_bad_files(self, folder: Path) -> None:
        for file in (folder / "cat").iterdir():
            file.write_bytes(b"")
        assert "The class 'cat'" in refused(folder, DataOptions(skip_bad=True))

    def test_a_class_too_small_for_all_parts(self, folder: Path) -> None:
        photo(folder / "bird" / "0.png", shade=44)
        photo(folder / "bird" / "1.png", shade=45)
        assert "The class 'bird' has too few different samples, 2: each of train, validation, test" in refused(folder)

    def test_a_class_that_train_does_not_have(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "parts").mkdir()
        folder.rename(tmp_path / "parts" / "train")
        photo(tmp_path / "parts" / "test" / "brid" / "0.png")
        assert "test/brid is of a class that" in refused(tmp_path / "parts")

    def test_no_train_folder(self, folder: Path, tmp_path: Path) -> None:
        (tmp_path / "parts").mkdir()
        folder.rename(tmp_path / "parts" / "test")
        assert "holds test, but no folder train" in refused(tmp_path / "parts")

    def test_more_than_the_disk_has_room_for(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1))
        assert "where 0.0 GB are free: take a smaller --image-size, or fewer images, or name a" in refused(folder)

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (DataOptions(metric="mae"), "Folders of images are classes, and mae is not for classes"),
            (DataOptions(loss="mse"), "mse is not for classes"),
            (DataOptions(loss="mse", metric="auroc"), "for which there is no metric auroc"),
            (DataOptions(augment="jitter"), "jitter is no augmentation of images: there are flip, crop, cutout, mixup"),
        ],
    )
    def test_what_is_not_for_images(self, folder: Path, options: DataOptions, message: str) -> None:
        assert message in refused(folder, options)


def test_an_image_too_large_to_be_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 150)  # 20 x 10 are more
    assert "cannot be read (Image size" in refused(folder)
