"""Which models the settings make, before any of them is connected or loaded."""

import pytest

from hippograph.cli.models import (
    budget_of,
    embedder_of,
    extractor_of,
    language_model_of,
    price_of,
    sampling_chosen,
    sampling_of,
)
from hippograph.completions import Sampling, SamplingChoice
from hippograph.config.settings import Settings
from hippograph.errors import InputError
from hippograph.index.absent_extractor import AbsentExtractor
from hippograph.index.budget import Budget
from hippograph.index.llm_extractor import LLMExtractor
from hippograph.index.no_extractor import NoExtractor
from hippograph.index.replay_extractor import ReplayExtractor
from hippograph.index.spacy_extractor import SpacyExtractor
from hippograph.models.onnx_embedder import OnnxEmbedder
from hippograph.models.openai_batch import OpenAIBatch
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.openai_embedder import OpenAIEmbedder
from hippograph.models.prices import Price
from hippograph.models.sentence_transformer import SentenceTransformerEmbedder
from hippograph.models.vllm_offline import VLLMOffline
from hippograph.types import Passage

LOCAL = "http://localhost:8000/v1"
MODEL = {"llm.model": "gpt-4o-mini", "llm.base_url": LOCAL}


def settings_with(environment=None, **values):
    return Settings.load(arguments={**values}, environment=environment or {})


def test_a_server_is_asked_as_the_settings_say():
    values = {**MODEL, "llm.api_key": "k", "llm.concurrency": 3, "llm.tokens_per_minute": 99, "llm.attempts": 2}
    model = language_model_of(settings_with(**values, **{"llm.stream": True, "llm.extra_body": {"top_k": 1}}))
    assert isinstance(model, OpenAIChat)
    assert (model.model, model.base_url, model.concurrency, model.stream) == ("gpt-4o-mini", LOCAL, 3, True)
    assert (model.limits.tokens_per_minute, model.limits.attempts, model.limits.timeout) == (99, 2, 180)
    assert model.price == Price(0.15, 0.60)
    assert model.extra_body == {"top_k": 1}
    assert model.api_key is not None
    assert model.api_key.get_secret_value() == "k"


def test_without_a_name_there_is_no_model():
    assert language_model_of(settings_with()) is None


def test_batches_are_kept_beside_the_index(tmp_path):
    batch = {**MODEL, "llm.backend": "openai-batch"}
    model = language_model_of(settings_with(**batch, index=tmp_path))
    assert isinstance(model, OpenAIBatch)
    assert model.ledger.parent == tmp_path
    with pytest.raises(InputError, match="--index"):
        language_model_of(settings_with(**batch))


def test_a_question_waits_for_no_batch():
    batch = {**MODEL, "llm.backend": "openai-batch"}
    model = language_model_of(settings_with(**batch), answering=True)
    assert isinstance(model, OpenAIChat)


def test_vllm_in_this_process():
    values = {"llm.backend": "vllm", "llm.model": "Qwen/Qwen3-8B", "llm.engine": {"max_model_len": 8192}}
    model = language_model_of(settings_with(**values))
    assert isinstance(model, VLLMOffline)
    assert model.engine == {"max_model_len": 8192}
    assert model.concurrency == VLLMOffline(model="x").concurrency
    few = language_model_of(settings_with(**values, **{"llm.concurrency": 7}))
    assert few is not None
    assert few.concurrency == 7


def test_openai_wants_a_key():
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        language_model_of(settings_with(**{"llm.model": "gpt-4o"}))
    assert language_model_of(settings_with({"OPENAI_API_KEY": "k"}, **{"llm.model": "gpt-4o"})) is not None
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        embedder_of(settings_with(**{"embedding.backend": "openai", "embedding.model": "x"}))


def test_a_budget_in_dollars_needs_a_price(tmp_path):
    values = {"llm.model": "my-llama", "llm.base_url": LOCAL, "budget.max_cost": 1.0}
    with pytest.raises(InputError, match=r'"my-llama" = \{ input') as caught:
        language_model_of(settings_with(**values))
    assert "max_tokens" in str(caught.value)
    file = tmp_path / "prices.toml"
    file.write_text('"my-llama" = { input = 1.0 }\n')
    assert language_model_of(settings_with(**values, prices=file)) is not None
    assert price_of(settings_with(prices=file), "my-llama") == Price(1.0)
    assert price_of(settings_with(), None) is None


def test_what_a_run_may_spend():
    assert budget_of(settings_with()) == Budget()
    values = {"budget.max_tokens": 5, "budget.max_cost": 0.5, "budget.max_minutes": 1.5}
    assert budget_of(settings_with(**values)) == Budget(max_tokens=5, max_cost=0.5, max_seconds=90.0)


def test_how_words_are_chosen():
    assert sampling_of(settings_with()) == Sampling()
    values = {"llm.max_tokens": 5, "llm.temperature": 1, "llm.top_p": 0.5, "llm.seed": 3}
    assert sampling_of(settings_with(**values)) == Sampling(max_tokens=5, temperature=1.0, top_p=0.5, seed=3)
    assert sampling_chosen(settings_with()) == SamplingChoice()
    assert sampling_chosen(settings_with(**{"llm.seed": 3, "llm.max_tokens": 2048})) == SamplingChoice(
        seed=3, max_tokens=2048
    )


def test_embedders():
    assert isinstance(embedder_of(settings_with()), OnnxEmbedder)
    hosted = embedder_of(
        settings_with(
            **{
                "embedding.backend": "openai",
                "embedding.model": "text-embedding-3-small",
                "embedding.base_url": LOCAL,
                "embedding.dimension": 512,
                "embedding.query_prefix": "query: ",
            }
        )
    )
    assert isinstance(hosted, OpenAIEmbedder)
    assert (hosted.dimension, hosted.query_prefix, hosted.batch_size) == (512, "query: ", 128)
    assert hosted.price == Price(0.02)
    torch = embedder_of(
        settings_with(
            **{
                "embedding.backend": "sentence-transformers",
                "embedding.model": "BAAI/bge-m3",
                "embedding.devices": ["cuda:0", "cuda:1"],
                "embedding.dtype": "bfloat16",
                "embedding.passage_prefix": "passage: ",
            }
        )
    )
    assert isinstance(torch, SentenceTransformerEmbedder)
    assert (torch.model, torch.dtype, torch.passage_prompt) == ("BAAI/bge-m3", "bfloat16", "passage: ")
    assert list(torch.devices or ()) == ["cuda:0", "cuda:1"]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"embedding.model": "x"}, "embedding.backend"),
        ({"embedding.backend": "openai"}, "embedding.model"),
        ({"embedding.backend": "openai", "embedding.model": "x", "embedder": "folder"}, "leave one"),
    ],
)
def test_embedders_that_are_named_wrongly(values, complaint):
    with pytest.raises(InputError, match=complaint):
        embedder_of(settings_with(**values))


def test_extractors(tmp_path):
    assert isinstance(extractor_of(settings_with()), SpacyExtractor)
    assert isinstance(extractor_of(settings_with(extractor="none")), NoExtractor)
    replay = extractor_of(settings_with(extractor=f"replay:{tmp_path / 'openie.json'}"))
    assert isinstance(replay, ReplayExtractor)
    chosen = {"extraction.calls": 2, "extraction.window": 300, "llm.seed": 4}
    llm = extractor_of(settings_with(extractor="llm", **MODEL, **chosen))
    assert isinstance(llm, LLMExtractor)
    assert (llm.calls, llm.window, llm.sampling.seed) == (2, 300, 4)
    with pytest.raises(InputError, match="--llm-model"):
        extractor_of(settings_with(extractor="llm"))


def test_the_extractor_of_an_index_that_is_not_at_hand(small):
    """What an index was built with by something that no name stands for is kept, and only missed when it is needed."""
    extractor = extractor_of(settings_with(index=small.directory))
    assert isinstance(extractor, AbsentExtractor)
    assert extractor.fingerprint == small.indexer.extractor.fingerprint
    with pytest.raises(InputError, match="--extractor"):
        list(extractor.extract([Passage(id="1", document="1", text="Oslo")]))
