"""How Sphinx builds the manual; the pages of *look up* are written from the code first."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import pages  # noqa: E402  found by the line above

from iotronic_mec import __version__  # noqa: E402  likewise

project = "iotronic_mec"
author = "the iotronic_mec authors"
copyright = author
version = release = __version__

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3
exclude_patterns = ["build", "proof", "pages", "README.md"]
nitpicky = True

html_theme = "alabaster"
html_theme_options = {
    "description": "a cloud for IoT boards",
    "fixed_sidebar": True,
    "page_width": "1100px",
    "sidebar_width": "230px",
}
html_sidebars = {"**": ["about.html", "searchbox.html", "navigation.html"]}
html_show_sourcelink = False

pages.write(HERE / "look_up" / "generated")
