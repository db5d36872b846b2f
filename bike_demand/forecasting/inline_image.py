"""An SVG drawing as Markdown that holds it, for pages that load no files."""

import base64


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
