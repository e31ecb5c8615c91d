"""hub.py RECEIPTS NAME=ADDRESS…: fetches what the addresses name from the Hugging Face hub, checked.

ADDRESS is hf://[datasets/]ORG/NAME@REVISION[/PATH[:SIZE]]. PATH may have * and ? and [abc]; without a / it
is sought in all folders. With SIZE (such as 3GB) only its first files, sorted, that have so many bytes. A
model without PATH means the files that the tools read. Several addresses may share a NAME. RECEIPTS/NAME
says what was fetched: the addresses, then a line a file: its path in the cache, its size, its digest; the
file is only rewritten when that changes.

The cache is the one of all Hugging Face clients (HF_HOME, HF_HUB_CACHE). HF_ENDPOINT names a mirror,
HF_TOKEN opens what is gated. A download that broke off is gone on with. HF_HUB_OFFLINE=1 takes what the
cache has, unchecked.
"""

import concurrent.futures
import fnmatch
import hashlib
import os
import re
import shutil
import signal
import sys
import time
import urllib.parse

# Plain HTTP goes on where it stopped and works with every mirror.
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")
os.environ["HF_HUB_ENABLE_HF_TRANSFER"] = "0"
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
if not sys.stderr.isatty():
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import requests  # noqa: E402
from huggingface_hub import HfApi, constants, hf_hub_download, try_to_load_from_cache  # noqa: E402
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError  # noqa: E402
from huggingface_hub.hf_api import RepoFile  # noqa: E402

# What a broken connection loses at most; the client's own is 10 MB.
constants.DOWNLOAD_CHUNK_SIZE = 1 << 20

ADDRESS = re.compile(r"hf://(datasets/)?([\w.-]+/[\w.-]+)@([\w.%-]+)(?:/(.+?)(?::(\d+)([kMG]B))?)?")
UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9}
COMMIT = re.compile(r"[0-9a-f]{40}")
# What the tools read of a model: the decoder's or the retriever's weights, configuration, vocabulary.
SAFETENSORS = ["model*.safetensors", "model.safetensors.index.json"]
TORCH = ["pytorch_model*.bin", "pytorch_model.bin.index.json"]
OTHERS = [
    "config.json", "generation_config.json", "tokenizer.model", "tokenizer.json", "tokenizer_config.json",
    "special_tokens_map.json", "sentencepiece.bpe.model", "vocab.txt", "vocab.json", "merges.txt",
    "modules.json", "sentence_bert_config.json", "*_Pooling/config.json",
]
# In a row, none of which brings anything.
ATTEMPTS = 5


class Refusal(Exception):
    """What ends the run: one line."""


class Repository:
    """A repository at a commit, and its files that are wanted: path → RepoFile, or None if offline."""

    def __init__(self, address):
        match = ADDRESS.fullmatch(address)
        if not match:
            raise Refusal(f"{address}: not hf://[datasets/]ORG/NAME@REVISION[/PATH[:SIZE]]")
        kind, self.name, revision, self.pattern, number, unit = match.groups()
        self.limit = int(number) * UNITS[unit] if number else None
        self.kind = "dataset" if kind else "model"
        if kind and not self.pattern:
            raise Refusal(f"{address}: which files of the data set?")
        self.revision = urllib.parse.unquote(revision)
        self.commit, self.files = self.revision, {}

    @property
    def title(self):
        return f"{self.name}@{self.revision[:12]}"

    @property
    def folder(self):
        folder = f"{self.kind}s--{self.name.replace('/', '--')}"
        return os.path.join(constants.HF_HUB_CACHE, folder)

    def look_up(self, api):
        if constants.HF_HUB_OFFLINE:
            self.look_into_cache()
        else:
            try:
                self.look_into_hub(api)
            except (HfHubHTTPError, requests.RequestException) as error:
                raise Refusal(f"{self.title}: {explanation(error)}") from error
        weights = any(matches(path, p) for path in self.files for p in SAFETENSORS + TORCH)
        if not self.files or not self.pattern and not weights:
            place = "the cache" if constants.HF_HUB_OFFLINE else "the hub"
            raise Refusal(f"{self.title}: {place} has no {self.pattern or 'model'} there")

    def look_into_hub(self, api):
        self.commit = api.repo_info(self.name, repo_type=self.kind, revision=self.revision).sha
        # The folder that the pattern does not leave.
        inside = re.split(r"[*?\[]", self.pattern or "")[0].rpartition("/")[0] or None
        tree = api.list_repo_tree(
            self.name, inside, repo_type=self.kind, revision=self.commit, recursive=True)
        self.select({entry.path: entry for entry in tree if isinstance(entry, RepoFile)})

    def look_into_cache(self):
        if not COMMIT.fullmatch(self.revision):
            try:
                self.commit = open(os.path.join(self.folder, "refs", self.revision)).read().strip()
            except OSError:
                raise Refusal(f"{self.title}: not in {constants.HF_HUB_CACHE}") from None
        root = os.path.join(self.folder, "snapshots", self.commit)
        found = {}
        for path, _, files in os.walk(root):
            found |= {os.path.relpath(os.path.join(path, file), root): None for file in files}
        self.select(found)

    def select(self, files):
        def matching(patterns):
            return [path for path in files if any(matches(path, p) for p in patterns)]

        wanted = [self.pattern]
        if not self.pattern:
            wanted = OTHERS + (SAFETENSORS if matching(SAFETENSORS) else TORCH)
        size = 0
        for path in sorted(matching(wanted)):
            if self.limit is None or size < self.limit:
                self.files[path] = files[path]
                size += self.size(path)

    def size(self, path):
        entry = self.files[path]
        return facts(entry)[0] if entry else os.path.getsize(self.cached(path))

    def cached(self, path):
        """The path of a file in the cache; None where it is not there."""
        found = try_to_load_from_cache(
            self.name, path, revision=self.commit, repo_type=self.kind)
        return os.path.abspath(found) if isinstance(found, str) and os.path.exists(found) else None

    def missing(self, path):
        """Bytes still to be fetched of a file."""
        if self.files[path] is None or self.cached(path):
            return 0
        size, digest = facts(self.files[path])
        part = os.path.join(self.folder, "blobs", digest + ".incomplete")
        return size - min(size, os.path.getsize(part) if os.path.exists(part) else 0)

    def fetch(self, path):
        """The receipt's line of a file, which is then in the cache and checked."""
        entry = self.files[path]
        if entry is None:
            found = self.cached(path)
            return f"{found} {os.path.getsize(found)} unchecked"
        found = self.download(path)
        if f"/snapshots/{self.commit}/" not in found:
            raise Refusal(f"{self.title}: changed meanwhile; run again")
        size, digest = facts(entry)
        algorithm = "sha256" if entry.lfs else "sha1"
        actual = os.path.getsize(found), contents_digest(found, algorithm)
        if actual != (size, digest):
            # The blob goes, so that the next run fetches it anew.
            for name in {os.path.realpath(found), found}:
                os.remove(name)
            raise Refusal(
                f"{self.title}: {path}: {actual[0]} bytes, {algorithm} {actual[1]}; the hub says "
                f"{size}, {digest}; removed, run again")
        return f"{found} {size} {algorithm}:{digest}"

    def download(self, path):
        # A branch by its name, so that the cache learns where it stands.
        left, attempts = None, 0
        while True:
            try:
                return os.path.abspath(
                    hf_hub_download(self.name, path, repo_type=self.kind, revision=self.revision))
            except (requests.RequestException, OSError) as error:
                if not is_passing(error):
                    raise Refusal(f"{self.title}: {path}: {explanation(error)}") from error
                attempts = attempts + 1 if left == self.missing(path) else 1
                left = self.missing(path)
                if attempts == ATTEMPTS:
                    raise Refusal(
                        f"{self.title}: {path}: {explanation(error)}; run again to go on") from error
                print(f"{path}: broke off, {amount(left)} left", file=sys.stderr, flush=True)
                time.sleep(min(4 ** (attempts - 1) - 1, 60))


def matches(path, pattern):
    """fnmatch's patterns, part by part: * does not cross a /. Without a / the last part is looked at."""
    parts, patterns = path.split("/"), pattern.split("/")
    if len(patterns) == 1 and "*" in pattern:
        parts = parts[-1:]
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def facts(entry):
    """Size and digest that the hub states; of a file in Git, Git's."""
    return (entry.lfs.size, entry.lfs.sha256) if entry.lfs else (entry.size, entry.blob_id)


def contents_digest(path, algorithm):
    digest = hashlib.new(algorithm)
    if algorithm == "sha1":  # Git's begins with a header.
        digest.update(b"blob %d\0" % os.path.getsize(path))
    with open(path, "rb") as file:
        while block := file.read(1 << 22):
            digest.update(block)
    return digest.hexdigest()


def is_passing(error):
    """Whether the next attempt may bring more: broken connections, a hub that is busy."""
    response = getattr(error, "response", None)
    if response is not None:
        return response.status_code in (408, 429) or response.status_code >= 500
    connection = (requests.RequestException, LocalEntryNotFoundError)
    return isinstance(error, connection) or "Consistency check failed" in str(error)


def explanation(error):
    response = getattr(error, "response", None)
    if response is None and isinstance(error, (requests.ConnectionError, LocalEntryNotFoundError)):
        return f"{constants.ENDPOINT} cannot be reached"
    if response is None:
        return f"{constants.ENDPOINT}: {type(error).__name__}: {' '.join(str(error).split())[:160]}"
    text = f"{constants.ENDPOINT} answers {response.status_code}"
    if response.status_code in (401, 403):
        text += "; set HF_TOKEN to a token that may read it (and accept its terms on the hub)"
    elif response.status_code == 404:
        text += "; no such name or revision, or it is private: set HF_TOKEN"
    return text


def amount(size):
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000


def announce(repositories):
    """Says what there is to fetch; refuses where the disk cannot hold it."""
    sizes = {}
    for repository in repositories:
        size = sum(map(repository.size, repository.files))
        print(f"{repository.title}: {len(repository.files)} files, {amount(size)}")
        for path in repository.files:
            sizes[repository.folder, repository.commit, path] = repository.missing(path)
    cache, left = constants.HF_HUB_CACHE, sum(sizes.values())
    os.makedirs(cache, exist_ok=True)
    free = shutil.disk_usage(cache).free
    print(f"{amount(left)} to fetch into {cache}, where {amount(free)} are free", flush=True)
    if left > free:
        raise Refusal(f"{cache}: {amount(left)} do not fit into {amount(free)}")


def write_receipt(path, lines):
    text = "".join(line + "\n" for line in lines)
    if os.path.exists(path) and open(path, encoding="utf-8").read() == text:
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(path + ".new", path)


def main(receipts, *wanted):
    names = {}
    for argument in wanted:
        name, _, address = argument.partition("=")
        names.setdefault(name, {})[address] = Repository(address)
    repositories = [one for addresses in names.values() for one in addresses.values()]
    api = HfApi()
    for repository in repositories:
        repository.look_up(api)
    announce(repositories)
    pool = concurrent.futures.ThreadPoolExecutor(4)
    for name, addresses in names.items():
        lines = [" ".join(addresses)]
        for repository in addresses.values():
            lines += pool.map(repository.fetch, repository.files)
        write_receipt(os.path.join(receipts, name), lines)


# At once, without waiting for other downloads; what they have got so far stays.
signal.signal(signal.SIGINT, lambda *_: os._exit(130))
try:
    main(*sys.argv[1:])
except Refusal as refusal:
    print(f"hub.py: {refusal}", file=sys.stderr, flush=True)
    os._exit(1)
