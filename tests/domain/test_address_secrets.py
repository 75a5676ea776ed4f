from __future__ import annotations

from urllib.parse import quote

import pytest

from aplantida.domain.address_secrets import USUAL, AddressSecrets, public_address
from aplantida.domain.opt_out import OptOuts
from aplantida.domain.record import image_id_of

WITHOUT = [
    "http://example.org/a.jpg",
    "http://example.org/a.jpg?size=original&id=7",
    "http://example.org/a.jpg?st=1&sp=2&expires=never",  # ordinary words
    "http://example.org/a.jpg?",
    "http://example.org/a.jpg?&&x",
    "http://example.org/a.jpg?x=a%20b+c&x=%2F#token=1",
    "http://example.org/@user/a.jpg?by=@me",
    "http://example.org/a.jpg?tokens=3&signatures=2",
    "http://example.org/a.jpg?session=1&policy=2&design=3&nonsecret=4",
    "http://example.org/a.jpg?sort_key=1&key=2&keyword=3&author=4&Expires=5",
    "http://example.org/w=200/a;v=1&b.jpg?x=1;y=2?z=3&amp;q",
    "http://example.org:8080/@user/a.jpg",
    "http://example.org:/a.jpg?by=@me",
    "http://[2001:db8::1]:80/@user/a.jpg",
    "http://h/?time=12:30%40Madrid",
    "http://h/?q=salt%26pepper",
    "http://h//@user/a.jpg",
    "http://h/?date=2030-01-01&sp=rosa",
    "http://example.org/a:b@c.jpg",
    "http://h/?url=https%3A%2F%2Fexample.org%2Fa.jpg%3Fw=1&x",
    "http://h/x;https://example.org/a",
    "rosa@home.jpg",
]
WITH = [
    ("http://h/a.jpg?X-Amz-Signature=ab&X-Amz-Date=2&id=7&x-amz-credential=c", "http://h/a.jpg?id=7"),
    ("http://h/a.jpg?AWSAccessKeyId=A&Expires=17&Signature=b%2Fc%3D", "http://h/a.jpg"),
    ("http://h/a.jpg?sv=2022&sr=b&se=2030&sp=r&sig=x%3D&v=1", "http://h/a.jpg?v=1"),
    ("http://h/a.jpg?Policy=p&Signature=s&Key-Pair-Id=k#top", "http://h/a.jpg#top"),
    ("http://h/a.jpg?size=l&access%5Ftoken=t", "http://h/a.jpg?size=l"),
    ("http://h/a%28b.jpg?q=a+b%20c&TOKEN=t&z", "http://h/a%28b.jpg?q=a+b%20c&z"),
    ("https://user:word@h/a.jpg", "https://h/a.jpg"),
    ("https://u@v:word@h/a.jpg", "https://h/a.jpg"),
    ("http://h/a.jpg?access-token=1&private_token=2&x-ms-signature=3&token[]=4&a=5", "http://h/a.jpg?a=5"),
    ("https://user:word@h/a.jpg?x=1&api_key=2", "https://h/a.jpg?x=1"),
    ("http://h/a.jpg?auth_key=17-0-0-ab&v=1", "http://h/a.jpg?v=1"),
    ("http://h/a.jpg?wsSecret=a&wsTime=17&v=1", "http://h/a.jpg?v=1"),
    ("http://h/a.jpg?txSecret=a&txTime=17", "http://h/a.jpg"),
    ("http://h/a.jpg?__cld_token__=exp=1~hmac=2", "http://h/a.jpg"),
    ("http://h/a.jpg?access_key=1&userToken=2&USERToken=3&v=1", "http://h/a.jpg?v=1"),
    ("http://h/a.jpg?token[0]=1&auth%5Btoken%5D=2&auth[x]=3&x[y]=4&token2=5", "http://h/a.jpg?x[y]=4"),
    ("http://h/a.jpg;token=1", "http://h/a.jpg"),
    ("http://h/d;jsessionid=1;v=2/a.jpg?w=3", "http://h/d;v=2/a.jpg?w=3"),
    ("http://h/a.jpg&token=1&v=2", "http://h/a.jpg&v=2"),
    ("http://h/hdnts=exp=1~hmac=2/a.jpg", "http://h/a.jpg"),
    ("http://h/a.jpg?a=1&amp;token=2&amp;b=3", "http://h/a.jpg?a=1&amp;b=3"),
    ("http://h/a.jpg?a=1;token=2;b=3", "http://h/a.jpg?a=1;b=3"),
    ("http://h/a.jpg?token=1;b=3", "http://h/a.jpg?b=3"),
    ("http://h/a.jpg?token=t&expires=17&v=1", "http://h/a.jpg?v=1"),
    ("http://h/a.jpg?access_signature=t&sp=r&se=17&v=1", "http://h/a.jpg?v=1"),
    ("http://h/a.jpg?imageSignature=t&Expires=17", "http://h/a.jpg"),
    ("http://h/?url=https://e/a.jpg?token=t&w=1", "http://h/?url=https://e/a.jpg&w=1"),
    ("http://h/?url=https%3A%2F%2Fe%2Fa.jpg%3Ftoken%3Dt&w=1", "http://h/?url=https%3A%2F%2Fe%2Fa.jpg&w=1"),
    ("http://ana:open/x@h.org/a.jpg", "http://h.org/a.jpg"),
    ("http://ana:open?x#y@h.org/a.jpg", "http://h.org/a.jpg"),
    ("http://ana:open@h.org/@x?y=@z", "http://h.org/@x?y=@z"),
    ("http://ana:open@h.org:80/a:b@c", "http://h.org:80/a:b@c"),
    ("http://h/token=a;v=1/a.jpg", "http://h/;v=1/a.jpg"),
    ("http://h/v=1;token=a/a.jpg", "http://h/v=1/a.jpg"),
    ("http://h/a.jpg?x=1&amp;amp;token=2&AMP;y=3", "http://h/a.jpg?x=1&AMP;y=3"),
    ("http://h/a.jpg?e=1451491200&token=ab:cd&w=1", "http://h/a.jpg?w=1"),
    ("http://h/photo?e=2&token=abc", "http://h/photo?e=2"),
    ("http://h/photo?e=2&sig=abc", "http://h/photo?e=2"),
    ("http://h/g?st=leaf&sp=rosa&token=abc&se=2030-01-01T00:00Z", "http://h/g?st=leaf&sp=rosa"),
    ("http://h/g?url=https://u:open@e/a.jpg&w=1", "http://h/g?url=https://e/a.jpg&w=1"),
    ("http://h/p/https://u:open@e/a.jpg", "http://h/p/https://e/a.jpg"),
    ("http://h/fetch/https%3A%2F%2Fe%2Fa.jpg%3Ftoken%3Dt/w", "http://h/fetch/https%3A%2F%2Fe%2Fa.jpg/w"),
    ("http://h/img?url=%2Fapi%2Fimg%3Ftoken%3Dt&w=1", "http://h/img?url=%2Fapi%2Fimg&w=1"),
    ("http://h/s/a.jpg?rlkey=k&dl=1", "http://h/s/a.jpg?dl=1"),
    ("//ana:open@h.org/a.jpg", "//h.org/a.jpg"),
    ("https:\\\\ana:open@h.org/a.jpg", "https:\\\\h.org/a.jpg"),
    ("http:ana:open@h.org/a.jpg", "http:h.org/a.jpg"),
    ("ana:open@h.org/a.jpg", "h.org/a.jpg"),
    ("http://h/p/ftp://u:open@e/a.jpg", "http://h/p/ftp://e/a.jpg"),
    ("http://h/p//u:open@e/a.jpg", "http://h/p//e/a.jpg"),
    ("http://h/?url=https%3A//u:open%40e/a.jpg", "http://h/?url=https%3A%2F%2Fe%2Fa.jpg"),
    ("http://h/?u=%2F%2Fu%3Aopen%40e%2Fa.jpg", "http://h/?u=%2F%2Fe%2Fa.jpg"),
    ("http://h/?u=https%253A%252F%252Fe%252Fa.jpg%253Ftoken%253Dt", "http://h/?u=https%253A%252F%252Fe%252Fa.jpg"),
    ("http://h/?url=https://e/a.jpg%26sig%3Dx", "http://h/?url=https%3A%2F%2Fe%2Fa.jpg"),
    ("http://h/a?x=1%26token=abc", "http://h/a?x=1"),
    ("http://h/?e=%31700000000&token=x", "http://h/"),
    ("http://h/?e=1700000000.5&se=2030-01-01&token=x", "http://h/"),
    ("http://h/caf%E9.jpg%3Ftoken%3D1", "http://h/caf%E9.jpg"),
    ("http://h//token=a/u:open@e/a.jpg", "http://h//e/a.jpg"),
    ("http://ana@/eva:open@h.org/a@b.jpg", "http://h.org/a@b.jpg"),
    ("http://ana:open@//@/h.org/a@b.jpg", "http:///h.org/a@b.jpg"),
    ("http://h/http://ana@/eva@h.org/a.jpg", "http://h/http://h.org/a.jpg"),
]


@pytest.mark.parametrize("url", WITHOUT)
def test_an_address_without_secrets_is_what_it_is(url: str) -> None:
    assert public_address(url) == url


@pytest.mark.parametrize(("url", "public"), WITH)
def test_secrets_are_left_out_and_nothing_else(url: str, public: str) -> None:
    assert public_address(url) == public
    assert public_address(public) == public


def test_a_link_that_is_signed_anew_is_the_same_photo() -> None:
    one, other = (f"http://h/a.jpg?v=1&sig={sig}&se=2030-01-0{sig}" for sig in (1, 2))
    assert image_id_of("d", one) == image_id_of("d", other) == image_id_of("d", "http://h/a.jpg?v=1")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{'u': 'https://h/?token=t', 'n': 1}", "{'u': 'https://h/', 'n': 1}"),
        ("https://h/a.jpg?w=1,https://h/b.jpg?token=t", "https://h/a.jpg?w=1,https://h/b.jpg"),
        ("see http://ana:open@h/a.jpg, or //h/b?sig=s", "see http://h/a.jpg, or //h/b"),
        ("no address: token=t", "no address: token=t"),
        ("Ana, photos.org/ana?token=t&v=1", "Ana, photos.org/ana?v=1"),
        ("Ana (www.photos.org:8080?sig=s)", "Ana (www.photos.org:8080"),
        ("mail ana@photos.org/x?y=1, or e.g. this?", "mail ana@photos.org/x?y=1, or e.g. this?"),
    ],
)
def test_addresses_in_a_text_are_without_secrets(text: str, shown: str) -> None:
    assert USUAL.public_text(text) == shown


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "0123456789abcdef",
        "a.",
        "//a",
        "?a=",
        ";",
        "a:b@",
        "https://a:b@",
        "/a=",
        "/@",
        "https:/",
        "a.a/",
        "a.bc?",
        "-.",
    ],
)
def test_no_text_of_a_server_takes_for_ever(piece: str) -> None:
    text = (piece * 250_000)[:250_000]  # as long as a head may be; were each place tried to the end, minutes
    assert len(USUAL.public_text(text)) <= len(text)
    assert len(USUAL.public(text)) <= len(text)


def test_addresses_in_addresses_are_looked_at_as_deep_as_anybody_writes_them() -> None:
    deep = "z"
    for _ in range(335):
        deep = "%3Fa=" + deep.replace("%", "%25")
    assert len(public_address(f"http://h/?u={deep}")) < 1000
    inner = "https://e/a.jpg?token=t"
    for _ in range(3):
        inner = f"https://h/?u={quote(inner, safe='')}"
        assert "token" not in public_address(inner)


def test_the_list_may_be_another_one() -> None:
    secrets = AddressSecrets.of(["garden_key", "gk-*", "*_pass"], ["until"])
    url = "http://h/a.jpg?GardenKey=1&garden-key=2&gk-a=3&my_pass=4&until=5&token=6&passage=7"
    assert secrets.public(url) == "http://h/a.jpg?until=5&token=6&passage=7"
    assert secrets.public("http://u:w@h/a.jpg?until=5&sig=6") == "http://h/a.jpg?sig=6"
    assert image_id_of("d", url, secrets) == image_id_of("d", "http://h/a.jpg?until=5&token=6&passage=7", secrets)
    assert OptOuts.of((), (), ["http://h/a.jpg?garden_key=9"], secrets).refusal(None, "h", None, "http://h/a.jpg")
    for wrong in ("", "Sig", "a b", "*", "a*b", "**_token"):
        with pytest.raises(ValueError, match="want a parameter's name"):
            AddressSecrets.of([wrong], [])
    with pytest.raises(ValueError, match="want a parameter's name"):
        AddressSecrets.of([], ["x-*"])
