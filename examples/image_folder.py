"""Search a network for a folder of images, a folder for each class, and use it on a file.

Run it with ``python image_folder.py``; it takes a minute. It writes such a folder first; with one of yours,
leave that out: ``mpnas search --task images:FOLDER`` does the same.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits

from cluster import run_search
from trainables import load_network

FOLDER = Path("digits")


def write_images(folder, num):
    """Write images to FOLDER/<class>/<number>.png."""
    images, labels = load_digits(return_X_y=True)
    for number, (image, label) in enumerate(zip(images[:num], labels, strict=False)):
        file = folder / f"digit-{label}" / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image.reshape(8, 8) * 15).astype(np.uint8)).save(file)


def search():
    """Search three architectures; a fifth of the images is for validation, a fifth for the test."""
    return run_search(
        task=f"images:{FOLDER}",
        image_size=8,  # pixels a side
        augment="crop",
        class_weights="balanced",
        metric="balanced_accuracy",
        space="nasbench201",
        num_samples=3,
        epochs=6,
        ema=0.98,
        patience=3,
        name="digits",
    )


def classify(network, file):
    """Return the class of an image."""
    image = np.asarray(Image.open(file).convert("L").resize((8, 8)), dtype=np.float32) / 255
    with torch.no_grad():
        return network.card.classes[network(torch.from_numpy(image)[None, None]).argmax()]


def main(num=900):
    """Search, and classify one image by the network that was found."""
    write_images(FOLDER, num)
    report = search()
    file = FOLDER / "digit-0" / "0.png"
    print(file, "is", classify(load_network(report.network), file))
    print(report.best_arch, f"{report.metric}={report.test:.3f}")


if __name__ == "__main__":
    main()
