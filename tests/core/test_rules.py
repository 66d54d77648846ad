"""`docs/rules.md` names a test for every rule of the protocol, and each is there and says so."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECTION = re.compile(r"^## 3\.(\d+) ", re.MULTILINE)
ROW = re.compile(r"^\| ([\w.]+) \| .+ \| (test_\w+) \|$", re.MULTILINE)


def rules() -> list[tuple[int, str, str]]:
    """The section, the file and the test of every row."""
    _, *parts = SECTION.split((ROOT / "docs" / "rules.md").read_text("utf-8"))
    sections = zip(map(int, parts[::2]), parts[1::2], strict=True)
    return [(number, *row) for number, text in sections for row in ROW.findall(text)]


def heads() -> dict[str, str]:
    """Where each test of the core says its section: its own name, and the head of its file."""
    found: dict[str, str] = {}
    for path in Path(__file__).parent.rglob("test_*.py"):
        source = path.read_text("utf-8")
        head = source.splitlines()[0]
        for name in re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE):
            found[name] = f"{head} {name}"
    return found


def test_every_section_has_its_rules() -> None:
    assert {number for number, _, _ in rules()} == set(range(1, 12))


def test_every_row_of_the_document_is_read() -> None:
    text = (ROOT / "docs" / "rules.md").read_text("utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rules()) == len(rows) - rows.count("| where | rule | test |")


def test_every_rule_is_decided_in_a_file_of_the_core() -> None:
    there = {path.name for path in (ROOT / "core").rglob("*.py")}
    assert {file for _, file, _ in rules()} <= there


def test_every_rule_has_a_test_that_says_its_section() -> None:
    known = heads()
    missing = [test for _, _, test in rules() if test not in known]
    assert missing == []
    silent = [
        (number, test)
        for number, _, test in rules()
        if f"3_{number}" not in re.findall(r"_(\d+_\d+)", known[test])
        and not re.search(rf"§3\.{number}\b", known[test])
    ]
    assert silent == []
