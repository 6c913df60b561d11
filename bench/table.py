"""A table of results, as Markdown."""

from dataclasses import dataclass, field


@dataclass
class Table:
    """Rows of texts and numbers under a title."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Add a row; a float is shown with two decimals."""
        self.rows.append(tuple(f"{c:.2f}" if isinstance(c, float) else str(c) for c in cells))

    def __str__(self) -> str:
        columns = list(zip(self.headings, *self.rows, strict=True))
        widths = [max(map(len, column)) for column in columns]
        lines = [self.headings, tuple("-" * width for width in widths), *self.rows]
        shown = (
            "| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |"
            for line in lines
        )
        return "\n".join((f"\n### {self.title}\n", *shown))
