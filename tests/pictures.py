"""Pictures of digits: real ones of MNIST's validation images, rendered as people's files show them."""

import gzip
import io

import numpy as np
from PIL import Image, ImageFilter

from tests.serving import ROOT

VALIDATION = ROOT / "deploy" / "drift"


def validation():
    """A thousand of MNIST's validation images, uint8 [n, 28, 28], and their labels."""
    images, labels = (
        np.frombuffer(gzip.decompress((VALIDATION / f"validation1000-{name}.gz").read_bytes()), np.uint8, offset=offset)
        for name, offset in (("images-idx3-ubyte", 16), ("labels-idx1-ubyte", 8))
    )
    return images.reshape(-1, 28, 28), labels


def file_of(picture, kind="PNG", **options):
    """A picture, an array or Pillow's, as the bytes of a file."""
    file = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(file, kind, **options)
    return file.getvalue()


def enlarged(image, side, how=Image.Resampling.BICUBIC):
    return np.asarray(Image.fromarray(image).resize((side, side), how))


def on_canvas(image, side, canvas, random):
    """Somewhere on a larger canvas."""
    picture = np.zeros((canvas, canvas), dtype=np.uint8)
    row, column = random.integers(0, canvas - side + 1, 2)
    picture[row : row + side, column : column + side] = enlarged(image, side)
    return picture


def on_paper(image, side, random):
    """Dark ink on grey paper that is lit from a side, with noise."""
    ink = enlarged(image, side) / 255
    light = np.linspace(-0.5, 0.5, side)
    paper = 190 + random.uniform(-40, 40) * light[:, None] + random.uniform(-40, 40) * light
    seen = paper * (1 - ink) + random.uniform(20, 90) * ink + random.normal(0, 3, (side, side))
    return np.uint8(np.clip(seen, 0, 255))


def with_dust(image, random):
    """On white, with specks as dark as ink."""
    picture = 255 - on_canvas(image, 140, 400, random)
    for row, column in random.integers(0, 398, (15, 2)):
        picture[row : row + 2, column : column + 2] = random.integers(0, 120)
    return picture


def cropped(image):
    """The ink and next to nothing around it."""
    large = np.pad(enlarged(image, 280), 8)
    rows, columns = (np.flatnonzero((large > 60).any(axis=axis)) for axis in (1, 0))
    return large[rows[0] - 8 : rows[-1] + 9, columns[0] - 8 : columns[-1] + 9]


def compressed(image, side, quality):
    return np.asarray(Image.open(io.BytesIO(file_of(255 - enlarged(image, side), "JPEG", quality=quality))))


def with_pen(image, change):
    """With strokes wider or thinner by twice as many of 140 pixels."""
    picture = Image.fromarray(enlarged(image, 140))
    for _ in range(abs(change)):
        picture = picture.filter(ImageFilter.MaxFilter(3) if change > 0 else ImageFilter.MinFilter(3))
    return 255 - np.asarray(picture)


# How people's files show digits: each makes a grey picture of a validation image.
RENDERINGS = {
    "56 pixels": lambda image, _: enlarged(image, 56),
    "137 pixels": lambda image, _: enlarged(image, 137),
    "280 pixels": lambda image, _: enlarged(image, 280),
    "1000 pixels": lambda image, _: enlarged(image, 1000),
    "large pixels": lambda image, _: enlarged(image, 280, Image.Resampling.NEAREST),
    "28, black on white": lambda image, _: 255 - image,
    "280, black on white": lambda image, _: 255 - enlarged(image, 280),
    "off-centre": lambda image, random: on_canvas(image, 140, 400, random),
    "small, off-centre": lambda image, random: 255 - on_canvas(image, 100, 640, random),
    "wide": lambda image, _: np.pad(enlarged(image, 200), ((0, 0), (0, 200))),
    "cropped to the ink": lambda image, _: cropped(image),
    "grey paper": lambda image, random: on_paper(image, 280, random),
    "small grey paper": lambda image, random: on_paper(image, 96, random),
    "faint": lambda image, _: np.uint8(140 - enlarged(image, 200) / 255 * 30),
    "dust": with_dust,
    "thin": lambda image, _: with_pen(image, -2),
    "thick": lambda image, _: with_pen(image, 3),
    "JPEG": lambda image, _: compressed(image, 280, 50),
    "small JPEG": lambda image, _: compressed(image, 140, 25),
}
