"""peers.py NAME SETTINGS: one of the tools that ours are compared with, in its own environment.

Loads and warms up, prints {"version": …}; then, for every line on standard input, does the work once
and prints {"seconds": …, "cpu": …}. Where it cannot, it prints {"absent": why}.
"""

import json
import os
import sys
import time


def documents(settings):
    for path in settings["texts"]:
        with open(path, encoding="utf-8") as lines:
            yield from (json.loads(line)["text"] for line in lines)


# --- Tokenisation --------------------------------------------------------------------------------


def tokenizers(settings):
    """The decoder's own tokenizer."""
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if settings["threads"] > 1 else "false"
    os.environ["RAYON_NUM_THREADS"] = str(settings["threads"])
    import tokenizers as library
    from gguf_tokenizer import byte_pairs

    tokenizer, texts = byte_pairs(settings["model"]), list(documents(settings))
    encode = getattr(tokenizer, "encode_batch_fast", tokenizer.encode_batch)
    return library.__version__, lambda: encode(texts)


def sentencepiece(settings):
    """Byte pairs too, 16000 pieces learnt from the same text; encoded line by line."""
    import sentencepiece as library

    prefix = os.path.join(settings["work"], "sentencepiece")
    lines = [line for text in documents(settings) for line in text.splitlines() if line]
    if not os.path.exists(prefix + ".model"):
        library.SentencePieceTrainer.train(
            sentence_iterator=iter(lines[:40000]), model_prefix=prefix, model_type="bpe",
            vocab_size=16000, hard_vocab_limit=False, minloglevel=2)
    processor = library.SentencePieceProcessor(model_file=prefix + ".model")
    return library.__version__, lambda: processor.encode(lines, num_threads=settings["threads"])


# --- Embedding -----------------------------------------------------------------------------------


def chunk_texts(settings):
    return [json.loads(line)["text"] for line in open(settings["chunks"], encoding="utf-8")]


def sentence_transformers(settings):
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import torch
    import sentence_transformers as library

    torch.set_num_threads(settings["threads"])
    model = library.SentenceTransformer(settings["retriever"], device="cpu")
    texts = chunk_texts(settings)
    model.encode(texts[:32])
    return library.__version__, lambda: model.encode(texts, batch_size=32, show_progress_bar=False)


def onnxruntime(settings):
    """The same encoder in float32, exported from transformers; batches of 32 by length."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    import numpy
    import onnxruntime as library
    import tokenizers

    path = os.path.join(settings["work"], "minilm.onnx")
    if not os.path.exists(path):
        export(settings["retriever"], path)
    options = library.SessionOptions()
    options.intra_op_num_threads = settings["threads"]
    session = library.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(settings["retriever"], "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.no_padding()

    def embed(texts):
        encoded = sorted((item.ids for item in tokenizer.encode_batch(texts)), key=len)
        for first in range(0, len(encoded), 32):
            batch = encoded[first : first + 32]
            ids = numpy.zeros((len(batch), max(map(len, batch))), numpy.int64)
            mask = numpy.zeros_like(ids)
            for row, own in enumerate(batch):
                ids[row, : len(own)] = own
                mask[row, : len(own)] = 1
            hidden = session.run(["hidden"], {"ids": ids, "mask": mask})[0]
            vectors = (hidden * mask[..., None]).sum(1)
            vectors /= numpy.linalg.norm(vectors, axis=1, keepdims=True)

    texts = chunk_texts(settings)
    embed(texts[:32])
    return library.__version__, lambda: embed(texts)


def export(folder, path):
    import torch
    from transformers import AutoModel

    model = AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    ids, free = torch.ones(2, 8, dtype=torch.long), {0: "texts", 1: "tokens"}
    torch.onnx.export(
        model, (ids, ids), path, input_names=["ids", "mask"], output_names=["hidden", "pooled"],
        dynamic_axes={"ids": free, "mask": free, "hidden": free}, opset_version=14)


# --- Search --------------------------------------------------------------------------------------


def faiss(settings):
    import faiss as library
    import numpy

    library.omp_set_num_threads(settings["threads"])
    random = numpy.random.default_rng(1)
    shape = settings["dimension"]
    keys = random.standard_normal((settings["rows"], shape), numpy.float32)
    queries = random.standard_normal((settings["queries"], shape), numpy.float32)
    index = library.IndexFlatIP(shape)
    index.add(keys)
    index.search(queries[:32], 8)
    return library.__version__, lambda: index.search(queries, 8)


# --- The decoder ---------------------------------------------------------------------------------


def transformers(settings):
    import decoder
    import transformers as library

    return library.__version__, decoder.evaluation(settings)


def memlong_evaluation(settings):
    import decoder
    import torch

    return torch.__version__.split("+")[0], decoder.evaluation(settings, memory=settings["memory"])


def memlong_training(settings):
    import decoder
    import torch

    return torch.__version__.split("+")[0], decoder.training(settings, memory=settings["memory"])


def published_evaluation(settings):
    import published

    return published.version(settings), published.evaluation(settings)


def published_training(settings):
    import published

    return published.version(settings), published.training(settings)


def llama_cpp(settings):
    """The forward pass on the weights as F16, every position's logits."""
    import ctypes
    import llama_cpp as library

    path = os.path.join(settings["work"], "decoder.f16.gguf")
    if not os.path.exists(path):
        options = library.llama_model_quantize_default_params()
        options.ftype, options.allow_requantize = library.LLAMA_FTYPE_MOSTLY_F16, True
        library.llama_model_quantize(
            settings["model"].encode(), path.encode(), ctypes.byref(options))
    tokens = settings["tokens"]
    model = library.Llama(
        path, n_ctx=tokens, n_batch=tokens, n_ubatch=512, n_threads=settings["threads"],
        n_threads_batch=settings["threads"], logits_all=True, verbose=False)
    ids = [1000 + 7 * index % 30000 for index in range(tokens)]

    def forward():
        model.reset()
        model.eval(ids)

    forward()
    return library.__version__, forward


def main():
    work = {name: function for name, function in globals().items() if callable(function)}
    # Libraries may print: the answers have the only standard output, all else goes to the log.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        version, run = work[sys.argv[1]](json.loads(sys.argv[2]))
        print(json.dumps({"version": version}), file=answers)
        for _ in sys.stdin:
            begin, cpu = time.perf_counter(), time.process_time()
            run()
            taken = {"seconds": time.perf_counter() - begin, "cpu": time.process_time() - cpu}
            print(json.dumps(taken), file=answers)
    except ImportError as error:
        print(json.dumps({"absent": f"not installed ({error.name})"}), file=answers)
    except Exception as error:
        print(json.dumps({"absent": f"{type(error).__name__}: {error}"[:120]}), file=answers)


main()
