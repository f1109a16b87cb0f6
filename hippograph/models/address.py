"""Where a server stands and what opens it; neither key nor password is ever shown."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr

from hippograph.errors import InputError

__all__ = ["Address"]

_OPENAI: Final = "https://api.openai.com/v1"
# What servers without keys are sent; the client library insists on one.
_NO_KEY: Final = "no-key-needed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server's URL, without what is secret in it, and its key.

    Parameters
    ----------
    url
        The base of its API. A query (`?api-version=...`) is kept for requests.
    shown
        The URL as messages show it.
    key
        What is sent as the key.
    headers
        What is sent with every request: name and password, if the URL had them.
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
        url = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="")
        basic = b64encode(f"{name}:{password}".encode()).decode() if name or password else ""
        return cls(
            url=url.geturl(),
            shown=url._replace(query="").geturl().rstrip("/"),
            key=key or _NO_KEY,
            headers={"Authorization": f"Basic {basic}"} if basic else {},
            # The longest first: one may be part of another.
            secrets=tuple(sorted(filter(None, (key, password, parts.password, basic)), key=lambda each: -len(each))),
        )

    def without_secrets(self, text: str) -> str:
        """Return the text with what is secret blotted out; some servers repeat the key they were given."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


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
        raise InputError(f"the base URL is {shown!r}; give one like http://localhost:8000/v1")
    return parts
