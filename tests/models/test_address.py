"""Where servers stand; what is secret stays so."""

import pytest
from pydantic import SecretStr

from hippograph.errors import InputError
from hippograph.models.address import Address


def test_a_password_is_sent_and_not_shown():
    address = Address.of("https://me:hunter%402@example.org:8443/v1/?api-version=3&code=xyz#top", None)
    assert address.shown == "https://example.org:8443/v1"
    assert address.url == "https://example.org:8443/v1/"
    assert address.query == {"api-version": "3", "code": "xyz"}
    assert address.headers == {"Authorization": "Basic bWU6aHVudGVyQDI="}
    assert "hunter" not in repr(address)
    assert address.without_secrets("hunter%402 hunter@2 bWU6aHVudGVyQDI=") == "*** *** ***"


def test_a_key_is_not_shown():
    address = Address.of(None, SecretStr(" sk-secret\n"))
    assert address.key == "sk-secret"
    assert address.shown == "https://api.openai.com/v1"
    assert "sk-secret" not in repr(address)
    assert address.without_secrets("You gave sk-secret.") == "You gave ***."


def test_the_values_of_a_query_are_not_shown_if_they_are_long():
    address = Address.of("http://host/v1?api-version=7&api-key=SECRET%2Fkey+1&switch=", None)
    assert address.url == "http://host/v1"
    assert address.query == {"api-version": "7", "api-key": "SECRET/key 1", "switch": ""}
    assert "SECRET" not in repr(address)
    for written in ("SECRET/key 1", "SECRET%2Fkey+1", "SECRET%2Fkey%201", "SECRET/key%201"):
        assert address.without_secrets(f"/v1?api-version=7&api-key={written} is 7") == (
            "/v1?api-version=7&api-key=*** is 7"
        )


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://other.example:8443/v1/chat?key=1#top", "https://other.example:8443/v1/chat"),
        ("//me:hunter2@other.example/v1", "http://other.example/v1"),
        ("/login", "http://host/login"),
        ("http://[::1/v1", "somewhere else"),
        ("https://other.example/SECRETkey", "https://other.example/***"),
    ],
)
def test_where_a_redirect_leads(location, target):
    assert Address.of("http://host/v1?api-key=SECRETkey", None).target_of(location) == target


def test_servers_of_ones_own_need_no_key():
    address = Address.of("http://localhost:8000/v1", None)
    assert address.key
    assert not address.secrets
    assert address.without_secrets("a text") == "a text"


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000", "ftp://localhost/v1", "http://", "http://host:port/v1", "http://[::1/v1", "http://a b/"],
)
def test_what_is_no_url(url):
    with pytest.raises(InputError, match="base URL"):
        Address.of(url, None)


@pytest.mark.parametrize(
    "url", ["ftp://me:hunter2@host", "http://me:hunter2@host:port", "me:hunter2@host", "ftp://host/v1?api-key=hunter2"]
)
def test_a_wrong_url_does_not_show_its_password(url):
    with pytest.raises(InputError) as told:
        Address.of(url, None)
    assert "hunter2" not in str(told.value)


@pytest.mark.parametrize("key", [None, SecretStr(""), SecretStr("  ")])
def test_openai_needs_a_key(key):
    with pytest.raises(InputError, match="api_key"):
        Address.of(None, key)


@pytest.mark.parametrize("key", ["sk secret", "sk-sécret", "sk-\x00"])
def test_what_is_no_key(key):
    with pytest.raises(InputError) as told:
        Address.of(None, SecretStr(key))
    assert key not in str(told.value)
