"""Where settings come from: a file, the environment and the variables of OpenAI, each as values by dotted key.

Beside the variables that are named after the keys (`HIPPOGRAPH_LLM_MODEL` for `llm.model`), `OPENAI_BASE_URL` and
`OPENAI_API_KEY` are taken where hippograph's own are not set. `OPENAI_API_KEY` is sent to OpenAI and to the host of
`OPENAI_BASE_URL`, and to no other: a key must not leak to whatever server an address names.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsError

from hippograph.config.tables import OPENAI_URL
from hippograph.errors import InputError

__all__ = [
    "CONFIG_FILE",
    "MASK",
    "PREFIX",
    "Setting",
    "config_file",
    "explain",
    "from_environment",
    "from_file",
    "from_openai",
    "nested",
    "variable_of",
    "without_secrets",
]

CONFIG_FILE: Final = "hippograph.toml"
"""The file that is read where it lies in the working directory and no other is named."""

MASK: Final = "********"
"""What is shown of a secret."""

PREFIX: Final = "HIPPOGRAPH_"
"""What the names of hippograph's variables begin with."""

_CONFIG_VARIABLE: Final = "HIPPOGRAPH_CONFIG"
_PATHS: Final = ("index", "embedder", "prices")
_REPLAY: Final = "replay:"
_PASSED_ON: Final = ("llm.extra_body", "llm.engine", "llm.chat")
_SECRET_IN_URL: Final = re.compile(r"(?<=//)[^/@]*(?=@)|(?<==)[^&]*(?=&|$)")


class Setting(NamedTuple):
    """A value, and where it is from: `argument`, `environment NAME`, `file PATH` or `default`."""

    value: object
    origin: str


def variable_of(key: str) -> str:
    """Return the name of the variable that sets a key.

    Examples
    --------
    >>> variable_of("llm.base_url")
    'HIPPOGRAPH_LLM_BASE_URL'
    """
    return PREFIX + key.replace(".", "_").upper()


def config_file(file: Path | None, environment: Mapping[str, str]) -> Path | None:
    """Choose the file to read: the one given, else the one that a variable names, else the one that lies here.

    Raises
    ------
    InputError
        If there is no file where one is said to be.
    """
    named = environment.get(_CONFIG_VARIABLE)
    for path, teller in ((file, "--config"), (Path(named).expanduser() if named else None, _CONFIG_VARIABLE)):
        if path is not None:
            if not path.is_file():
                raise InputError(f"there is no file {path}, which {teller} names; check the path")
            return path
    here = Path(CONFIG_FILE)
    return here if here.is_file() else None


def from_file(path: Path, keys: Sequence[str], problems: list[str]) -> dict[str, Setting]:
    """Read a file; unknown keys are told in `problems`. Paths in it are relative to the folder it lies in.

    Raises
    ------
    InputError
        If it cannot be read or is not TOML.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} is not TOML: {error}; mend that line") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise InputError(f"{path} cannot be read: {reason}; write a file of settings in TOML") from error
    tables = {key.partition(".")[0] for key in keys if "." in key}
    flat: dict[str, object] = {}
    for name, value in content.items():
        if name not in tables:
            flat[name] = value
        elif isinstance(value, dict):
            flat.update({f"{name}.{key}": inner for key, inner in value.items()})
        else:
            problems.append(f"{path}: {name} is a table; write its keys under a line [{name}]")
    found = {}
    for key, value in flat.items():
        if key in keys:
            found[key] = Setting(_beside(path, key, value), f"file {path}")
        else:
            what = f"table [{key}]" if isinstance(value, dict) else f"key {key}"
            problems.append(f"{path}: there is no {what}; {_hint(key, [*keys, *sorted(tables)])}")
    return found


def from_environment(
    model: type[BaseSettings], environment: Mapping[str, str], keys: Sequence[str], problems: list[str]
) -> dict[str, Setting]:
    """Read the variables of hippograph; unknown ones are told in `problems`, as are those that should be JSON."""
    variables = {variable_of(key): key for key in keys}
    source, found = EnvSettingsSource(model), {}
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name == _CONFIG_VARIABLE:
            continue
        if name not in variables:
            known = [one.removeprefix(PREFIX) for one in (*variables, _CONFIG_VARIABLE)]
            hint = _hint(name.removeprefix(PREFIX), known, prefix=PREFIX)
            problems.append(f"there is no variable {name}; unset it: {hint}")
            continue
        # One at a time, so that it is known which of them cannot be read.
        source.env_vars = {name.lower(): environment[name]}
        try:
            value: Any = source()
        except SettingsError:
            problems.append(f"{name} is not JSON; write it like '{{\"key\": 1}}' or '[\"a\"]'")
            continue
        for part in variables[name].split("."):
            value = value[part]
        found[variables[name]] = Setting(value, f"environment {name}")
    return found


def from_openai(found: Mapping[str, Setting], environment: Mapping[str, str]) -> dict[str, Setting]:
    """Read OpenAI's own variables where nothing of hippograph's takes their place, and the key may go there."""
    borrowed: dict[str, Setting] = {}
    address, key = environment.get("OPENAI_BASE_URL"), environment.get("OPENAI_API_KEY")
    for table, takers in (("llm", (None, "openai", "openai-batch")), ("embedding", ("openai",))):
        backend = found.get(f"{table}.backend")
        if (backend.value if backend else None) not in takers:
            continue
        own = found.get(f"{table}.base_url")
        if own is None and address:
            borrowed[f"{table}.base_url"] = Setting(address, "environment OPENAI_BASE_URL")
        goes_to = str(own.value) if own else address or OPENAI_URL
        trusted = {_host(OPENAI_URL), _host(address or OPENAI_URL)}
        if f"{table}.api_key" not in found and key and _host(goes_to) in trusted:
            borrowed[f"{table}.api_key"] = Setting(key, "environment OPENAI_API_KEY")
    return borrowed


def nested(found: Mapping[str, Setting]) -> dict[str, Any]:
    """Put values by dotted key into tables.

    Examples
    --------
    >>> nested({"index": Setting("a", "argument"), "llm.model": Setting("b", "argument")})
    {'index': 'a', 'llm': {'model': 'b'}}
    """
    values: dict[str, Any] = {}
    for key, setting in found.items():
        table, _, name = key.rpartition(".")
        (values.setdefault(table, {}) if table else values)[name] = setting.value
    return values


def explain(where: Sequence[object], complaint: str, found: Mapping[str, Setting]) -> str:
    """Say what is wrong with a value, where it is from and what it should be; not the value of a secret.

    Parameters
    ----------
    where
        The key, as parts, and maybe the place in its value.
    complaint
        What pydantic says.
    found
        Values by dotted key.
    """
    key = next((name for name in (".".join(map(str, where[:2])), str(where[0])) if name in found), str(where[0]))
    setting = found.get(key)
    if setting is None:
        return f"{key}: {complaint}"
    kind, _, place = setting.origin.partition(" ")
    teller = {"argument": _option(key), "environment": place}.get(kind, f"{place}: {key}")
    value = " is no key" if key.endswith("api_key") else ""
    # Tables that are passed on as they are may hold a key of any name.
    if not key.endswith(("api_key", *_PASSED_ON)):
        value = f" is {without_secrets(repr(setting.value)) if key.endswith('base_url') else repr(setting.value)}"
    said = complaint.removeprefix("Value error, ")
    return f"{teller}{value}; {said[:1].lower()}{said[1:]}".replace("; input should", "; it should")


def _option(key: str) -> str:
    """Name the option of the command line that stands for a key."""
    return "--" + key.removeprefix("budget.").replace(".", "-").replace("_", "-")


def without_secrets(address: str) -> str:
    """Mask the name, the password and what a query holds in an address.

    Examples
    --------
    >>> without_secrets("https://me:hunter2@host/v1?key=abc")
    'https://********@host/v1?key=********'
    """
    return _SECRET_IN_URL.sub(MASK, address)


def _beside(file: Path, key: str, value: object) -> object:
    """Take a path in a file as relative to the folder that the file lies in."""
    if not isinstance(value, str) or not value:
        return value
    if key in _PATHS:
        return str(file.parent / Path(value).expanduser())
    if key == "extractor" and value.startswith(_REPLAY) and value != _REPLAY:
        return _REPLAY + str(file.parent / Path(value.removeprefix(_REPLAY)).expanduser())
    return value


def _hint(name: str, known: Sequence[str], *, prefix: str = "") -> str:
    """Name the key that was meant, be it said without its table."""
    inside = {key.rpartition(".")[2]: key for key in reversed(known)}
    near = get_close_matches(name, known, n=1) or [inside[key] for key in get_close_matches(name, inside, n=1)]
    return f"did you mean {prefix}{near[0]}?" if near else "`hippograph config show` lists all that there are"


def _host(address: str) -> tuple[str, str | None, int | None]:
    """Return what makes two addresses the same server; what is no address is like no other."""
    try:
        parts = urlsplit(address)
        return parts.scheme, parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return address, None, None
