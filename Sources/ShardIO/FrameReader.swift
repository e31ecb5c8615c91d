import CZstd
import Glibc
import Safetensors

/// Reads frame after frame from sources: blocks as decompressed bytes, ENDs as payloads. Memory
/// grows with what was really decompressed and not with what a header claims.
final class FrameReader {
  enum Frame: Sendable {
    case block(BlockStorage, SafetensorsHeader)
    case end(payload: [UInt8])
    /// Bytes that begin no frame of ours.
    case unknown
  }

  /// Whether the last call of `next` met a block, even if it then failed.
  private(set) var isInBlock = false

  private let source: any ByteSource
  private let context: OpaquePointer
  private let input: UnsafeMutableRawBufferPointer
  private var start = 0
  private var end = 0
  private var isAtEnd = false
  /// The last blocks' memory, for a next one where nobody holds it any more: fresh pages cost more
  /// than decompressing into them. Two, since one block may be read while the one before is used.
  private var recent: [BlockStorage] = []

  init(source: any ByteSource) {
    self.source = source
    guard let context = ZSTD_createDCtx() else { fatalError("out of memory") }
    self.context = context
    // One block of zstd's: measured the fastest, with twice as much the data leaves the nearest caches.
    input = .allocate(byteCount: 1 << 17, alignment: 16)
  }

  deinit {
    ZSTD_freeDCtx(context)
    input.deallocate()
  }

  private var available: UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(rebasing: input[start..<end])
  }

  /// Tries to have `count` bytes at hand (at most the buffer); fewer only at the end of the input.
  private func fill(_ count: Int) throws {
    if start == end { (start, end) = (0, 0) }
    if input.count - start < count {
      let rest = available
      memmove(input.baseAddress!, rest.baseAddress!, rest.count)
      (start, end) = (0, rest.count)
    }
    while end - start < count && !isAtEnd {
      let read = try source.read(into: UnsafeMutableRawBufferPointer(rebasing: input[end...]))
      if read == 0 { isAtEnd = true } else { end += read }
    }
  }

  /// The next frame, nil at the end of the input.
  func next() throws -> Frame? {
    isInBlock = false
    try fill(Container.endSize)
    guard start < end else { return nil }
    guard end - start >= 4 else { return .unknown }
    switch UInt32(littleEndian: available.loadUnaligned(as: UInt32.self)) {
    case Container.frameMagic: return try block()
    case Container.endMagic: return .end(payload: try endPayload())
    default: return .unknown
    }
  }

  private func endPayload() throws -> [UInt8] {
    guard end - start >= Container.endSize else { throw ShardError("truncated inside END") }
    let size = UInt32(littleEndian: available.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
    guard size == UInt32(Container.endPayload),
      available[8..<16].elementsEqual(Container.endMark)
    else { throw ShardError("END is damaged, or of another version") }
    defer { start += Container.endSize }
    return Array(available[8..<Container.endSize])
  }

  // MARK: - Blocks

  private func block() throws -> Frame {
    isInBlock = true
    let contentSize = try frameContentSize()
    ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
    let storage = emptyStorage(contentSize)
    // Memory that need not grow is decompressed into directly, not copied into at the end. This is
    // ZSTD_d_stableOutBuffer; a library that does not know it copies.
    let isStable: Int32 = storage.capacity >= contentSize ? 1 : 0
    ZSTD_DCtx_setParameter(context, ZSTD_d_experimentalParam2, isStable)
    var ended = try decompress(into: storage, upTo: min(8, contentSize), contentSize)
    let length = try describing {
      try SafetensorsHeader.length(of: storage.bytes, totalCount: contentSize)
    }
    guard length <= Container.maximumHeader else {
      throw ShardError("a header of \(length) bytes is too large")
    }
    ended = try ended || decompress(into: storage, upTo: 8 + length, contentSize)
    let header = try describing {
      try SafetensorsHeader(parsing: storage.bytes, totalCount: contentSize)
    }
    // zstd holds back the end of a frame until its checksum is read, so this must reach it
    ended = try ended || decompress(into: storage, upTo: contentSize, contentSize)
    guard ended else { throw ShardError("a frame is longer than its header says") }
    return .block(storage, header)
  }

  private func emptyStorage(_ contentSize: Int) -> BlockStorage {
    for index in recent.indices where isKnownUniquelyReferenced(&recent[index]) {
      recent[index].count = 0
      return recent[index]
    }
    let storage = BlockStorage(capacity: min(contentSize, 1 << 16))
    recent = recent.suffix(1) + [storage]
    return storage
  }

  /// The size that the frame's header declares, between 8 bytes and the most that is allowed.
  private func frameContentSize() throws -> Int {
    var header = ZSTD_frameHeader()
    let result = ZSTD_getFrameHeader(&header, available.baseAddress, available.count)
    guard ZSTD_isError(result) == 0 else { throw failure(result) }
    guard result == 0 else { throw ShardError("truncated inside a frame") }
    guard header.frameContentSize != UInt64.max else {
      throw ShardError("a frame without its content size")
    }
    guard header.checksumFlag == 1 else { throw ShardError("a frame without a checksum") }
    guard header.frameContentSize <= UInt64(Container.maximumBlock) else {
      throw ShardError("a frame of \(header.frameContentSize) bytes is too large")
    }
    guard header.frameContentSize >= 8 else { throw ShardError("a frame without a header") }
    return Int(header.frameContentSize)
  }

  /// Decompresses until `target` bytes are there or, at the content's end, until the frame's end.
  /// - Returns: whether the frame has ended
  private func decompress(
    into storage: BlockStorage, upTo target: Int, _ contentSize: Int
  ) throws -> Bool {
    while true {
      if storage.count >= target && target < contentSize { return false }
      if storage.count == storage.capacity && storage.capacity < contentSize {
        guard storage.grow(to: min(contentSize, max(storage.capacity * 4, 8))) else {
          throw ShardError("no memory for \(contentSize) bytes")
        }
      }
      if start == end { try fill(1) }
      guard start < end else { throw ShardError("truncated inside a frame") }
      var output = ZSTD_outBuffer(
        dst: storage.pointer, size: min(storage.capacity, contentSize), pos: storage.count)
      var source = ZSTD_inBuffer(src: available.baseAddress, size: end - start, pos: 0)
      let result = ZSTD_decompressStream(context, &output, &source)
      guard ZSTD_isError(result) == 0 else { throw failure(result) }
      let progressed = source.pos > 0 || output.pos > storage.count
      start += source.pos
      storage.count = output.pos
      if result == 0 {
        guard storage.count == contentSize else {
          throw ShardError("a frame is shorter than its header says")
        }
        return true
      }
      guard progressed else { throw ShardError("a frame is longer than its header says") }
    }
  }

  private func failure(_ result: Int) -> ShardError {
    switch ZSTD_getErrorCode(result) {
    case ZSTD_error_checksum_wrong: ShardError("checksum mismatch")
    case ZSTD_error_frameParameter_windowTooLarge: ShardError("a frame's window is too large")
    default: ShardError("damaged frame: \(String(cString: ZSTD_getErrorName(result)))")
    }
  }

  private func describing<Result>(_ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as SafetensorsError {
      throw ShardError(error.description)
    }
  }
}
