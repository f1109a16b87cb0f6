"""LlamaIndex: an index as a `BaseRetriever`, for `pip install 'hippograph[llama-index]'`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from hippograph.extras import import_extra
from hippograph.hippograph import HippoGraph
from hippograph.integrations.retrieval import Retrieval, joined, opened, provenance
from hippograph.protocols import Retriever
from hippograph.text.metadata_filter import MetadataFilter
from hippograph.types import Hit

import_extra("llama_index.core", extra="llama-index")

from llama_index.core import Settings
from llama_index.core.callbacks import CallbackManager
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode

__all__ = ["HippoGraphRetriever"]


class HippoGraphRetriever(BaseRetriever):
    """Retrieves nodes for LlamaIndex from an index of hippograph.

    It can be called from threads; `aretrieve` works in a thread of the event loop's executor, so that the loop goes on.

    Parameters
    ----------
    index
        A `HippoGraph`, or the directory of one; None if the retriever is made by hand.
    retriever
        One of `hippograph.composition.RETRIEVERS`, or a retriever made by hand.
    k
        How many nodes at most.
    filter
        Documents to look at, by their metadata (`hippograph.text.metadata_filter` tells the language).
    callback_manager
        Is told of each retrieval; by default that of LlamaIndex's `Settings`.

    Raises
    ------
    InputError
        If there is neither an index nor a retriever made by hand, or `retriever`, `k` or `filter` cannot be used.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from hippograph.testing.toy_corpus import toy_passages
    >>> with TemporaryDirectory() as folder, HippoGraph(f"{folder}/toy.hippo", extractor="none") as toy:
    ...     report = toy.index(toy_passages()[:6])
    ...     nodes = HippoGraphRetriever(toy, k=2).retrieve("Which town is Čelinka twinned with?")
    >>> [(node.metadata["title"], node.metadata["year"]) for node in nodes]
    [('Čelinka', 1402), ('Aldermere (town)', 1211)]
    """

    def __init__(
        self,
        index: HippoGraph | str | Path | None = None,
        *,
        retriever: str | Retriever = "default",
        k: int = 5,
        filter: str | MetadataFilter | None = None,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        super().__init__(callback_manager=callback_manager or Settings.callback_manager)
        self._retrieval = Retrieval(index=opened(index), retriever=retriever, k=k, filter=filter)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        hits = self._retrieval.hits(query_bundle.query_str)
        return [NodeWithScore(node=_node(hit), score=hit.score) for hit in hits]

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return await asyncio.to_thread(self._retrieve, query_bundle)


def _node(hit: Hit) -> TextNode:
    """Make a node of a hit: its metadata are the hit's provenance and the user's own.

    A language model is shown the title, source and page that are known, a model that embeds or compares only the
    title; both see the user's metadata.
    """
    passage = hit.passage
    own = provenance(passage)
    unseen = [key for key, value in own.items() if key in ("document", "span") or value in ("", None)]
    return TextNode(
        id_=passage.id,
        text=passage.text,
        start_char_idx=passage.span[0],
        end_char_idx=passage.span[1],
        metadata=joined(own, passage.metadata),
        excluded_llm_metadata_keys=unseen,
        excluded_embed_metadata_keys=[key for key in own if key != "title" or key in unseen],
        relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=passage.document)},
    )
