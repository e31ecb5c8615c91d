import CZstd

/// The numbers of the container format; FORMAT.md explains them.
enum Container {
  static let format = "memlong/1"
  static let frameMagic: UInt32 = 0xFD2F_B528
  static let endMagic: UInt32 = 0x184D_2A5E
  static let endMark: [UInt8] = Array("MLEND\0\0".utf8) + [1]
  static let endPayload = 40
  static let endSize = 8 + endPayload
  /// The most that one block may decompress to.
  static let maximumBlock = 1 << 30
  /// The most that a block's safetensors header may take: parsed JSON is many times its text.
  static let maximumHeader = 1 << 22
  /// `__metadata__` keys that belong to the container; the others are the kind's parameters.
  static let reservedKeys: Set<String> = [
    "format", "kind", "block", "first_row", "rows", "provenance",
  ]
}

/// Compresses whole blocks: one frame each, content checksum on, content size in the header.
final class BlockCompressor {
  private let context: OpaquePointer
  private var output: UnsafeMutableRawBufferPointer

  init(level: Int) {
    guard let context = ZSTD_createCCtx() else { fatalError("out of memory") }
    self.context = context
    output = .allocate(byteCount: 0, alignment: 16)
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(clamping: level))
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)
    ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1)
  }

  deinit {
    ZSTD_freeCCtx(context)
    output.deallocate()
  }

  /// The frame of `content`, valid until the next call.
  func compress(_ content: UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer {
    let bound = ZSTD_compressBound(content.count)
    if output.count < bound {
      output.deallocate()
      output = .allocate(byteCount: bound, alignment: 16)
    }
    let count = ZSTD_compress2(
      context, output.baseAddress, output.count, content.baseAddress, content.count)
    guard ZSTD_isError(count) == 0 else {
      throw ShardError("zstd: \(String(cString: ZSTD_getErrorName(count)))")
    }
    return UnsafeRawBufferPointer(rebasing: output[..<count])
  }
}
