"""Reading the rows of files of questions, with messages that name the row and the field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from hippograph.errors import InputError

__all__ = ["parsed", "text_of", "valid"]

_Model = TypeVar("_Model", bound=BaseModel)


def text_of(path: Path) -> str:
    """Read a file as text.

    Raises
    ------
    InputError
        If it is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 (byte {error.start}); convert it to UTF-8") from error


def parsed(text: str, *, where: str) -> object:
    """Read JSON.

    Raises
    ------
    InputError
        If it is none; the message says where.
    """
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{where} is not JSON: {error.msg} at {place}; repair it") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where} is not usable JSON ({error}); repair it") from error
    return value


def valid(model: type[_Model], value: object, *, where: str, wanted: Mapping[str, str]) -> _Model:
    """Hold a row against what it must be.

    Parameters
    ----------
    model
        What it must be.
    value
        The row, as JSON values.
    where
        Which row it is, for the message.
    wanted
        What each field must be, in words; `a string` where it says nothing.

    Raises
    ------
    InputError
        If it is something else; the message names the field.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        if not first["loc"]:
            raise InputError(f"{where}: is not an object; write one question as an object") from error
        name = str(first["loc"][0])
        form = wanted.get(name, "a string")
        if first["type"] == "missing" and len(first["loc"]) == 1:
            raise InputError(f"{where}: has no `{name}`; give {form}") from error
        raise InputError(f"{where}: `{name}` has {first['input']!r:.80}; give {form}") from error
