"""A runbook, taken apart."""

import re

from monitoring import shipped

SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Rehearsal"]


class Runbook:
    """docs/runbooks/<name>.md: title, first paragraph, and text and shell blocks by section."""

    def __init__(self, name):
        text = (shipped.RUNBOOKS / f"{name}.md").read_text(encoding="utf-8")
        head, *rest = re.split(r"^## (.*)$", text, flags=re.MULTILINE)
        self.name = name
        self.text = text
        self.title, _, self.summary = (part.strip() for part in head.strip().partition("\n"))
        self.titles = rest[::2]
        self.sections = dict(zip(self.titles, rest[1::2]))

    def blocks(self, section):
        """The shell blocks of a section, without their indentation."""
        found = re.findall(r"^( *)```sh\n(.*?)^ *```$", self.sections[section],
                           re.MULTILINE | re.DOTALL)
        return [re.sub(f"^{indent}", "", block, flags=re.MULTILINE) for indent, block in found]

    def commands(self):
        """Every command line in blocks, and every `code` that begins with a program's name."""
        for section in self.titles:
            for block in self.blocks(section):
                joined = block.replace("\\\n", " ")
                yield from (line.strip() for line in joined.splitlines()
                            if line.strip() and not line.startswith("#"))
            yield from re.findall(r"`((?:routerctl|deploy/|\./)[^`]*)`", self.sections[section])


def runbooks():
    return {path.stem: Runbook(path.stem) for path in sorted(shipped.RUNBOOKS.glob("*.md"))
            if path.stem != "README"}
