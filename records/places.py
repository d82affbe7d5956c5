"""Paths without the folders before them, since a report or a packed run is made to be shown to others."""

import re

ELSEWHERE = "…/"  # in place of the folders of a path
PART = r"[^\s/'\",]+"  # a comma ends the path of one arm: a@/x/y.pth,b@/x/z.pth
IN_TEXT = re.compile(rf"(?<![\w.…/])(?:/{PART})+/[^\s/'\",+]+")  # of a command or an arm; not self_paced/random
NETWORK = re.compile(r"[^/]+/checkpoints/\d+/best\.safetensors$")  # of a run, whose name says what it was trained on
LETTER = r'(?:[^"\\/]|\\.)'
AS_STRING = re.compile(rf'(?<=")(?:/{LETTER}+)+/{LETTER}+(?=")')  # all of a string of JSON, with spaces or commas


def without_folders(text: str) -> str:
    """'--data-root /home/me/data/rsscn7' -> '--data-root …/rsscn7'."""
    return IN_TEXT.sub(lambda path: ELSEWHERE + _last(path[0]), text)


def is_packed_place(then: object, now: object) -> bool:
    """Whether a packed run says of a place no more than a name, which that of now has too."""
    packed = isinstance(then, str) and then.startswith(ELSEWHERE)
    return packed and isinstance(now, str) and _kept(str(then)) == _kept(now)


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _kept(path: str) -> str:
    """What a packed run says of a path: its last name, and of a network of a run that run's name too."""
    network = NETWORK.search(path)
    return network[0] if network else _last(path)


class Places:
    """What stands for each place in a packed run: …/name, and …/2/name where another place has that name."""

    def __init__(self) -> None:
        self.shown: dict[str, str] = {}

    def hide(self, content: bytes) -> bytes:
        """JSON, in lines or not, without the folders of absolute paths: what is read of it is otherwise the same."""
        text = AS_STRING.sub(lambda found: self._shown(found[0]), content.decode())
        for path in sorted(self.shown, key=len, reverse=True):  # in commands they stand with spaces or commas too
            here = re.compile(rf"(?<![\w.…/]){re.escape(path)}(?![\w.-])")
            text = here.sub(self.shown[path].replace("\\", r"\\"), text)
        return IN_TEXT.sub(lambda found: self._shown(found[0]), text).encode()

    def _shown(self, path: str) -> str:
        if path not in self.shown:
            namesakes = sum(_kept(other) == _kept(path) for other in self.shown)
            self.shown[path] = ELSEWHERE + (f"{namesakes + 1}/" if namesakes else "") + _kept(path)
        return self.shown[path]
