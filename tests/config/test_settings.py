"""What is set where, what wins, and what is said of mistakes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from hippograph.config.settings import Settings
from hippograph.config.sources import MASK, variable_of
from hippograph.errors import InputError

SECRET = "sk-very-secret-0123456789"
LOCAL = "http://localhost:8000/v1"

# A key of every kind of value, with two values as TOML writes them and as variables do.
VALUES = {
    "llm.model": (("'a'", "a", "a"), ("'b'", "b", "b")),
    "llm.concurrency": (("3", "3", 3), ("4", "4", 4)),
    "llm.temperature": (("0.5", "0.5", 0.5), ("1", "1", 1.0)),
    "llm.stream": (("true", "true", True), ("false", "false", False)),
    "llm.extra_body": (("{ a = 1 }", '{"a": 1}', {"a": 1}), ("{ b = [2] }", '{"b": [2]}', {"b": [2]})),
    "embedding.devices": (("['cpu']", '["cpu"]', ["cpu"]), ("['a', 'b']", '["a", "b"]', ["a", "b"])),
    "budget.max_cost": (("2.5", "2.5", 2.5), ("3.5", "3.5", 3.5)),
    "extraction.calls": (("1", "1", 1), ("2", "2", 2)),
    "extractor": (("'spacy'", "spacy", "spacy"), ("'llm'", "llm", "llm")),
}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Keep a file in the working directory from ruling the tests."""
    monkeypatch.chdir(tmp_path)


def written(folder, text):
    file = folder / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return file


def complaint(**given):
    with pytest.raises(InputError) as caught:
        Settings.load(**{"environment": {}, **given})
    return str(caught.value)


def test_nothing_is_set():
    settings = Settings.load(environment={})
    assert set(settings.origins.values()) == {"default"}
    assert settings.llm.model is None
    assert settings.extractor is None


@pytest.mark.parametrize("key", VALUES)
@given(layers=st.lists(st.sampled_from([None, 0, 1]), min_size=3, max_size=3))
def test_an_argument_wins_over_a_variable_over_the_file(key, layers, tmp_path_factory):
    in_file, in_environment, as_argument = layers
    folder = tmp_path_factory.mktemp("layers")
    file = written(folder, "" if in_file is None else f"{key} = {VALUES[key][in_file][0]}\n")
    variable = variable_of(key)
    settings = Settings.load(
        file=file,
        environment={} if in_environment is None else {variable: VALUES[key][in_environment][1]},
        arguments={key: None if as_argument is None else VALUES[key][as_argument][2]},
    )
    strongest = next((layer for layer in (as_argument, in_environment, in_file) if layer is not None), None)
    origin = (
        "argument"
        if as_argument is not None
        else f"environment {variable}"
        if in_environment is not None
        else f"file {file}"
        if in_file is not None
        else "default"
    )
    if strongest is not None:
        assert settings.account()[key].value == VALUES[key][strongest][2]
    assert settings.account()[key].origin == settings.origins[key] == origin


def test_the_file_in_the_working_directory_is_read(tmp_path):
    (tmp_path / "hippograph.toml").write_text("llm.model = 'here'\n")
    (tmp_path / "named.toml").write_text("llm.model = 'named'\n")
    (tmp_path / "given.toml").write_text("llm.model = 'given'\n")
    environment = {"HIPPOGRAPH_CONFIG": "named.toml"}
    assert Settings.load(environment={}).llm.model == "here"
    assert Settings.load(environment=environment).llm.model == "named"
    assert Settings.load(environment=environment, file=tmp_path / "given.toml").llm.model == "given"


def test_paths_in_a_file_are_relative_to_it(tmp_path):
    (tmp_path / "deep").mkdir()
    text = "index = 'it.hippo'\nembedder = '/models/bge'\nprices = '../prices.toml'\nextractor = 'replay:openie.json'\n"
    settings = Settings.load(file=written(tmp_path / "deep", text), environment={"HIPPOGRAPH_PRICES": "mine.toml"})
    assert settings.index == tmp_path / "deep" / "it.hippo"
    assert str(settings.embedder) == "/models/bge"
    assert str(settings.prices) == "mine.toml"
    assert settings.extractor == f"replay:{tmp_path / 'deep' / 'openie.json'}"


def test_an_empty_variable_is_not_set():
    environment = {"HIPPOGRAPH_LLM_MODEL": "", "HIPPOGRAPH_CONFIG": "", "OPENAI_BASE_URL": "", "OPENAI_API_KEY": ""}
    assert set(Settings.load(environment=environment).origins.values()) == {"default"}


def test_every_mistake_is_a_line(tmp_path):
    text = "modle = 'x'\nllm.tiemout = 3\nllm.timeout = -1\nllm.seed = 'one'\nbudgets = {}\nextraction = 2\n"
    file = written(tmp_path, text)
    environment = {
        "HIPPOGRAPH_LLM_MODLE": "x",
        "HIPPOGRAPH_LLM_ENGINE": "{",
        "HIPPOGRAPH_LLM_STREAM": "maybe",
        "HIPPOGRAPHY": "no variable of ours",
    }
    lines = complaint(file=file, environment=environment, arguments={"extractor": "magic", "budget.max_cost": 0})
    assert sorted(lines.splitlines()) == sorted(
        [
            f"{file}: there is no key modle; did you mean llm.model?",
            f"{file}: there is no key llm.tiemout; did you mean llm.timeout?",
            f"{file}: there is no table [budgets]; did you mean budget?",
            f"{file}: extraction is a table; write its keys under a line [extraction]",
            f"{file}: llm.timeout is -1; it should be greater than 0",
            f"{file}: llm.seed is 'one'; it should be a valid integer, unable to parse string as an integer",
            "there is no variable HIPPOGRAPH_LLM_MODLE; unset it: did you mean HIPPOGRAPH_LLM_MODEL?",
            "HIPPOGRAPH_LLM_ENGINE is not JSON; write it like '{\"key\": 1}' or '[\"a\"]'",
            "HIPPOGRAPH_LLM_STREAM is 'maybe'; it should be a valid boolean, unable to interpret input",
            "--extractor is 'magic'; choose one of spacy, llm, none, replay:FILE",
            "--max-cost is 0; it should be greater than 0",
        ]
    )


def test_what_is_passed_on_is_shown_in_no_mistake_and_its_keys_in_no_account(tmp_path):
    told = complaint(
        file=written(tmp_path, "[llm]\nextra_body = 'sk-body'\nengine = ['sk-engine']\nchat = 'sk-chat'\n")
    )
    assert told.count("\n") == 2
    assert "sk-" not in told
    file = written(tmp_path, "[llm.extra_body]\n'x-api-key' = 'sk-1'\nkey = 'sk-2'\nmonkey = 'shown'\n")
    account = Settings.load(file=file, environment={}).account()
    assert account["llm.extra_body"].value == {"x-api-key": "********", "key": "********", "monkey": "shown"}


def test_a_file_that_cannot_be_read(tmp_path):
    assert "no file gone.toml, which HIPPOGRAPH_CONFIG" in complaint(environment={"HIPPOGRAPH_CONFIG": "gone.toml"})
    assert "--config" in complaint(file=tmp_path / "gone.toml")
    assert "line 2" in complaint(file=written(tmp_path, "index = 'a'\nllm = = 3\n"))
    (tmp_path / "latin1.toml").write_bytes("index = 'Gjøa'".encode("latin-1"))
    assert "not UTF-8" in complaint(file=tmp_path / "latin1.toml")


@pytest.mark.parametrize("address", ["localhost:8000", "ftp://host/v1", "http://", "ftp://name:pass@host/v1?key=pass@"])
def test_an_address_is_checked(address):
    line = complaint(environment={"HIPPOGRAPH_LLM_BASE_URL": address})
    assert "HIPPOGRAPH_LLM_BASE_URL" in line
    assert "pass" not in line


def test_a_password_in_an_address_is_not_shown():
    address = "https://me:hunter2@host/v1?key=hunter2&api-version=1"
    settings = Settings.load(environment={"HIPPOGRAPH_LLM_BASE_URL": address})
    assert settings.llm.base_url == address
    assert "hunter2" not in repr(settings) + json.dumps(settings.account())
    assert settings.account()["llm.base_url"].value == f"https://{MASK}@host/v1?key={MASK}&api-version={MASK}"


def test_secrets_are_shown_nowhere(tmp_path):
    text = f"[llm]\napi_key = '{SECRET}'\n[llm.engine]\nhf_token = '{SECRET}'\nhost = {{ api_key = '{SECRET}' }}\n"
    settings = Settings.load(file=written(tmp_path, text), environment={"HIPPOGRAPH_EMBEDDING_API_KEY": SECRET})
    assert settings.llm.api_key == SecretStr(SECRET)
    shown = [repr(settings), str(settings), settings.model_dump_json(include={"llm": {"api_key"}})]
    assert all(SECRET not in text for text in (*shown, json.dumps(settings.account())))
    assert settings.account()["llm.api_key"].value == MASK
    assert settings.account()["llm.engine"].value == {"hf_token": MASK, "host": {"api_key": MASK}}


def test_a_wrong_secret_is_not_told(tmp_path):
    line = complaint(file=written(tmp_path, "llm.api_key = [1234567]\n"))
    assert "llm.api_key is no key" in line
    assert "1234567" not in line


def key_of(environment, **arguments):
    table = Settings.load(environment={"OPENAI_API_KEY": SECRET, **environment}, arguments=arguments).llm
    return None if table.api_key is None else table.api_key.get_secret_value()


def test_the_key_of_openai_goes_nowhere_else():
    elsewhere = {"OPENAI_BASE_URL": "https://proxy.example/v1"}
    assert key_of({}) == SECRET
    assert key_of(elsewhere) == SECRET
    assert key_of({}, **{"llm.base_url": "https://api.openai.com/v1/"}) == SECRET
    assert key_of(elsewhere, **{"llm.base_url": "https://proxy.example:443/other"}) == SECRET
    assert key_of({"HIPPOGRAPH_LLM_BASE_URL": LOCAL}) is None
    assert key_of({"HIPPOGRAPH_LLM_BASE_URL": LOCAL, **elsewhere}) is None
    assert key_of({}, **{"llm.base_url": "http://api.openai.com/v1"}) is None
    assert key_of({}, **{"llm.base_url": "https://api.openai.com.example/v1"}) is None
    assert key_of({}, **{"llm.base_url": "https://api.openai.com:8443/v1"}) is None
    assert key_of({"HIPPOGRAPH_LLM_API_KEY": "own", "HIPPOGRAPH_LLM_BASE_URL": LOCAL}) == "own"
    assert key_of({"HIPPOGRAPH_LLM_BACKEND": "vllm"}) is None


def test_what_is_borrowed_from_openai_is_told():
    environment = {"OPENAI_BASE_URL": LOCAL, "OPENAI_API_KEY": SECRET, "HIPPOGRAPH_EMBEDDING_BACKEND": "openai"}
    settings = Settings.load(environment=environment)
    for table in ("llm", "embedding"):
        assert settings.origins[f"{table}.base_url"] == "environment OPENAI_BASE_URL"
        assert settings.origins[f"{table}.api_key"] == "environment OPENAI_API_KEY"
    alone = Settings.load(environment={"OPENAI_BASE_URL": LOCAL, "OPENAI_API_KEY": SECRET})
    assert alone.embedding.api_key is None


def test_the_environment_of_the_process_is_not_read_behind_our_back(monkeypatch):
    monkeypatch.setenv("HIPPOGRAPH_LLM_MODEL", "from the process")
    assert Settings.load(environment={}).llm.model is None
    assert Settings().llm.model is None


def test_settings_made_by_hand_are_checked_too():
    with pytest.raises(ValidationError):
        Settings.model_validate({"llm": {"modle": "x"}})
