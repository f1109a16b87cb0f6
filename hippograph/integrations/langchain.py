"""LangChain: an index as a `BaseRetriever`, for `pip install 'hippograph[langchain]'`."""

from __future__ import annotations

from pathlib import Path

from pydantic import ConfigDict, InstanceOf, field_validator, model_validator

from hippograph.extras import import_extra
from hippograph.hippograph import HippoGraph
from hippograph.integrations.retrieval import Retrieval, joined, opened, provenance
from hippograph.protocols import Retriever
from hippograph.text.metadata_filter import MetadataFilter
from hippograph.types import Hit

import_extra("langchain_core", extra="langchain")

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever

__all__ = ["HippoGraphRetriever"]


class HippoGraphRetriever(BaseRetriever):
    """Retrieves documents for LangChain from an index of hippograph.

    It can be called from threads; `ainvoke` works in a thread of the event loop's executor, so that the loop goes on.
    All parameters can be made configurable per call with `configurable_fields`.

    Parameters
    ----------
    index
        A `HippoGraph`, or the directory of one; None if the retriever is made by hand.
    retriever
        One of `hippograph.composition.RETRIEVERS`, or a retriever made by hand.
    k
        How many documents at most.
    filter
        Documents to look at, by their metadata (`hippograph.text.metadata_filter` tells the language).

    Raises
    ------
    pydantic.ValidationError
        If there is neither an index nor a retriever made by hand, or `retriever`, `k` or `filter` cannot be used.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from hippograph.testing.toy_corpus import toy_passages
    >>> with TemporaryDirectory() as folder, HippoGraph(f"{folder}/toy.hippo", extractor="none") as toy:
    ...     report = toy.index(toy_passages()[:6])
    ...     documents = HippoGraphRetriever(index=toy, k=2).invoke("Which town is Čelinka twinned with?")
    >>> [(document.metadata["title"], document.metadata["year"]) for document in documents]
    [('Čelinka', 1402), ('Aldermere (town)', 1211)]
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, validate_assignment=True, extra="forbid")

    index: InstanceOf[HippoGraph] | str | Path | None = None
    retriever: str | InstanceOf[Retriever] = "default"
    k: int = 5
    filter: str | InstanceOf[MetadataFilter] | None = None

    @field_validator("index")
    @classmethod
    def _opened(cls, index: HippoGraph | str | Path | None) -> HippoGraph | None:
        return opened(index)

    @model_validator(mode="after")
    def _checked(self) -> HippoGraphRetriever:
        self._retrieval()
        return self

    def _retrieval(self) -> Retrieval:
        return Retrieval(index=opened(self.index), retriever=self.retriever, k=self.k, filter=self.filter)

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [_document(hit) for hit in self._retrieval().hits(query)]


def _document(hit: Hit) -> Document:
    """Make a document of a hit: its metadata are the hit's provenance and score, and the user's own."""
    own = provenance(hit.passage) | {"score": hit.score}
    return Document(id=hit.passage.id, page_content=hit.passage.text, metadata=joined(own, hit.passage.metadata))
