import logging

from bike_demand.download.logs import hidden_query

LOGGER = logging.getLogger("urllib3.connectionpool")
URL = "https://weather.example/now?appid=0123456789abcdef&lat=1"


def test_the_query_of_a_download_is_not_logged(caplog):
    with hidden_query(URL):
        LOGGER.warning('"GET %s HTTP/1.1" %s', "/now?appid=0123456789abcdef&lat=1", 200)
    assert caplog.messages == ['"GET /now?… HTTP/1.1" 200']


def test_a_value_of_the_query_is_not_logged_elsewhere_either(caplog):
    with hidden_query(URL):
        LOGGER.warning("%s", "/moved/0123456789ABCDEF/1")
    assert caplog.messages == ["/moved/…/1"]


def test_what_others_log_stays_as_it_is(caplog):
    with hidden_query(URL):
        pass
    LOGGER.warning("%s", "/theirs?page=2")
    assert caplog.messages == ["/theirs?page=2"]


def test_a_path_that_is_a_key_is_not_logged(caplog):
    with hidden_query("https://hooks.example/T0/0123456789", "/T0/0123456789"):
        LOGGER.warning('"POST %s HTTP/1.1" %s', "/T0/0123456789", 200)
    assert caplog.messages == ['"POST … HTTP/1.1" 200']
