"""One picture, of a file, an image or an array, as (S, S, 3) uint8: its orientation, depth, colour and size.

Files of a closed list of formats are read, and no others: what a file is called says nothing of what decodes it.
Pictures of 16 bits and floats in [0, 1] are scaled by their depth; other depths are refused, since nobody knows what of
them is white. Transparency is dropped, as torchvision drops it. S = image size in pixels.
"""

import stat
import warnings
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from PIL import EpsImagePlugin, Image, UnidentifiedImageError

from trainables.data.dataset import Pixels

Resize = Literal["squash", "crop", "pad"]
# what Pillow decodes itself; of what is left out, EPS would be run by Ghostscript
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM")
LARGEST_PIXELS = 89_478_485  # of one picture as it is stored: 256 MiB in RGB, where Pillow begins to warn
NEUTRAL = (124, 116, 104)  # the mean of ImageNet, by which networks centre their images: padding is zero to them
SIXTEEN_BITS = "of 16 bits {were} scaled to 8"
FLOATS = "of floats {were} scaled from [0, 1] to 8 bits"
TURNED = "{were} turned upright by the orientation in the file"

_ORIENTATION, _PHOTOMETRIC = 274, 262  # tags of EXIF and TIFF
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


EpsImagePlugin.gs_binary = False  # torchvision opens pictures with all formats; nothing here starts Ghostscript
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # what is so large is refused by name


class Unreadable(ValueError):
    """Why a picture is not read, in a few words."""


class Picture(NamedTuple):
    pixels: Pixels  # (S, S, 3)
    notes: tuple[str, ...] = ()  # what was done to it that a person should know


def read(path: Path, size: int, resize: Resize = "squash") -> Picture | str:
    """The picture of a file, or why there is no such picture."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind != stat.S_IFREG:  # opening a pipe would wait for a writer
            return f"{_KINDS.get(kind, 'a folder')}, and no file"
        with Image.open(path, formats=_formats()) as image:
            pixels = image.width * image.height
            if pixels > LARGEST_PIXELS:
                return f"{pixels:,} pixels, which is suspiciously many"
            return from_image(image, size, resize)
    except MemoryError:
        raise
    except Exception as error:  # decoders meet arbitrary bytes and raise nearly anything
        return _reason(error, path)


@cache
def _formats() -> tuple[str, ...]:
    """Those of FORMATS that this Pillow has."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def from_image(image: Image.Image, size: int, resize: Resize = "squash") -> Picture:
    """The picture of an image that may not be decoded yet. Raises Unreadable for a depth that is not read."""
    raw = _raw_mode(image)  # asked first: decoding forgets it
    turned = _orientation(image) != 1
    image.load()
    colours, depth = _in_eight_bits(image, raw)
    method = _UPRIGHT.get(_orientation(image))  # asked again: of some formats decoding has turned the picture
    upright = colours.transpose(method) if method is not None else colours
    notes = (*((depth,) if depth else ()), *((TURNED,) if turned else ()))
    return Picture(np.asarray(fit(upright, size, resize)), notes)


def from_array(values: np.ndarray, size: int, resize: Resize = "squash") -> Picture:
    """The picture of (H, W), (H, W, 1) or (H, W, 3) uint8, uint16, or floats in [0, 1]. Raises Unreadable."""
    values = values[..., 0] if values.ndim == 3 and values.shape[2] == 1 else values
    if values.dtype == np.uint8:
        pixels, note = values, ""
    elif values.dtype == np.uint16:
        pixels, note = _scaled(values, 65535), SIXTEEN_BITS
    elif np.issubdtype(values.dtype, np.floating):
        pixels, note = _scaled_floats(values), FLOATS
    else:
        raise Unreadable(f"{values.dtype} where uint8, uint16 and floats in [0, 1] are read")
    image = Image.fromarray(np.ascontiguousarray(pixels)).convert("RGB")
    return Picture(np.asarray(fit(image, size, resize)), (note,) if note else ())


def fit(image: Image.Image, size: int, resize: Resize) -> Image.Image:
    """An RGB image at (S, S): squashed; its central square; or the whole of it, padded."""
    width, height = image.size
    if resize == "crop":
        side = min(width, height)
        left, top = (width - side) / 2, (height - side) / 2
        box = (left, top, left + side, top + side)
        return image.resize((size, size), Image.Resampling.BILINEAR, box)
    if resize == "pad":
        scale = size / max(width, height)
        inner = max(1, round(width * scale)), max(1, round(height * scale))
        canvas = Image.new("RGB", (size, size), NEUTRAL)
        place = (size - inner[0]) // 2, (size - inner[1]) // 2
        canvas.paste(image.resize(inner, Image.Resampling.BILINEAR), place)
        return canvas
    return image.resize((size, size), Image.Resampling.BILINEAR)


def _raw_mode(image: Image.Image) -> str:
    """How the file stores a pixel ("RGB;16B"), where it has not been decoded yet; else ""."""
    tile: Any = next(iter(getattr(image, "tile", ())), None)
    if tile is None:
        return ""
    arguments = tile[3]
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # damaged EXIF data do not make the picture a bad one
        return 1


def _in_eight_bits(image: Image.Image, raw: str) -> tuple[Image.Image, str]:
    """The image in RGB, and what was done about its depth."""
    if image.mode == "F":
        return Image.fromarray(_scaled_floats(np.asarray(image))).convert("RGB"), FLOATS
    if image.mode.startswith("I"):
        return Image.fromarray(_scaled_integers(image, raw)).convert("RGB"), SIXTEEN_BITS
    # with a note of transparency a palette is converted by way of it, or Pillow warns
    opaque = image.convert("RGBA") if image.mode == "P" and "transparency" in image.info else image
    return opaque.convert("RGB"), SIXTEEN_BITS if ";16" in raw else ""


def _scaled_integers(image: Image.Image, raw: str) -> Pixels:
    """(H, W) of a grey picture of 16 (or 12) bits. Raises Unreadable for 32 bits and for signed numbers."""
    sixteen = image.mode.startswith("I;16") or raw.startswith("I;16") or image.format == "PPM"
    if not sixteen or "S" in raw.partition(";")[2]:
        raise Unreadable("integers of 32 bits or with a sign, where 8 and 16 bits without are read")
    pixels = _scaled(np.asarray(image), 4095 if raw.startswith("I;12") else 65535)
    white_is_zero = getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0
    return 255 - pixels if white_is_zero else pixels


def _scaled(values: np.ndarray, white: int) -> Pixels:
    return np.rint(values * np.float32(255 / white)).astype(np.uint8)


def _scaled_floats(values: np.ndarray) -> Pixels:
    low, high = float(values.min()), float(values.max())
    if not (low >= 0 and high <= 1):  # also where one is no number
        raise Unreadable(f"floats from {low:g} to {high:g}, where floats in [0, 1] are read")
    return _scaled(values, 1)


def _reason(error: Exception, path: Path) -> str:
    if isinstance(error, UnidentifiedImageError):
        with path.open("rb") as file:
            beginning = file.read(4)
        if beginning in _TIFF:
            return "a TIFF of a kind that Pillow does not read; 8 or 16 bits a channel and grey floats are read"
        return "not an image, or of a format that is not read" if beginning else "an empty file"
    if isinstance(error, Image.DecompressionBombError):
        return "suspiciously many pixels"
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(text.split()) or type(error).__name__
