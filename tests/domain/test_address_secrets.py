from __future__ import annotations

import pytest

from aplantida.domain.address_secrets import AddressSecrets, public_address
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
