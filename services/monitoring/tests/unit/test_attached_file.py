"""A file is what its bytes say, and bears a name that harms nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from monitoring.domain.attached_file import ENDINGS, FORBIDDEN, TEXT, media_type_of, safe_name

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (JPEG, "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n....", "image/png"),
        (b"RIFF\x0a\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"%PDF-1.7\n%\xe2\xe3", "application/pdf"),
        ("Catu daya terbakar — diganti\r\n".encode(), TEXT),
        (b"", None),
        (b"MZ\x90\x00\x03", None),
        (b"PK\x03\x04\x14\x00", None),
        (b"\x7fELF\x02\x01", None),
        (b"caf\xe9", None),
        (b"RIFF\x0a\x00\x00\x00WAVEfmt ", None),
        (b" " + JPEG, None),
    ],
)
def test_a_file_is_known_by_its_content(content: bytes, wanted: str | None) -> None:
    assert media_type_of(content) == wanted


@pytest.mark.parametrize(
    ("given_name", "media_type", "wanted"),
    [
        ("foto.jpg", "image/jpeg", "foto.jpg"),
        ("Foto.JPEG", "image/jpeg", "Foto.JPEG"),
        ("C:\\Users\\budi\\foto.png", "image/png", "foto.png"),
        ("../../etc/passwd", TEXT, "passwd.txt"),
        ("surat.exe", "application/pdf", "surat.exe.pdf"),
        ("page.html", TEXT, "page.html.txt"),
        ('a"; filename="b.jpg', "image/jpeg", "a__ filename=_b.jpg"),
        ("a\r\nset-cookie: x.jpg", "image/jpeg", "a__set-cookie_ x.jpg"),
        ("foto\u202egpj.exe", "image/jpeg", "fotogpj.exe.jpg"),
        ("...", "image/png", "file.png"),
        ("/", "image/png", "file.png"),
        (".jpg", "image/jpeg", "jpg.jpg"),
        ("Gambar é.jpg", "image/jpeg", "Gambar é.jpg"),
    ],
)
def test_a_name_is_made_safe(given_name: str, media_type: str, wanted: str) -> None:
    assert safe_name(given_name, media_type) == wanted


@given(st.text(max_size=300), st.sampled_from(sorted(ENDINGS)))
def test_every_name_is_one_safe_part_with_the_ending_of_its_type(name: str, kind: str) -> None:
    safe = safe_name(name, kind)
    assert not FORBIDDEN.search(safe)
    assert not {"/", "\\"} & set(safe)
    assert safe.lower().endswith(ENDINGS[kind])
    assert 4 < len(safe) <= 125
    assert safe_name(safe, kind) == safe
    safe.encode()
