"""Every kind of picture as (S, S, 3) uint8: depth, colour, orientation, and what is refused in which words."""

import struct

import numpy as np
import pytest
from PIL import Image

from console.errors import UsageError
from trainables.data.pictures import NEUTRAL, Picture, Unreadable, from_array, read
from trainables.data.sources import load

RAMP = np.arange(0, 65536, 1024, dtype=np.uint16).reshape(8, 8)  # 0, 1024, ... 64512
SCALED = np.rint(RAMP / 65535 * 255).astype(np.uint8)


def tiff_of_16_bits(values: np.ndarray, photometric: int) -> bytes:
    """A little-endian TIFF of (H, W, C) uint16, which Pillow cannot write itself."""
    height, width, channels = values.shape
    tags = [(256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 1), (262, 3, photometric), (273, 4, 0),
            (277, 3, channels), (278, 4, height), (279, 4, values.nbytes)]  # fmt: skip
    after = 8 + 2 + 12 * len(tags) + 4
    known = {258: (channels, after if channels > 2 else 16), 273: (1, after + 2 * channels)}
    entries = [struct.pack("<HHII", tag, kind, *known.get(tag, (1, value))) for tag, kind, value in tags]
    head = struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + b"".join(entries) + struct.pack("<I", 0)
    return head + struct.pack("<" + "H" * channels, *[16] * channels) + values.astype("<u2").tobytes()


def picture(path) -> Picture:
    made = read(path, 8)
    assert isinstance(made, Picture), made
    return made


@pytest.mark.parametrize("name", ["a.png", "a.tif", "lzw.tif", "a.pgm"])
def test_16_bits_of_grey_are_scaled_and_not_clipped(tmp_path, name):
    if name == "a.pgm":
        (tmp_path / name).write_bytes(b"P5 8 8 65535 " + RAMP.astype(">u2").tobytes())
    else:
        Image.fromarray(RAMP).save(tmp_path / name, **({"compression": "tiff_lzw"} if name == "lzw.tif" else {}))
    made = picture(tmp_path / name)
    assert all(np.array_equal(made.pixels[..., channel], SCALED) for channel in range(3))
    assert made.notes == ("of 16 bits {were} scaled to 8",)


def test_16_bits_of_colour_are_scaled(tmp_path):
    values = np.stack([RAMP, RAMP[::-1], RAMP.T], axis=-1)
    (tmp_path / "a.tif").write_bytes(tiff_of_16_bits(values, photometric=2))
    made = picture(tmp_path / "a.tif")
    assert np.abs(made.pixels - values / 257).max() <= 1 and len(made.notes) == 1


def test_where_zero_is_white_it_stays_white(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff_of_16_bits(RAMP[..., None], photometric=0))
    assert np.array_equal(picture(tmp_path / "a.tif").pixels[..., 0], 255 - SCALED)


def test_floats_between_0_and_1_are_scaled(tmp_path):
    Image.fromarray((RAMP / 65535).astype(np.float32)).save(tmp_path / "a.tif")
    made = picture(tmp_path / "a.tif")
    assert np.array_equal(made.pixels[..., 0], SCALED) and made.notes == (
        "of floats {were} scaled from [0, 1] to 8 bits",
    )


@pytest.mark.parametrize(("values", "said"), [
    (RAMP.astype(np.float32), "floats from 0 to 64512, where floats in [0, 1] are read"),
    (np.full((4, 4), np.nan, np.float32), "floats from nan to nan, where floats in [0, 1] are read"),
    (RAMP.astype(np.int32), "integers of 32 bits or with a sign, where 8 and 16 bits without are read"),
])  # fmt: skip
def test_what_has_no_known_white_is_refused(tmp_path, values, said):
    Image.fromarray(values).save(tmp_path / "a.tif")
    assert read(tmp_path / "a.tif", 8) == said


def test_a_tiff_that_pillow_does_not_read_is_called_one(tmp_path):
    (tmp_path / "a.tif").write_bytes(tiff_of_16_bits(np.zeros((4, 4, 2), np.uint16), photometric=1)[:60])
    assert str(read(tmp_path / "a.tif", 8)).startswith("a TIFF of a kind that Pillow does not read")


def test_other_colour_modes_keep_their_colours(tmp_path, recwarn):
    red = Image.new("RGB", (8, 8), (200, 30, 40))
    red.convert("CMYK").save(tmp_path / "cmyk.tif")
    red.convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    palette = red.quantize(4)
    palette.save(tmp_path / "palette.png")
    palette.save(tmp_path / "clear.png", transparency=bytes([0, 128, 255]))
    Image.new("LA", (8, 8), (77, 3)).save(tmp_path / "la.png")
    Image.new("1", (8, 8), 1).save(tmp_path / "bit.png")
    corner = {path.name: picture(path).pixels[0, 0].astype(int) for path in tmp_path.iterdir()}
    for name in ("cmyk.tif", "cmyk.jpg", "palette.png", "clear.png"):
        assert np.abs(corner[name] - (200, 30, 40)).max() <= 3, name
    assert corner["la.png"].tolist() == [77] * 3 and corner["bit.png"].tolist() == [255] * 3
    assert not recwarn.list and not any(picture(path).notes for path in tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.tif"])
@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (7, 7)), (6, (0, 7)), (8, (7, 0)), (5, (0, 0))])
def test_the_orientation_of_a_camera_is_followed(tmp_path, name, orientation, corner):
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8, :8] = 250  # the upper left quarter as stored
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(pixels).save(tmp_path / name, exif=exif, **({"quality": 95} if name == "a.jpg" else {}))
    made = picture(tmp_path / name)
    assert made.pixels[corner].min() > 240 and (made.pixels[..., 0] > 125).sum() == 16
    assert made.notes == (() if orientation == 1 else ("{were} turned upright by the orientation in the file",))


def test_damaged_exif_data_make_no_bad_picture(tmp_path):
    Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01")
    assert picture(tmp_path / "a.png").pixels[0, 0].tolist() == [1, 2, 3]


def test_crop_keeps_the_middle_and_pad_the_whole(tmp_path):
    wide = np.zeros((8, 24, 3), np.uint8)
    wide[:, 8:16], wide[:, 16:] = 100, 200
    Image.fromarray(wide).save(tmp_path / "a.png")
    cropped, padded, squashed = (read(tmp_path / "a.png", 8, how).pixels for how in ("crop", "pad", "squash"))
    assert np.all(cropped == 100)
    assert np.all(padded[:2] == NEUTRAL) and np.all(padded[-3:] == NEUTRAL) and np.all(padded[3:5, 0] == 0)
    assert np.all(squashed[:, 0] == 0) and np.all(squashed[:, -1] == 200)


@pytest.mark.parametrize("values", [SCALED, SCALED[..., None], np.stack([SCALED] * 3, -1), RAMP, RAMP / 65535])
def test_arrays_become_the_same_pictures(values):
    assert np.array_equal(from_array(values, 8).pixels[..., 1], SCALED)


def test_an_array_of_another_kind_is_refused():
    with pytest.raises(Unreadable, match="int64 where uint8, uint16 and floats"):
        from_array(RAMP.astype(np.int64), 8)


def test_what_was_done_is_counted_in_the_data_set(pictures):
    for number in range(3):
        Image.fromarray(RAMP).save(pictures / "apple" / f"{number}.png")
    Image.fromarray(RAMP / np.float32(65535)).save(pictures / "berry" / "9.tif")
    for _ in ("built", "opened"):
        assert load(str(pictures), 8).notes == (
            "3 images of 16 bits were scaled to 8",
            "1 image of floats was scaled from [0, 1] to 8 bits",
        )


def test_a_depth_that_is_not_read_is_refused_by_name(pictures):
    Image.fromarray(RAMP.astype(np.int32)).save(pictures / "apple" / "9.tif")
    with pytest.raises(UsageError, match=r"1 of 13 files .*: apple/9\.tif \(integers of 32 bits"):
        load(str(pictures), 8)
    assert load(str(pictures), 8, skip_bad_images=True).count == 12
