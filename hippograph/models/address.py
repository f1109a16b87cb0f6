"""Where a server stands and what opens it; neither key nor password is ever shown."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, parse_qsl, quote, quote_plus, unquote, urljoin, urlsplit

from pydantic import SecretStr

from hippograph.errors import InputError

__all__ = ["Address"]

_OPENAI: Final = "https://api.openai.com/v1"
# What servers without keys are sent; the client library insists on one.
_NO_KEY: Final = "no-key-needed"
# A value in a URL's query that is shorter is a version or a switch; blotted out, it would take half the message along.
_SHORTEST_SECRET: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server's URL, without what is secret in it, and its key.

    Parameters
    ----------
    url
        The base of its API, without a query.
    shown
        The URL as messages show it.
    key
        What is sent as the key.
    headers
        What is sent with every request: name and password, if the URL had them.
    query
        What is put into the query of every request (`?api-version=...`), if the URL had one.
    secrets
        What messages must not hold.

    Examples
    --------
    >>> Address.of("http://me:hunter2@localhost:8000/v1", None).shown
    'http://localhost:8000/v1'
    """

    url: str
    shown: str
    key: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)

    @classmethod
    def of(cls, base_url: str | None, api_key: SecretStr | None) -> Address:
        """Check a URL and a key.

        Parameters
        ----------
        base_url
            None for OpenAI's own.
        api_key
            None for servers that want none.

        Raises
        ------
        InputError
            If the URL is not one of HTTP, the key cannot be one, or neither is given.
        """
        key = _checked_key(api_key, base_url)
        parts = _checked_url(_OPENAI if base_url is None else base_url.strip())
        name, password = unquote(parts.username or ""), unquote(parts.password or "")
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
        query = parse_qsl(parts.query, keep_blank_values=True)
        basic = b64encode(f"{name}:{password}".encode()).decode() if name or password else ""
        secrets = {key, password, parts.password or "", basic} | _written_in_all_ways(parts.query, query)
        return cls(
            url=url,
            shown=url.rstrip("/"),
            key=key or _NO_KEY,
            headers={"Authorization": f"Basic {basic}"} if basic else {},
            query=dict(query),
            # The longest first: one may be part of another.
            secrets=tuple(sorted(filter(None, secrets), key=lambda each: (-len(each), each))),
        )

    def target_of(self, location: str) -> str:
        """Return where a redirect leads, without what may be secret in it.

        Parameters
        ----------
        location
            What the server names; it may be relative.
        """
        try:
            parts = urlsplit(urljoin(f"{self.url.rstrip('/')}/", location.strip()))
        except ValueError:
            return "somewhere else"
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
        return self.without_secrets(bare.geturl())

    def without_secrets(self, text: str) -> str:
        """Return the text with what is secret blotted out; some servers repeat the key they were given."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def _written_in_all_ways(written: str, query: Sequence[tuple[str, str]]) -> set[str]:
    """Return the long values of a query, as they are, as they were given and as they may come back."""
    values = {value for _, value in query} | {each.partition("=")[2] for each in written.split("&")}
    long = {value for value in values if len(value) >= _SHORTEST_SECRET}
    return (
        long | {quote(value) for value in long} | {quote(value, safe="") for value in long} | set(map(quote_plus, long))
    )


def _checked_key(api_key: SecretStr | None, base_url: str | None) -> str:
    key = api_key.get_secret_value().strip() if api_key is not None else ""
    if not key and base_url is None:
        raise InputError("no API key and no base URL; give api_key for OpenAI, or base_url for a server of your own")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise InputError("the API key holds a space or a character that no key has; copy it again")
    return key


def _checked_url(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        fine = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fine = False
    if not fine or re.search(r"\s", url):
        shown = re.sub(r"//.*@", "//", url) if "//" in url else url.rpartition("@")[2]
        shown = shown.partition("?")[0]
        raise InputError(f"the base URL is {shown!r}; give one like http://localhost:8000/v1")
    return parts
