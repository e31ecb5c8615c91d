"""cases.py: what is measured, on which inputs, and against whom."""

import glob
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass

from shards import SEGMENT as SEGMENT_CHUNKS
from measure import Command, Peer

MEMORY_LAYER, RETRIEVAL_LAYERS, RANK, SEGMENT, CHUNK = 15, [15, 19, 23, 27], 32, 1024, 128
PUBLISHED = ["--layout", "published"]
LAYERS = [*PUBLISHED, "--memory-layer", MEMORY_LAYER, "--retrieval-layers", ",".join(map(str, RETRIEVAL_LAYERS))]

NOTES = """\
rate     best round by time (of unit ms: less is better). Ours are whole processes, start, loading and writing included; the peers in
         Python had loaded and warmed up before the clock ran, and work in memory.
cores    CPU time of that round by its time: below the threads given, the machine was busy with others.
sgemm    share of the sgemm peak, by the operations that the work cannot do without; products of bf16
         have about twice that peak.
ours     how many times as fast ours is, by time and by CPU time (the best round of each).
MemLong in PyTorch: published layout, fused attention, memory given rather than searched; eager: attention
         as published (decoder.py).
published code: the authors' own (published.py), in float32; it searches, embeds and stores at each step, so ours
         embeds and plans within the time. SmolLM2's shape with as many key heads as query heads, random weights.
"""


@dataclass
class Case:
    work: str
    unit: str
    units: float  # of a round
    contenders: list
    flops: float = 0  # a unit
    rounds: int = 5
    peer_units: float = None  # of a peer's round, where that is another amount

    def shown(self, rate):
        """A rate as the table has it: units a second, or milliseconds a unit."""
        return 1000 / rate if self.unit == "ms" else rate

    def units_of(self, contender):
        return self.peer_units if self.peer_units and isinstance(contender, Peer) else self.units


@dataclass
class Sizes:
    tokens: int  # of the decoder's documents
    embedded: int  # chunks
    copies: int  # of the novels, for the tokenizers
    planned: int  # chunks of 1024 components
    searched: list  # keys of 384 components
    queries: list


SIZES = {
    "full": Sizes(4096, 384, 8, 1_000_000, [100_000, 1_000_000], [64, 1000]),
    "quick": Sizes(2048, 64, 2, 50_000, [20_000], [64, 400]),
}


def memory_tokens(tokens):
    """That a token of a text reads on average: the first segment has no memory yet."""
    return SEGMENT * (tokens - SEGMENT) / tokens


def decoder_flops(memory, backward, key_width=192):
    """Operations of a token of SmolLM2-135M in a segment of 1024 with so many memory tokens."""
    linear = 2 * (2 * 576 * 576 + 2 * 576 * key_width + 3 * 576 * 1536)
    attention, head = 4 * 576 * SEGMENT / 2, 2 * 576 * 49152
    remembered = len(RETRIEVAL_LAYERS) * 4 * 576 * memory
    forward = 30 * (linear + attention) + remembered + head
    if not backward:
        return forward
    # Gradients by the inputs only: the weights are frozen. Attention's weights are computed anew.
    above = 30 - MEMORY_LAYER - 1
    return forward + above * (linear + 2.5 * attention) + 2.5 * remembered * 3 / 4 + head


# MiniLM-L6, chunks of 128 decoder tokens; Austen has 0.95 word pieces a decoder token.
EMBEDDING_FLOPS = 0.95 * CHUNK * 6 * (2 * (4 * 384 * 384 + 2 * 384 * 1536) + 4 * 384 * 0.95 * CHUNK)


class Inputs:
    """Makes the inputs, in the order in which cases ask for them."""

    def __init__(self, options, log):
        self.options, self.log = options, log
        self.sizes = SIZES[options.mode]

    def tool(self, name):
        return os.path.join(self.options.bin, name)

    def path(self, name):
        return os.path.join(self.options.work, name)

    def make(self, name, tool, *arguments):
        """The file `name`, written by a tool of ours."""
        path = self.path(name)
        command = [self.tool(tool), *map(str, arguments), "-q", "-o", path]
        subprocess.run(command, stderr=self.log, check=True)
        return path

    def chunks(self, name, tokens):
        return self.make(
            name, "ml-chunk", "--tokenizer", self.options.model, "--max-tokens", tokens,
            "--pack", "stream", *self.options.texts)

    def with_bf16(self, label, command, before=(), cache=None):
        """The command after those `before` it, and once more with --compute bf16 where the build and the
        processor have that. With a `cache` of frozen layers each is run once before it counts."""

        def run(label, compute=None):
            kept = ["--cache-frozen", f"{cache}-{compute}"] if cache else []
            last = [*command, *kept, *(["--compute", compute] if compute else [])]
            line = " && ".join(shlex.join(map(str, step)) for step in (*before, last))
            return Command(label, ["sh", "-c", line] if before else last, self.log, warms_up=bool(cache))

        probe = [self.tool("ml-eval"), "lm", "--compute", "bf16", "--model", "absent"]
        said = subprocess.run(probe, stdin=subprocess.DEVNULL, capture_output=True, text=True).stderr
        both = [run(label)]
        return both if "--compute bf16:" in said else [*both, run(label + ", bf16", "bf16")]

    def vectors(self, name, rows, dimension, every=SEGMENT_CHUNKS):
        path = self.path(f"{name}.vectors.mls")
        script = os.path.join(os.path.dirname(__file__), "shards.py")
        command = [sys.executable, script, path, *map(str, (rows, dimension, every))]
        subprocess.run(command, stderr=self.log, check=True)
        return path


def all_cases(options, python, log):
    """The cases one after another; inputs are made when their case comes."""
    inputs = Inputs(options, log)
    for prepare in (starting, loading, decoder, published, embedding, tokenisation, planning, search, reading):
        names = prepare.__doc__.split(":")[0]
        if options.only in names:
            yield from prepare(inputs, lambda label, name, **more: Peer(
                label, python, name, common(inputs) | more, log))


def common(inputs):
    options = inputs.options
    return {
        "threads": options.threads, "work": options.work, "model": options.model,
        "retriever": options.retriever,
    }


def starting(inputs, peer):
    """start-up: every tool's --help."""
    tools = ["ml-chunk", "ml-embed", "ml-index", "ml-train", "ml-eval", "ml-shard"]
    for name in tools:
        command = Command(name, [inputs.tool(name), "--help"], inputs.log)
        yield Case("start-up, --help", "ms", 1, [command], rounds=20)


def loading(inputs, peer):
    """loading: a model that reads two tokens, beside reading its file."""
    options = inputs.options
    chunks = inputs.chunks("two.mls", 2)
    command = [inputs.tool("ml-eval"), "lm", "--model", options.model, "--threads", options.threads]
    size = os.path.getsize(options.model) / 1e6
    for kept in ("expanded", "stored"):
        yield Case(
            f"model load, --weights {kept}", "MB/s", size,
            [Command("ml-eval lm, 2 tokens", [*command, "--weights", kept, "-o", inputs.path("two.json"), chunks],
                     inputs.log),
             Command("cat of the file", ["cat", options.model], inputs.log)])


def decoder(inputs, peer):
    """forward training: ml-eval and ml-train."""
    options, tokens = inputs.options, inputs.sizes.tokens
    chunks = inputs.chunks("decoder.mls", tokens)
    embeddings = inputs.make("decoder.embeddings.mls", "ml-embed", "--model", options.retriever, chunks)
    plan = inputs.make("decoder.plan.mls", "ml-index", *PUBLISHED, embeddings)
    model = ["--model", options.model, "--threads", options.threads]
    given = {"tokens": SEGMENT, "memory": SEGMENT, "memory_layer": MEMORY_LAYER,
             "retrieval_layers": RETRIEVAL_LAYERS, "rank": RANK}
    evaluate = [inputs.tool("ml-eval"), "lm", *model, "-o", inputs.path("result.json")]
    yield Case(
        "forward, segments of 1024", "tokens/s", tokens,
        [*inputs.with_bf16("ml-eval lm", [*evaluate, *PUBLISHED, chunks]),
         peer("transformers, sdpa", "transformers", **given),
         peer("llama.cpp, F16", "llama_cpp", **given)],
        decoder_flops(0, False), peer_units=SEGMENT)
    yield Case(
        "forward, 1024 memory tokens", "tokens/s", tokens,
        [*inputs.with_bf16("ml-eval lm --plan", [*evaluate, *LAYERS, "--plan", plan, chunks]),
         peer("MemLong in PyTorch", "memlong_evaluation", **given),
         peer("the same, eager", "memlong_evaluation", eager=True, **given)],
        decoder_flops(memory_tokens(tokens), False), peer_units=SEGMENT)
    train = [
        inputs.tool("ml-train"), "--stage", 2, *model, *LAYERS, "--plan", plan, "--lora-rank", RANK,
        "--train-also", "none", "--accumulation", 1, "--lora-dropout", 0, "-o", inputs.path("adapter"), chunks]
    yield Case(
        "training, stage 2, LoRA 32", "tokens/s", tokens,
        [*inputs.with_bf16("ml-train", train),
         peer("MemLong in PyTorch", "memlong_training", **given),
         peer("the same, eager", "memlong_training", eager=True, **given)],
        decoder_flops(memory_tokens(tokens), True), peer_units=SEGMENT)


def published(inputs, peer):
    """published forward training: beside the authors' code."""
    options, tokens = inputs.options, inputs.sizes.tokens
    folder, cache = inputs.path("random-model"), inputs.path("frozen")
    script = os.path.join(os.path.dirname(__file__), "random-model.py")
    shape = {"layers": 30, "hidden": 576, "heads": 9, "kv-heads": 9, "intermediate": 1536, "vocabulary": 49152}
    sizes = [word for name, value in shape.items() for word in ("--" + name, str(value))]
    subprocess.run([sys.executable, script, *sizes, folder], stderr=inputs.log, check=True)
    chunks = inputs.chunks("published.mls", tokens)
    given = {"tokens": SEGMENT, "memory_layer": MEMORY_LAYER, "retrieval_layers": RETRIEVAL_LAYERS, "rank": 64,
             "random_model": folder, "published": options.published,
             "chunks": inputs.make("published.jsonl", "ml-shard", "view", chunks)}
    vectors, plan = inputs.path("published.embeddings.mls"), inputs.path("published.plan.mls")
    threads = ["--threads", options.threads, "-q"]
    before = [[inputs.tool("ml-embed"), "--model", options.retriever, *threads, "-o", vectors, chunks],
              [inputs.tool("ml-index"), *PUBLISHED, *threads, "-o", plan, vectors]]
    model = [*threads, "--model", folder, *LAYERS, "--plan", plan, chunks]
    evaluate = [inputs.tool("ml-eval"), "lm", "-o", inputs.path("result.json"), *model]
    train = [inputs.tool("ml-train"), "--stage", 2, "--accumulation", 1, "-o", inputs.path("adapter"), *model]
    yield Case(
        "forward, beside the published code", "tokens/s", tokens,
        [*inputs.with_bf16("ml-embed, ml-index, ml-eval", evaluate, before),
         peer("published code", "published_evaluation", **given)],
        decoder_flops(memory_tokens(tokens), False, 576), peer_units=SEGMENT)
    yield Case(
        "training, beside the published code", "tokens/s", tokens,
        [*inputs.with_bf16("ml-embed, ml-index, ml-train", train, before),
         *inputs.with_bf16("ml-train, frozen layers kept", train, cache=cache),
         peer("published code", "published_training", **given)],
        decoder_flops(memory_tokens(tokens), True, 576), peer_units=SEGMENT)
    for path in (folder, *glob.glob(cache + "-*")):
        shutil.rmtree(path)


def embedding(inputs, peer):
    """embedding: ml-embed."""
    options, count = inputs.options, inputs.sizes.embedded
    chunks = inputs.chunks("embedding.mls", CHUNK * count)
    texts = inputs.make("embedding.jsonl", "ml-shard", "view", chunks)
    command = [
        inputs.tool("ml-embed"), "--model", options.retriever, "--query", "none", "--threads",
        options.threads, "-o", inputs.path("embeddings.mls"), chunks]
    yield Case(
        "embedding, chunks of 128 tokens", "chunks/s", count,
        [Command("ml-embed", command, inputs.log),
         peer("sentence-transformers", "sentence_transformers", chunks=texts),
         peer("ONNX Runtime, f32", "onnxruntime", chunks=texts)],
        EMBEDDING_FLOPS)


def tokenisation(inputs, peer):
    """tokenisation: ml-chunk."""
    options = inputs.options
    texts = options.texts * inputs.sizes.copies
    size = sum(os.path.getsize(path) for path in texts) / 1e6
    for threads in sorted({1, options.threads}):
        command = [
            inputs.tool("ml-chunk"), "--tokenizer", options.model, "--threads", threads, "-o",
            inputs.path("text.mls"), *texts]
        contenders = [
            Command("ml-chunk", command, inputs.log),
            peer("tokenizers", "tokenizers", texts=texts, threads=threads),
            peer("sentencepiece, its own BPE", "sentencepiece", texts=texts, threads=threads)]
        yield Case(f"tokenisation, {threads} thread{'s' * (threads > 1)}", "MB/s", size, contenders)


def planning(inputs, peer):
    """planning: ml-index."""
    rows = inputs.sizes.planned
    embeddings = inputs.vectors("planning", rows, 1024)
    command = [
        inputs.tool("ml-index"), "--memory-tokens", 256 * CHUNK, "--threads", inputs.options.threads,
        "-o", inputs.path("plan.mls"), embeddings]
    # A query for each segment of 8 chunks meets 256 keys.
    yield Case(
        f"planning, {rows} x 1024, memory 256", "chunks/s", rows, [Command("ml-index", command, inputs.log)],
        2 * 256 * 1024 / 8)
    os.remove(embeddings)


def search(inputs, peer):
    """search: ml-index search."""
    for rows in inputs.sizes.searched:
        keys = inputs.vectors("keys", rows, 384)
        for count in inputs.sizes.queries:
            queries = inputs.vectors("queries", count, 384, every=1)
            command = [
                inputs.tool("ml-index"), "search", "--keys", keys, "--threads", inputs.options.threads,
                "-o", inputs.path("found.jsonl"), queries]
            yield Case(
                f"exact search, {rows} x 384, {count} queries", "queries/s", count,
                [Command("ml-index search", command, inputs.log),
                 peer("faiss, IndexFlatIP", "faiss", rows=rows, queries=count, dimension=384)],
                2 * rows * 384)


def reading(inputs, peer):
    """shards: ml-shard: megabytes of what is in the frames."""
    options = inputs.options
    text = inputs.make("text.mls", "ml-chunk", "--tokenizer", options.model, *options.texts * inputs.sizes.copies)
    vectors = inputs.vectors("reading", inputs.sizes.searched[0], 384)
    for name, path in (("chunks", text), ("embeddings", vectors)):
        size = decompressed_size(path) / 1e6
        for verb in ("cat", "check"):
            yield Case(
                f"shards of {name}, {verb}", "MB/s", size,
                [Command(f"ml-shard {verb}", [inputs.tool("ml-shard"), verb, path], inputs.log),
                 Command("zstd -t", ["zstd", "-qt", path], inputs.log)])


def decompressed_size(path):
    with subprocess.Popen(["zstd", "-dc", path], stdout=subprocess.PIPE) as zstd:
        return sum(map(len, iter(lambda: zstd.stdout.read(1 << 20), b"")))
