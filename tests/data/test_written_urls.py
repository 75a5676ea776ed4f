"""Where a Location leads to, as in a browser."""

from __future__ import annotations

import pytest

from aplantida.data.written_urls import redirect_target


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://ñandú.es/ñ.jpg", "https://ñandú.es/%C3%B1.jpg"),
        ("//ñandú.es/x.jpg", "https://ñandú.es/x.jpg"),
        ("\\\\cdn.org\\x.jpg", "https://cdn.org/x.jpg"),
        ("///cdn.org/x.jpg", "https://cdn.org/x.jpg"),
        ("https:///cdn.org/x.jpg", "https://cdn.org/x.jpg"),
        ("/a/ñ?q=ñ", "https://a.org/a/%C3%B1?q=%C3%B1"),
        ("x.jpg?u=\\y", "https://a.org/d/x.jpg?u=\\y"),
        ("?a=1", "https://a.org/d/y.jpg?a=1"),
    ],
)
def test_slashes_and_hosts_are_read_as_browsers_do(location: str, target: str) -> None:
    assert redirect_target("https://a.org/d/y.jpg", location) == target
