"""The settings: arguments, environment variables and `hippograph.toml`, in this order of precedence."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from hippograph.config.sources import (
    MASK,
    PREFIX,
    Setting,
    config_file,
    explain,
    from_environment,
    from_file,
    from_openai,
    nested,
    without_secrets,
)
from hippograph.config.tables import BudgetSettings, EmbeddingSettings, ExtractionSettings, LLMSettings, Table
from hippograph.errors import InputError

__all__ = ["Settings"]

_REPLAY: Final = "replay:"
_SECRETIVE: Final = re.compile(
    r"api[-_]?key|secret|password|authorization|credential|(^|[-_])(key|token)$", re.IGNORECASE
)


class Settings(BaseSettings):
    """All that may be set, checked; made by `load`.

    Parameters
    ----------
    index
        The index directory.
    extractor
        `spacy`, `llm`, `none` or `replay:FILE`; None is what the index was built with, and spaCy for a new one.
    embedder
        A folder with `model.onnx` and `tokenizer.json`; None is bge-small.
    prices
        A file of prices, laid over those that come with hippograph.
    llm, embedding, extraction, budget
        The tables.

    Examples
    --------
    >>> environment = {"HIPPOGRAPH_LLM_MODEL": "qwen3:8b", "HIPPOGRAPH_LLM_BASE_URL": "http://localhost:11434/v1"}
    >>> settings = Settings.load(arguments={"llm.model": "llama3.1"}, environment=environment)
    >>> settings.llm.model, settings.origins["llm.model"], settings.origins["llm.base_url"]
    ('llama3.1', 'argument', 'environment HIPPOGRAPH_LLM_BASE_URL')
    """

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
    )

    index: Path | None = None
    extractor: str | None = None
    embedder: Path | None = None
    prices: Path | None = None
    llm: LLMSettings = Field(default_factory=LLMSettings)
    embedding: EmbeddingSettings = Field(default_factory=EmbeddingSettings)
    extraction: ExtractionSettings = Field(default_factory=ExtractionSettings)
    budget: BudgetSettings = Field(default_factory=BudgetSettings)
    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    @field_validator("extractor")
    @classmethod
    def _check_extractor(cls, value: str | None) -> str | None:
        if value in (None, "spacy", "llm", "none") or (value.startswith(_REPLAY) and value != _REPLAY):
            return value
        raise ValueError("choose one of spacy, llm, none, replay:FILE")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing but what `load` hands over, which has told apart what is from where."""
        return (init_settings,)

    @classmethod
    def load(
        cls,
        *,
        file: Path | None = None,
        arguments: Mapping[str, object] | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> Settings:
        """Gather what is set, an argument before a variable, a variable before the file.

        Parameters
        ----------
        file
            A configuration file; by default the one that `HIPPOGRAPH_CONFIG` names, else `hippograph.toml` in the
            working directory if there is one.
        arguments
            Values by dotted key, such as `llm.model`; None stands for what was not given.
        environment
            Variables; empty ones count as not set.

        Raises
        ------
        InputError
            If the file cannot be read, or a key, a variable or a value is wrong; all of them are named, a line each.
        """
        problems: list[str] = []
        given = {name: value for name, value in environment.items() if value}
        path, keys = config_file(file, given), _keys()
        found = from_file(path, keys, problems) if path is not None else {}
        found.update(from_environment(cls, given, keys, problems))
        found.update({key: Setting(value, "argument") for key, value in (arguments or {}).items() if value is not None})
        found.update(from_openai(found, given))
        try:
            settings = cls(**nested(found))
        except ValidationError as error:
            problems.extend(explain(each["loc"], each["msg"], found) for each in error.errors())
        if problems:
            raise InputError("\n".join(problems))
        settings._origins.update({key: found[key].origin if key in found else "default" for key in keys})
        return settings

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each value is from, by dotted key: `argument`, `environment NAME`, `file PATH` or `default`."""
        return dict(self._origins)

    def account(self) -> dict[str, Setting]:
        """Return every key with its value as JSON has it and its origin; secrets are masked."""
        told = {}
        for key in _keys():
            table, _, name = key.rpartition(".")
            value = getattr(getattr(self, table) if table else self, name)
            told[key] = Setting(_shown(name, value), self._origins.get(key, "default"))
        return told


def _keys() -> list[str]:
    """List all keys, dotted; first those outside of tables."""
    fields = {name: field.annotation for name, field in Settings.model_fields.items()}
    tables = {name: kind for name, kind in fields.items() if isinstance(kind, type) and issubclass(kind, Table)}
    inside = [f"{name}.{key}" for name, table in tables.items() for key in table.model_fields]
    return [name for name in fields if name not in tables] + inside


def _shown(name: str, value: object) -> object:
    """Write a value as JSON has it, and no secret."""
    if isinstance(value, SecretStr) or (_SECRETIVE.search(name) and isinstance(value, str)):
        return MASK
    if name == "base_url" and isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {key: _shown(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(name, inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)
