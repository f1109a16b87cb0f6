"""What a call of a language model costs beside the model: `python benchmarks/model_calls.py`.

A server that answers at once shows how many calls a second the client makes, and how much time of a processor each
costs it; a server that answers after 200 ms, asked 64 times at once, shows how much of the throughput that is possible
(64 / 0.2 s) is reached. The server is a process of its own; the `openai` package alone, asked for the same without
looking at the answers, is the yardstick.
"""

import argparse
import asyncio
import resource
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parents[1]))

from openai import AsyncOpenAI

from hippograph.completions import Completion, ModelRequest
from hippograph.index.llm_answers import NamesAndTriples
from hippograph.models.dialogues import Dialogue, converse
from hippograph.models.json_schemas import response_format
from hippograph.models.openai_chat import OpenAIChat
from hippograph.models.pacing import Limits
from hippograph.prompts.prompt import load_prompt
from tests.servers.running import FaultServer

WARM_UP = 64
Ask: TypeAlias = Callable[[int, int], None]


def requests(count: int) -> list[ModelRequest]:
    """Ask for what the extractor asks for, of passages of some 90 words."""
    prompt = load_prompt("extract")
    text = "Then Fridtjof Nansen sailed the Fram from Larvik, number {}, " + "and it went on for many more words " * 10
    return [
        ModelRequest(messages=prompt.fill(passage=f'{{"text": "{text.format(number)}"}}'), schema=NamesAndTriples)
        for number in range(count)
    ]


@contextmanager
def ask_hippograph(base_url: str, asked: Sequence[ModelRequest], concurrency: int) -> Iterator[Ask]:
    """Lend a way to ask through `OpenAIChat`, as many at a time as an extractor does."""
    model = OpenAIChat(base_url=base_url, model="fault-model", limits=Limits(concurrency=concurrency))

    def dialogue(request: ModelRequest) -> Dialogue[Completion]:
        [answer] = yield [request]
        return answer

    def ask(start: int, stop: int) -> None:
        for _, answer in converse(model, (dialogue(request) for request in asked[start:stop])):
            assert answer.status == "done", answer

    with closing(model):
        yield ask


@contextmanager
def ask_openai(base_url: str, asked: Sequence[ModelRequest], concurrency: int) -> Iterator[Ask]:
    """Lend a way to ask through the `openai` package."""
    client = AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0)
    form: Any = response_format(NamesAndTriples)

    async def work(left: Iterator[ModelRequest]) -> None:
        for request in left:
            messages: Any = [{"role": role, "content": text} for role, text in request.messages]
            answer = await client.chat.completions.create(
                model="fault-model", messages=messages, response_format=form, max_tokens=2048, temperature=0
            )
            assert answer.choices[0].message.content

    async def all_of(part: Sequence[ModelRequest]) -> None:
        left = iter(part)
        await asyncio.gather(*(work(left) for _ in range(concurrency)))

    with asyncio.Runner() as runner:
        yield lambda start, stop: runner.run(all_of(asked[start:stop]))
        runner.run(client.close())


def measure(ask: Ask, calls: int) -> tuple[float, float]:
    """Return the seconds of the clock and of the processor that so many calls take, after some to warm up."""
    ask(0, WARM_UP)
    before, began = resource.getrusage(resource.RUSAGE_SELF), perf_counter()
    ask(WARM_UP, WARM_UP + calls)
    seconds, after = perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Run the benchmark and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3000, help="calls of the server that answers at once")
    parser.add_argument("--late-calls", type=int, default=3200, help="calls of the one that takes its time")
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--latency", type=float, default=0.2, help="seconds that it takes")
    given = parser.parse_args()
    asked = requests(WARM_UP + max(given.calls, given.late_calls))
    print(f"{'':12} {'at once':>28} {f'after {1000 * given.latency:.0f} ms, {given.concurrency} at a time':>36}")
    for name, prepare in (("hippograph", ask_hippograph), ("openai", ask_openai)):
        told = [f"{name:12}"]
        for latency, calls in ((0.0, given.calls), (given.latency, given.late_calls)):
            with FaultServer(latency=latency) as server:
                with prepare(server.base_url, asked, given.concurrency) as ask:
                    seconds, spent = measure(ask, calls)
                counted = server.ledger()
            assert counted["good"] == counted["requests"] == calls + WARM_UP, counted
            told.append(f"{calls / seconds:8.0f} calls/s")
            if latency:
                told.append(f"{calls * latency / given.concurrency / seconds:6.1%} of what is possible")
            else:
                told.append(f"{1e6 * spent / calls:6.0f} µs")
        print(" ".join(told), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
