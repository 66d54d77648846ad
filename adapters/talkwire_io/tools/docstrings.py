"""A docstring's first paragraph, and what it says about each parameter."""

import re
import textwrap

_BODY = r"((?:[ ].*\n|\n)*)"
# Google's `Args:`, NumPy's underlined `Parameters`, Sphinx's `:param city:`.
_GOOGLE = re.compile(r"^(?:Args|Arguments|Parameters):[ ]*\n" + _BODY, re.M)
_NUMPY = re.compile(r"^Parameters[ ]*\n-{3,}[ ]*\n((?:.*\n)*?)(?=^\S.*\n-{3,}[ ]*$|\Z)", re.M)
_SPHINX = re.compile(r"((?:^:.*\n" + _BODY + r")+)", re.M)
_STYLES = (
    (_GOOGLE, re.compile(r"^(\w+)[ ]*(?:\([^)]*\))?:(.*\n(?:[ ].*\n|\n)*)", re.M)),
    (_NUMPY, re.compile(r"^(\w+)[ ]*(?::.*)?\n" + _BODY, re.M)),
    (_SPHINX, re.compile(r"^:param(?:[ ][^:\n]*)?[ ](\w+):(.*\n(?:[ ].*\n|\n)*)", re.M)),
)


def read_docstring(text: str) -> tuple[str, dict[str, str]]:
    """The first paragraph in one line, and the words about each parameter by its name."""
    text += "\n"
    summary, described = text, dict[str, str]()
    for section, entry in _STYLES:
        if found := section.search(text):
            summary = min(summary, text[: found.start()], key=len)
            entries: list[tuple[str, str]] = entry.findall(textwrap.dedent(found[1]))
            described |= {name: _one_line(words) for name, words in entries}
    return _one_line(re.split(r"\n\s*\n", summary.strip())[0]), described


def _one_line(words: str) -> str:
    return " ".join(words.split())
