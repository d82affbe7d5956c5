"""What a folder holds beside plain pictures: links, folders that cannot be listed, names that cannot be written."""

import os

import pytest

from console.errors import UsageError
from trainables.data.folder import list_images
from trainables.data.sources import Asked, load, survey

from .conftest import save_picture

TWICE = "Class folder {root}/date leads into {root}/berry, so its images would count twice; remove one of them."


def refusal(root) -> str:
    with pytest.raises(UsageError) as error:
        survey(Asked(str(root), 8))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_link_to_a_file_is_the_file_and_a_class_folder_may_be_a_link(pictures, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (pictures / "berry").rename(elsewhere)
    (pictures / "berry").symlink_to(elsewhere)
    (pictures / "apple" / "9.png").symlink_to(elsewhere / "0.png")
    data = load(str(pictures), 8)
    assert data.count == 13 and data.notes == ()
    assert data.images[data.paths.index("apple/9.png"), 0, 0, 0] == 50


def linked(root):
    (root.parent / "more").mkdir()
    save_picture(root.parent / "more" / "0.png", 1)
    (root / "apple" / "more").symlink_to(root.parent / "more")


def circle(root):
    (root / "apple" / "more").symlink_to(root)


def nowhere(root):
    (root / "date").symlink_to(root / "gone")


def bytes_no_text(root):
    os.rename(root / "apple" / "0.png", os.path.join(os.fsencode(root), b"apple", b"\xff.png"))


@pytest.mark.parametrize(("harm", "named", "kept"), [
    (linked, "apple/more (a link to a folder)", 12),
    (circle, "apple/more (a link to a folder)", 12),
    (nowhere, "date (a link that leads nowhere)", 12),
    (bytes_no_text, r"apple/\xff.png (a name that is not UTF-8)", 11),
])  # fmt: skip
def test_what_is_not_listed_is_refused_or_left_out_by_name(harm, named, kept, pictures, capsys):
    before = list_images(pictures).fingerprint()
    harm(pictures)
    count = f"1 of {kept + 1} files and folders in {pictures} cannot be read as images"
    assert refusal(pictures) == (f"{count}: {named}; mend or remove them, or pass --skip-bad-images to leave them out.")
    assert list_images(pictures).fingerprint() != before
    for _ in ("built", "opened"):
        data = load(str(pictures), 8, skip_bad_images=True)
        assert data.count == kept and data.notes == (f"{count} and are left out: {named}",)
    assert capsys.readouterr().err.count(named) == 1


def test_folders_that_cannot_be_listed_are_named(pictures, monkeypatch):
    (pictures / "apple" / "locked").mkdir()
    original = os.scandir

    def scandir(place):
        if str(place).endswith(("locked", "cherry")):
            raise PermissionError(13, "Permission denied", str(place))
        return original(place)

    monkeypatch.setattr(os, "scandir", scandir)
    assert refusal(pictures) == (
        f"Class folder {pictures}/cherry holds no images that can be read: cherry (Permission denied); add some or remove "
        f"the folder."
    )
    (pictures / "cherry").rename(pictures / "plum")
    assert "apple/locked (Permission denied)" in refusal(pictures)


def to_the_root(root):
    (root / "date").symlink_to(root)


def to_what_holds_the_root(root):
    (root / "date").symlink_to(root.parent)


def to_another_class(root):
    (root / "date").symlink_to(root / "berry")


def into_another_class(root):
    (root / "berry" / "red").mkdir()
    save_picture(root / "berry" / "red" / "0.png", 1)
    (root / "date").symlink_to(root / "berry" / "red")


@pytest.mark.parametrize(("harm", "said"), [
    (to_the_root, "Class folder {root}/date is a link to {root}, which holds it; remove the link."),
    (to_what_holds_the_root, "Class folder {root}/date is a link to {root.parent}, which holds it; remove the link."),
    (to_another_class, TWICE),
    (into_another_class, TWICE),
])  # fmt: skip
def test_a_class_folder_that_leads_in_a_circle_is_no_class(harm, said, pictures):
    harm(pictures)
    assert refusal(pictures) == said.format(root=pictures)


def test_parts_that_are_one_folder_are_refused(pictures, tmp_path):
    root = tmp_path / "parted"
    root.mkdir()
    pictures.rename(root / "train")
    (root / "test").symlink_to(root / "train")
    assert "would count twice" in refusal(root)


def test_names_that_are_not_utf8_are_refused_of_classes_and_roots(pictures):
    os.rename(pictures / "apple", os.path.join(os.fsencode(pictures), b"\xff"))
    assert refusal(pictures) == rf"The class folder {pictures}/\xff has a name that is not UTF-8; rename it."
    other = os.fsdecode(os.fsencode(pictures) + b"\xff")
    os.rename(pictures, other)
    assert refusal(other) == (
        rf"--data wants a path in UTF-8, since runs record it; got {pictures}\xff: rename or link it."
    )
