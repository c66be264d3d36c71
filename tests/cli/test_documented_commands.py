"""Every `maskwright` line in README.md and docs/ names verbs and flags that exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer

from maskwright.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def commands(text):
    """Yield the words after `maskwright` of each such line in a fenced block."""
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for command in re.split(r"[|;]|&&", line):
                words = shlex.split(command, comments=True)
                words = words[1:] if words[:1] == ["$"] else words
                if words[:1] == ["maskwright"]:
                    yield words[1:]


def unknown(words):
    """Return the first verb or flag that does not exist, or None."""
    command = typer.main.get_command(app)
    words = list(words)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        verb = words.pop(0)
        if verb not in command.commands:
            return verb
        command = command.commands[verb]
    flags = {flag for option in command.params for flag in option.opts + option.secondary_opts}
    asked = [word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)]
    return next((flag for flag in asked if flag not in flags | {"--help"}), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_shown_exists(page):
    for words in commands(page.read_text()):
        assert unknown(words) is None, " ".join(words)


def test_what_does_not_exist_is_found():
    text = (
        "```sh\n$ cat a.jpg | maskwright cutout - \\\n  --trimap t.png -o - > x.png\n"
        "maskwright models nix\nmaskwright matte a.jpg --fast  # not yet\n```\nmaskwright nix\n"
    )
    assert [unknown(words) for words in commands(text)] == [None, "nix", "--fast"]
