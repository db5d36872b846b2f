import pytest

from bike_demand.download.urls import origin, public_url


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h/p?key=1", "https://h/p?…"),
        ("https://u:p@h:8/p#f", "https://h:8/p"),
        ("https://h/p", "https://h/p"),
        ("file:src/x.json", "file:src/x.json"),
        ("https://[::1/", "(a URL that cannot be read)"),
        ("https://h/\0\ud800\x1b[1m", "https://h/???[1m"),
        ("https://h/" + "x" * 1000, "https://h/" + "x" * 290),
    ],
)
def test_a_url_is_shown_without_user_query_and_fragment(url, shown):
    assert public_url(url) == shown


def test_an_origin_has_one_spelling():
    assert origin("https://City.Example/x") == origin("https://city.example:443/y")
    assert origin("http://city.example/") != origin("https://city.example/")
