// swift-tools-version: 6.1
import PackageDescription

let parser: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")

let package = Package(
  name: "memlong",
  traits: [
    .trait(
      name: "OneDNN", description: "Products by oneDNN, in bf16 too (--compute bf16): libdnnl-dev")
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2")
  ],
  targets: [
    // MARK: - System libraries: module map and shim, nothing else
    .systemLibrary(
      name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CXXHash", pkgConfig: "libxxhash", providers: [.apt(["libxxhash-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    // For the trait OneDNN alone: nothing else imports it. Debian's libdnnl-dev has no .pc file.
    .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
    // Expressions of tokenizer.json, by the library that Hugging Face's tokenizers match them with
    .systemLibrary(
      name: "COniguruma", pkgConfig: "oniguruma", providers: [.apt(["libonig-dev"])]),
    // Unicode normalisation forms that tokenizer.json asks for. Its .pc file has a flag that the package
    // manager refuses, and nothing else that is needed.
    .systemLibrary(name: "CUTF8Proc", providers: [.apt(["libutf8proc-dev"])]),
    // SIMD helpers that Swift cannot spell: headers only, inlined into Kernels
    .target(name: "CKernels"),
    // libsentencepiece is C++: a shim that Swift can call (Debian: libsentencepiece-dev)
    .target(name: "CSentencePiece", linkerSettings: [.linkedLibrary("sentencepiece")]),

    // MARK: - Bytes and records
    .target(name: "FilePaths"),  // the system's calls for paths of any bytes
    .target(name: "Safetensors"),  // the buffer format and its JSON
    .target(
      name: "ShardIO", dependencies: ["Safetensors", "CZstd", "CXXHash"], exclude: ["FORMAT.md"]),
    .target(name: "Records", dependencies: ["Safetensors", "ShardIO"]),

    // MARK: - Numerics and models
    .target(
      name: "Kernels",
      dependencies: [
        "COpenBLAS", "CKernels", .target(name: "COneDNN", condition: .when(traits: ["OneDNN"])),
      ]),
    .target(
      name: "Tokenization",
      dependencies: [
        "FilePaths", "Weights", "Safetensors", "CSentencePiece", "COniguruma", "CUTF8Proc",
      ]),
    .target(name: "Chunking", dependencies: ["Tokenization"]),  // documents to chunks of ids
    .target(name: "Weights", dependencies: ["FilePaths", "Safetensors"]),
    .target(name: "Modeling", dependencies: ["Kernels", "Weights", "Safetensors"]),
    .target(
      name: "Embedding",
      dependencies: ["FilePaths", "Kernels", "Weights", "Tokenization", "Safetensors"]),
    .target(name: "Indexing", dependencies: ["Kernels"]),
    // Retrieval for a text that no shard holds: embeds and plans in process
    .target(name: "Retrieval", dependencies: ["Embedding", "Indexing", "Kernels", "Modeling"]),
    .target(name: "Training", dependencies: ["Modeling", "Kernels"]),
    .target(name: "Evaluation", dependencies: ["Modeling", "Indexing", "Safetensors"]),

    // MARK: - Tools: parse, open, loop, count, report
    .target(
      name: "ToolSupport", dependencies: ["FilePaths", "ShardIO", "CZstd", "CZlib", parser]),
    // Joins records to models for ml-train and ml-eval: lanes, plans, a model with its adapters
    .target(
      name: "ModelSupport",
      dependencies: [
        "FilePaths", "ToolSupport", "Records", "ShardIO", "Modeling", "Kernels", "Weights",
        "Tokenization", "Safetensors", parser,
      ]),
    .executableTarget(
      name: "ml-shard", dependencies: ["ToolSupport", "Records", "ShardIO", "Safetensors", parser]),
    .executableTarget(
      name: "ml-chunk",
      dependencies: [
        "ToolSupport", "Records", "ShardIO", "Chunking", "Tokenization", parser,
      ]),
    .executableTarget(
      name: "ml-embed",
      dependencies: ["ToolSupport", "Records", "ShardIO", "Embedding", "Kernels", parser]),
    .executableTarget(
      name: "ml-index",
      dependencies: [
        "ToolSupport", "Records", "ShardIO", "Safetensors", "Indexing", "Kernels", parser,
      ]),
    .executableTarget(
      name: "ml-train",
      dependencies: [
        "FilePaths", "ToolSupport", "ModelSupport", "Records", "ShardIO", "Training", "Modeling",
        "Kernels", "Weights", "Safetensors", parser,
      ]),
    .executableTarget(
      name: "ml-eval",
      dependencies: [
        "ToolSupport", "ModelSupport", "Records", "ShardIO", "Evaluation", "Modeling", "Retrieval",
        "Embedding", "Indexing", "Kernels", "Safetensors", "Tokenization", "Weights", parser,
      ]),

    // MARK: - Tests: one bundle a module
    .target(
      name: "TestSupport", dependencies: ["Safetensors"], path: "Tests/TestSupport"),
    .testTarget(name: "ShardIOTests", dependencies: ["ShardIO", "Safetensors", "TestSupport"]),
    .testTarget(
      name: "RecordsTests",
      dependencies: ["Records", "ShardIO", "Safetensors", "CXXHash", "TestSupport"]),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels", "TestSupport"]),
    .testTarget(
      name: "TokenizationTests",
      dependencies: ["Tokenization", "Weights", "Safetensors", "TestSupport"]),
    .testTarget(name: "ChunkingTests", dependencies: ["Chunking", "Tokenization", "TestSupport"]),
    .testTarget(name: "WeightsTests", dependencies: ["Weights", "Safetensors", "TestSupport"]),
    .testTarget(
      name: "ModelingTests",
      dependencies: [
        "Modeling", "Evaluation", "Indexing", "Kernels", "Weights", "Safetensors", "TestSupport",
      ]),
    .testTarget(
      name: "EmbeddingTests",
      dependencies: [
        "Embedding", "Records", "ShardIO", "Kernels", "Weights", "Tokenization", "Safetensors",
        "TestSupport",
      ]),
    .testTarget(
      name: "IndexingTests",
      dependencies: ["Indexing", "Kernels", "Records", "ShardIO", "TestSupport"]),
    .testTarget(
      name: "TrainingTests",
      dependencies: [
        "Training", "Evaluation", "Modeling", "Kernels", "Weights", "Records", "ShardIO",
        "Safetensors", "TestSupport",
      ]),
    .testTarget(
      name: "EvaluationTests",
      dependencies: [
        "Evaluation", "Modeling", "Kernels", "Records", "Safetensors", "TestSupport", "ToolSupport",
        "Weights",
      ]),
    .testTarget(
      name: "RetrievalTests",
      dependencies: ["Retrieval", "Embedding", "Indexing", "TestSupport"]),
    .testTarget(
      name: "ModelSupportTests",
      dependencies: [
        "ModelSupport", "Modeling", "Records", "ShardIO", "Weights", "Safetensors", "TestSupport",
        "Tokenization",
      ]),
    .testTarget(
      name: "ToolTests",
      dependencies: [
        "FilePaths", "TestSupport", "Records", "ShardIO", "Safetensors", "ToolSupport",
      ]),
  ],
  swiftLanguageModes: [.v6]
)
