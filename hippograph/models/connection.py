"""The client library, kept from sending to a server what is meant for another."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from hippograph.models.address import Address
from hippograph.models.pacing import Limits

if TYPE_CHECKING:
    from openai import AsyncOpenAI

__all__ = ["connect"]

_LONGEST_CONNECT: Final = 20.0
_OPENAI: Final = "api.openai.com"
_PORTS: Final = {"http": 80, "https": 443}
_JSON: Final = "application/json"
# What the library says of its own accord; a header that is left out would be missing.
_SAID_ANYWAY: Final = {"accept": _JSON, "content-type": _JSON}


def connect(address: Address, limits: Limits) -> AsyncOpenAI:
    """Make a client for a server; to be closed on the loop where it is used.

    It follows no redirects, which would take what is sent to whomever the server names. The organisation, the project
    and the headers that the environment tells the library (`OPENAI_ORG_ID`, `OPENAI_PROJECT_ID`,
    `OPENAI_CUSTOM_HEADERS`) are sent only to OpenAI and to the server of `OPENAI_BASE_URL`.

    Parameters
    ----------
    address
        The server and what opens it.
    limits
        How long an answer may take.
    """
    import openai

    headers: dict[str, Any] = dict(address.headers)
    if not _is_meant_by_environment(address.url):
        omit = openai.Omit()
        # Given, it keeps one from the environment out.
        headers.setdefault("Authorization", f"Bearer {address.key}")
        headers |= {"OpenAI-Organization": omit, "OpenAI-Project": omit}
        headers |= {name: _SAID_ANYWAY.get(name.lower(), omit) for name in _ambient_headers()}
    # Half the processor time of each call over aiohttp, where it is installed.
    kind = openai.DefaultAioHttpClient if find_spec("aiohttp") else openai.DefaultAsyncHttpxClient
    return openai.AsyncOpenAI(
        base_url=address.url,
        api_key=address.key,
        default_headers=headers,
        default_query=address.query,
        max_retries=0,
        http_client=kind(follow_redirects=False),
        timeout=openai.Timeout(limits.timeout, connect=min(limits.timeout, _LONGEST_CONNECT)),
    )


def _is_meant_by_environment(url: str) -> bool:
    place = _place(url)
    host = place[1]
    return host == _OPENAI or host.endswith(f".{_OPENAI}") or place == _place(os.environ.get("OPENAI_BASE_URL", ""))


def _place(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url.strip())
        return parts.scheme, (parts.hostname or "").rstrip("."), parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", "", None


def _ambient_headers() -> list[str]:
    """Name the headers that the library takes from the environment, but for the key's."""
    lines = os.environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    names = [name.strip() for name, colon, _ in (line.partition(":") for line in lines) if colon]
    return [name for name in names if name.lower() != "authorization"]
