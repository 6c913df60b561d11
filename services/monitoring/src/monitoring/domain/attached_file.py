"""What a file is by its content, and what it may be called; its giver is not believed."""

import re
import unicodedata

MOST_BYTES = 10 * 1024 * 1024
LONGEST_NAME = 120
TEXT = "text/plain; charset=utf-8"
ENDINGS = {
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "application/pdf": (".pdf",),
    TEXT: (".txt", ".log", ".csv", ".md"),
}
"""The endings of each allowed type; the first is given to a name that has none of them."""
SIGNATURES = (
    ("image/jpeg", re.compile(rb"\xff\xd8\xff")),
    ("image/png", re.compile(rb"\x89PNG\r\n\x1a\n")),
    ("image/webp", re.compile(rb"RIFF....WEBP", re.DOTALL)),
    ("application/pdf", re.compile(rb"%PDF-\d")),
)
BINARY = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f"*:<>?|%;]')
"""What file systems or headers take for something else."""
INVISIBLE = {"Cf", "Co", "Cs", "Zl", "Zp"}
"""Unicode categories that make a name look like another one, as a turned writing direction does."""


def media_type_of(content: bytes) -> str | None:
    """Return what a file is; None for a type that is not allowed, and for nothing."""
    for media_type, signature in SIGNATURES:
        if signature.match(content):
            return media_type
    return TEXT if content and _is_text(content) else None


def safe_name(given: str, media_type: str) -> str:
    """Return the name that a file is kept and given out under: one part, with its type's ending."""
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", given))[-1]
    shown = "".join(one for one in last if unicodedata.category(one) not in INVISIBLE)
    name = FORBIDDEN.sub("_", shown).strip(" .") or "file"
    endings = ENDINGS[media_type]
    ending = next((one for one in endings if name.lower().endswith(one)), None)
    stem, ending = (name[: -len(ending)], name[-len(ending) :]) if ending else (name, endings[0])
    return (stem.rstrip(" .")[:LONGEST_NAME] or "file") + ending


def _is_text(content: bytes) -> bool:
    try:
        return BINARY.search(content.decode("utf-8")) is None
    except UnicodeDecodeError:
        return False
