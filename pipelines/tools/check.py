"""check.py: what `make check` looks at beside the formatter. Prints one line a fault, exits 1 if any.

Spaces, file lengths, the top folder, and the arrows of DESIGN: a target imports what Package.swift
declares for it, and Package.swift declares no more than the arrows allow.
"""

import json
import re
import subprocess
import sys

TOP = {"Package.swift", "Sources", "Tests", "pipelines", "Makefile", "README.md"}
LONGEST = 500

# Library → what it may import. Tools and tests may import any.
ARROWS = {
    "FilePaths": "",
    "Safetensors": "",
    "ShardIO": "Safetensors CZstd CXXHash",
    "Records": "Safetensors ShardIO",
    "Kernels": "COpenBLAS CKernels COneDNN",
    "Tokenization": "FilePaths Safetensors Weights CSentencePiece COniguruma CUTF8Proc",
    "Chunking": "Tokenization",
    "Weights": "FilePaths Safetensors",
    "Modeling": "Safetensors Kernels Weights",
    "Embedding": "FilePaths Safetensors Kernels Weights Tokenization",
    "Indexing": "Kernels",
    "Retrieval": "Kernels Modeling Embedding Indexing",
    "Training": "Kernels Modeling",
    "Evaluation": "Safetensors Modeling Indexing",
    "ToolSupport": "FilePaths ShardIO CZstd CZlib ArgumentParser",
    "ModelSupport": "FilePaths ToolSupport ShardIO Records Safetensors Weights Tokenization Kernels Modeling ArgumentParser",
    "TestSupport": "Safetensors",
}
# From outside the package; Kernels has no Foundation.
PLATFORM = {"Dispatch", "Foundation", "FoundationEssentials", "Glibc", "Synchronization", "XCTest"}
IMPORT = re.compile(r"^(?:@\w+ |public |internal |private )*import (?:struct |class |enum |func )?(\w+)", re.M)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def files():
    listed = output("git", "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    return [path for path in listed.split("\0") if path and "/Fixtures/" not in path]


def text_faults(path):
    try:
        lines = open(path, encoding="utf-8").read().split("\n")
    except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
        return
    # A record is as long as what its recipe asks for.
    if len(lines) - 1 > LONGEST and not path.endswith("/RESULTS"):
        yield f"{path}: {len(lines) - 1} lines, at most {LONGEST}"
    if lines[-1] != "" or len(lines) > 1 and lines[-2] == "":
        yield f"{path}: does not end with one newline"
    tabs = path == "Makefile" or path.endswith(".mk")
    for number, line in enumerate(lines, 1):
        if line != line.rstrip() and not path.endswith((".stdout", ".glob")):
            yield f"{path}:{number}: space at the end of the line"
        if "\t" in line and not tabs:
            yield f"{path}:{number}: tab"


def arrow_faults(target, modules):
    name, path = target["name"], target["path"]
    declared = set(target.get("target_dependencies", []) + target.get("product_dependencies", []))
    free = target["type"] in ("executable", "test", "system-target") or target["module_type"] == "ClangTarget"
    allowed = modules if free else set(ARROWS.get(name, "").split())
    for dependency in sorted(declared - allowed):
        yield f"Package.swift: {name} may not depend on {dependency}"
    platform = PLATFORM - {"Foundation", "FoundationEssentials"} if name == "Kernels" else PLATFORM
    imported = set()
    for source in target["sources"]:
        if source.endswith(".swift"):
            found = set(IMPORT.findall(open(f"{path}/{source}", encoding="utf-8").read()))
            imported |= found
            for module in sorted(found - declared - platform):
                yield f"{path}/{source}: imports {module}, which {name} may not"
    if target["type"] != "test" and name != "TestSupport" and "swift" in target["module_type"].lower():
        for module in sorted(declared - imported):
            yield f"Package.swift: {name} declares {module} and does not import it"


def faults():
    listed = files()
    for entry in sorted({path.split("/")[0] for path in listed}):
        if entry not in TOP and not entry.startswith("."):
            yield f"{entry}: does not belong into the top folder"
    for path in listed:
        yield from text_faults(path)
    targets = json.loads(output("swift", "package", "describe", "--type", "json"))["targets"]
    modules = {target["name"] for target in targets} | {"ArgumentParser"}
    for target in targets:
        yield from arrow_faults(target, modules)


found = list(faults())
for fault in found:
    print(fault)
sys.exit(1 if found else 0)
