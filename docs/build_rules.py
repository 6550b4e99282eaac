"""Write docs/rules/: one page per rule, from the rule's docstring. Run as `python docs/build_rules.py`."""

from __future__ import annotations

from pathlib import Path

from abiclash.rules.registry import page, rules


def pages() -> dict[str, str]:
    """Return file name -> Markdown of everything under docs/rules/."""
    entries = rules()
    lines = [
        f"- [{entry.rule.id}]({entry.rule.id}.md) ({entry.rule.severity.value}): {entry.rule.title}"
        for entry in entries
    ]
    index = "\n".join(["# Rules", "", *lines, ""])
    return {"index.md": index} | {f"{entry.rule.id}.md": page(entry) for entry in entries}


if __name__ == "__main__":
    folder = Path(__file__).parent / "rules"
    folder.mkdir(exist_ok=True)
    written = pages()
    for old in folder.glob("*.md"):
        if old.name not in written:
            old.unlink()
    for name, text in written.items():
        (folder / name).write_text(text, encoding="utf-8")
