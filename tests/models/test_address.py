"""Where servers stand; what is secret stays so."""

import pytest
from pydantic import SecretStr

from hippograph.errors import InputError
from hippograph.models.address import Address


def test_a_password_is_sent_and_not_shown():
    address = Address.of("https://me:hunter%402@example.org:8443/v1/?api-version=3&code=xyz#top", None)
    assert address.shown == "https://example.org:8443/v1"
    assert address.url == "https://example.org:8443/v1/?api-version=3&code=xyz"
    assert address.headers == {"Authorization": "Basic bWU6aHVudGVyQDI="}
    assert "hunter" not in repr(address)
    assert address.without_secrets("hunter%402 hunter@2 bWU6aHVudGVyQDI=") == "*** *** ***"


def test_a_key_is_not_shown():
    address = Address.of(None, SecretStr(" sk-secret\n"))
    assert address.key == "sk-secret"
    assert address.shown == "https://api.openai.com/v1"
    assert "sk-secret" not in repr(address)
    assert address.without_secrets("You gave sk-secret.") == "You gave ***."


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


@pytest.mark.parametrize("url", ["ftp://me:hunter2@host", "http://me:hunter2@host:port", "me:hunter2@host"])
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
