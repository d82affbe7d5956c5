"""Images of one's own: a search over a folder, its best network, and what that says of images it has not seen.

python examples/own_data.py photos/ new/*.jpg     # class folders, or train/ val/ test/ with class folders in each
python examples/own_data.py                       # draws 70 images first, to see how it goes
"""

import argparse
import tempfile
from pathlib import Path

from PIL import Image

from search import search
from trainables.data.scenes import CLASSES, draw


def draw_photos(folder: Path, count: int = 70, size: int = 48, seed: int = 0) -> Path:
    """Drawn aerial views as PNG files in class folders: a stand-in for photos of yours."""
    drawn = draw(count, size, seed)
    for number, (pixels, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        file = folder / CLASSES[label] / f"{number:04d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(file)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", help="a folder of class folders (drawn here where it is left out)")
    parser.add_argument("new", nargs="*", help="images to say the class of")
    parser.add_argument("--samples", type=int, default=4, help="trials (4)")
    parser.add_argument("--epochs", type=int, default=3, help="epochs of a trial (3)")
    parser.add_argument("--out", default="runs", help="folder for run folders (runs)")
    given = parser.parse_args()

    drawn = Path(tempfile.mkdtemp())
    photos = given.photos or draw_photos(drawn / "photos")
    new = given.new or sorted(draw_photos(drawn / "new", count=7, seed=1).rglob("*.png"))

    # Without `model` and `weights` it is a ResNet18 from ImageNet weights, which torchvision downloads.
    run = search(
        space="finetune",
        data=photos,
        model="small_cnn",
        weights="none",
        image_size=32,
        samples=given.samples,
        epochs=given.epochs,
        executor="local",  # one trial after another in this process; without it Ray runs them
        out=given.out,
    )

    print(run.config)
    print(run.best[["trial", "anchor", "selection_accuracy", "test_accuracy"]])
    model = run.model()
    for row in model.predict(new):
        print(f"{row['path']}: {row['predicted']} ({row['probability_' + row['predicted']]:.2f})")
    print(f"The run is {run.folder}; run.report() or python -m analysis.report makes a page of it.")


if __name__ == "__main__":
    main()
