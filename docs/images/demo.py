"""Draw the README's picture from a real run of the demo: ``make picture``."""

import io
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).resolve().parent
FONT_FACE = re.compile(r"\s*@font-face \{.*?\}\s*", re.DOTALL)


def main() -> None:
    """Run the demo without a terminal and write what it prints as an SVG."""
    run = subprocess.run(
        [sys.executable, "-m", "app", "demo"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        cwd=HERE.parent.parent,
    )
    console = Console(record=True, width=100, file=io.StringIO())
    for line in ("$ make demo", *run.stdout.splitlines()):
        style = ""
        if line.startswith("  ·"):
            style = "dim"
        elif line.startswith("you "):
            style = "cyan"
        elif line.startswith("host "):
            style = "green"
        elif line in {"A question", "Personal data", "An injection"}:
            style = "bold"
        console.print(Text(line, style=style))
    svg = console.export_svg(title="banneton demo")
    # No font from another host: the reader's own monospace will do.
    (HERE / "demo.svg").write_text(FONT_FACE.sub("\n", svg))


if __name__ == "__main__":
    main()
