"""Names that clients send: one form for each page and each source, bounded, and nothing that turns or hides text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counter.names import MAX_PAGE, MAX_SOURCE, page_path, source_host


@pytest.mark.parametrize(
    "sent, path",
    [
        ("/", "/"),
        ("/blog", "/blog"),
        ("/blog/", "/blog"),
        ("/blog/index.html", "/blog"),
        ("/index.html", "/"),
        ("/blog/myindex.html", "/blog/myindex.html"),
        ("//blog///post//", "/blog/post"),
        ("/blog?utm_source=x#top", "/blog"),
        ("/#top", "/"),
        ("https://example.com/blog/?a=1", "/blog"),
        ("https://example.com", "/"),
        ("HTTPS://example.com?x", "/"),
        ("  /blog\n", "/blog"),
        ("/caf%C3%A9", "/café"),
        ("/%D8%B3%D9%84%D8%A7%D9%85", "/\u0633\u0644\u0627\u0645"),
        ("/\u0645\u06cc\u200c\u062e\u0648", "/\u0645\u06cc\u200c\u062e\u0648"),
        ("/👩\u200d👩\u200d👧", "/👩\u200d👩\u200d👧"),
        ("/100%25", "/100%"),
        ("/what%3F", "/what?"),
        ("/%2561", "/%61"),
        ("/%ff%fe", "/%FF%FE"),
        ("/100%", "/100%"),
        ("/a%0d%0ab", "/a%0D%0Ab"),
        ("/a\x00b", "/a%00b"),
        ("/%E2%80%AEgpj.exe", "/%E2%80%AEgpj.exe"),
        ("/\u2066x", "/%E2%81%A6x"),
        ("/\ud800", "/%ED%A0%80"),
        ("/__proto__", "/__proto__"),
        ("/<script>alert(1)</script>", "/<script>alert(1)</script>"),
        ("/" + "a" * 199, "/" + "a" * 199),
        ("/" + "a" * 200, None),
        ("/" + "語" * 67, None),
        ("/" + "%20" * 2_000_000, None),
        ("", None),
        ("blog", None),
        ("javascript:alert(1)", None),
        (None, None),
        (7, None),
        (["/"], None),
    ],
)
def test_a_page_has_one_path(sent: object, path: str | None) -> None:
    """However a page's address is written, its path is the same; what is no path is none."""
    assert page_path(sent) == path


@pytest.mark.parametrize(
    "sent, host",
    [
        ("example.com", "example.com"),
        ("WWW.Example.COM", "example.com"),
        ("news.example.com:8443", "news.example.com"),
        ("https://www.example.com/path?q=secret#x", "example.com"),
        ("https://user:password@example.com/", "example.com"),
        ("android-app://com.google.android.gm/", "com.google.android.gm"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("example.com.", "example.com"),
        ("mysite.example", ""),
        ("https://www.mysite.example/about", ""),
        ("localhost", ""),
        ("192.168.0.1", ""),
        ("http://[::1]:80/", ""),
        ("1.2", ""),
        ("a" * 63 + ".example", "a" * 63 + ".example"),
        ("a." * 48 + "exam", "a." * 48 + "exam"),
        ("a." * 49 + "exam", None),
        ("", ""),
        ("   ", ""),
        ("exa mple.com", None),
        ("example..com", None),
        ("<b>.com", None),
        ("http://[::1", None),
        ("=cmd()", None),
        (7, None),
        (None, None),
    ],
)
def test_a_source_is_a_host(sent: object, host: str | None) -> None:
    """Of an address only the host is kept, in one form; the site itself and nameless machines are no sources."""
    assert source_host(sent, "https://mysite.example") == host


@given(st.text(max_size=300))
def test_any_text_is_a_bounded_name_or_none(sent: str) -> None:
    """Nothing is an error, and a name can be stored as UTF-8 and shown on one line, in the order it is written."""
    path, host = page_path("/" + sent), source_host(sent, "mysite.example")

    assert path is None or (path.startswith("/") and len(path.encode()) <= MAX_PAGE and "//" not in path)
    assert path is None or all(sign.isprintable() or sign in "\u200c\u200d" for sign in path)
    assert host is None or (host.isascii() and len(host) <= MAX_SOURCE)
