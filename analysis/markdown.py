"""A report as one Markdown file, with its figures beside it."""

from analysis.content import Chapter, Part, Picture, Sentences, Table, data_file, picture_file
from analysis.table import as_markdown


def write_markdown(title: str, chapters: list[Chapter]) -> str:
    parts = [f"# {title}\n"]
    for chapter in chapters:
        parts.append(f"## {chapter.title}\n")
        parts += [_part(part) for part in chapter.parts]
    return "\n".join(parts)


def _part(part: Part) -> str:
    if isinstance(part, Sentences):
        return _sentences(part)
    if isinstance(part, Table):
        source = data_file(part.name)
        if part.folded:
            return f"{part.caption} {len(part.shown)} rows: [{source}]({source})\n"
        return f"{part.caption} ([{source}]({source}))\n\n{as_markdown(part.shown)}"
    assert isinstance(part, Picture)
    return f"![{part.caption}]({picture_file(part.name, 'png')})\n\n*{part.caption}*\n"


def _sentences(part: Sentences) -> str:
    source = f"\n([{data_file(part.source)}]({data_file(part.source)}))\n" if part.source else ""
    if part.listed:
        return "\n".join(f"- {line}" for line in part.lines) + "\n" + source
    return "\n\n".join(part.lines) + "\n" + source
