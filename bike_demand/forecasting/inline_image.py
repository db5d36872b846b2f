"""Drawings as Markdown that holds them, for pages that load no files."""

import base64
import io
from typing import TYPE_CHECKING

_COLOURS = 32

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def inline_svg(name: str, width: int, height: int, content: str) -> str:
    """A Markdown image.

    Args:
        name: What it shows, for who cannot see it.
        width: Of the drawing, in pixels; so is `height`.
        height: See `width`.
        content: SVG elements; text is grey, 10 pixels high, sans serif and centred unless they say.
    """
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="10" fill="#777" text-anchor="middle">{content}</svg>'
    )
    return f"![{name}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def inline_figure(name: str, figure: "Figure") -> str:
    """A Markdown image of a Matplotlib figure, as PNG.

    Args:
        name: What it shows, for who cannot see it.
        figure: With a canvas; 9 inches by 3 at 90 dots an inch are some 15 KB.
    """
    from PIL import Image

    drawn, png = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    # Lines and letters need few colours, and metadata is to be small.
    Image.open(drawn).convert("RGB").quantize(_COLOURS).save(png, format="png", optimize=True)
    return f"![{name}](data:image/png;base64,{base64.b64encode(png.getvalue()).decode()})"
