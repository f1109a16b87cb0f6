"""The options that stand for settings, the same in every command, and the settings they give."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from hippograph.config.settings import Settings
from hippograph.errors import InputError

__all__ = [
    "BackendOption",
    "BaseUrlOption",
    "ConfigOption",
    "EmbedderOption",
    "ExtractorOption",
    "MaxCostOption",
    "MaxMinutesOption",
    "MaxTokensOption",
    "ModelOption",
    "place_of",
    "settings_of",
]

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", help="A file of settings; hippograph.toml by default.", show_default=False),
]
EmbedderOption = Annotated[
    Path | None,
    typer.Option(
        "--embedder", help="A folder with model.onnx and tokenizer.json; bge-small by default.", show_default=False
    ),
]
ExtractorOption = Annotated[
    str | None,
    typer.Option(
        help="spacy, llm, replay:FILE, or none: titles alone. By default what the index was built with.",
        show_default=False,
    ),
]
BaseUrlOption = Annotated[
    str | None,
    typer.Option("--llm-base-url", help="Where an OpenAI-compatible server answers; OpenAI's own by default."),
]
ModelOption = Annotated[str | None, typer.Option("--llm-model", help="The language model's name at the server.")]
BackendOption = Annotated[
    str | None, typer.Option("--llm-backend", help="openai: a server; openai-batch; vllm: in this process.")
]
MaxTokensOption = Annotated[
    int | None, typer.Option("--max-tokens", help="Stop when so many tokens are spent; the same command goes on.")
]
MaxCostOption = Annotated[
    float | None, typer.Option("--max-cost", help="Stop when so many US dollars are spent; the same command goes on.")
]
MaxMinutesOption = Annotated[
    float | None, typer.Option("--max-minutes", help="Stop after so many minutes; the same command goes on.")
]

# The keys of options that are called otherwise.
_KEYS: Final = {
    "llm_base_url": "llm.base_url",
    "llm_model": "llm.model",
    "llm_backend": "llm.backend",
    "max_tokens": "budget.max_tokens",
    "max_cost": "budget.max_cost",
    "max_minutes": "budget.max_minutes",
}


def settings_of(config: Path | None, **options: object) -> Settings:
    """Gather what the command line, the environment and the file say.

    Parameters
    ----------
    config
        The file that `--config` names.
    options
        The other options by their names; None for those not given.

    Raises
    ------
    InputError
        If one of the three is wrong.
    """
    return Settings.load(file=config, arguments={_KEYS.get(name, name): value for name, value in options.items()})


def place_of(settings: Settings) -> Path:
    """Return the index directory.

    Raises
    ------
    InputError
        If none is named.
    """
    if settings.index is None:
        raise InputError(
            "no index is named; give --index DIR, set HIPPOGRAPH_INDEX, or write index = 'DIR' into hippograph.toml"
        )
    return settings.index
