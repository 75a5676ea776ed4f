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


@pytest.mark.parametrize("slashes", ["", "/", "//", "///", "\\", "/\\/"])
@pytest.mark.parametrize(
    ("here", "scheme"), [("https", "http"), ("https", "HTTP"), ("http", "https"), ("http", "Https")]
)
def test_another_scheme_leads_to_a_host_whatever_its_slashes(here: str, scheme: str, slashes: str) -> None:
    target = redirect_target(f"{here}://a.org/d/y.jpg", f"{scheme}:{slashes}cdn.org\\ñ.jpg?u=\\x")
    assert target.lower() == f"{scheme.lower()}://cdn.org/%c3%b1.jpg?u=\\x"


@pytest.mark.parametrize("scheme", ["http", "HTTP"])
@pytest.mark.parametrize(
    ("rest", "target"),
    [
        ("x.jpg", "http://a.org/d/x.jpg"),
        ("/cdn.org/x.jpg", "http://a.org/cdn.org/x.jpg"),
        ("\\x.jpg", "http://a.org/x.jpg"),
        ("//cdn.org/x.jpg", "http://cdn.org/x.jpg"),
        ("///cdn.org/x.jpg", "http://cdn.org/x.jpg"),
        ("?a=1", "http://a.org/d/y.jpg?a=1"),
    ],
)
def test_the_same_scheme_with_less_than_two_slashes_is_left_out(scheme: str, rest: str, target: str) -> None:
    assert redirect_target("http://a.org/d/y.jpg", f"{scheme}:{rest}").replace("HTTP:", "http:") == target
