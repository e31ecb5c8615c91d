import CZlib
import CZstd
import Glibc
import ShardIO

/// Compressed bytes at hand; both decompressors read through it.
private final class InputBuffer {
  let source: any ByteSource
  let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 16)
  var start = 0
  var end = 0

  init(_ source: any ByteSource) { self.source = source }

  deinit { bytes.deallocate() }

  /// False at the end of the input.
  func refill() throws -> Bool {
    if start < end { return true }
    start = 0
    end = try source.read(into: bytes)
    return end > 0
  }

  func failure(_ reason: String) -> ToolError { ToolError("\(source.name ?? "input"): \(reason)") }
}

/// zstd frames, one after the other.
final class ZstandardSource: ByteSource {
  private let input: InputBuffer
  private let context: OpaquePointer
  private var isInFrame = false

  init(_ source: any ByteSource) {
    input = InputBuffer(source)
    guard let context = ZSTD_createDCtx() else { fatalError("out of memory") }
    self.context = context
    // As far as `zstd --long=31` goes; its own limit is 27, for fear of the memory that a frame names.
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, 31)
  }

  deinit { ZSTD_freeDCtx(context) }

  var name: String? { input.source.name }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var output = ZSTD_outBuffer(dst: buffer.baseAddress, size: buffer.count, pos: 0)
    while output.pos == 0 && !buffer.isEmpty {
      let isThere = try input.refill()
      if !isThere && !isInFrame { return 0 }
      var source = ZSTD_inBuffer(
        src: input.bytes.baseAddress! + input.start, size: input.end - input.start, pos: 0)
      let result = ZSTD_decompressStream(context, &output, &source)
      input.start += source.pos
      guard ZSTD_isError(result) == 0 else {
        throw input.failure("zstd: \(String(cString: ZSTD_getErrorName(result)))")
      }
      isInFrame = result != 0
      if !isThere && output.pos == 0 { throw input.failure("zstd: truncated") }
    }
    return output.pos
  }
}

/// gzip members, one after the other.
final class GzipSource: ByteSource {
  private let input: InputBuffer
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
  private var isInMember = false
  private var members = 0

  init(_ source: any ByteSource) {
    input = InputBuffer(source)
    stream.initialize(to: z_stream())
    // 16: gzip header and checksum; 15: the largest window
    let result = inflateInit2_(
      stream, 16 + 15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    precondition(result == Z_OK, "zlib")
  }

  deinit {
    inflateEnd(stream)
    stream.deallocate()
  }

  var name: String? { input.source.name }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let capacity = min(buffer.count, Int(Int32.max))
    stream.pointee.next_out = buffer.baseAddress?.assumingMemoryBound(to: UInt8.self)
    stream.pointee.avail_out = UInt32(capacity)
    while Int(stream.pointee.avail_out) == capacity && capacity > 0 {
      guard try input.refill() else {
        if isInMember { throw input.failure("gzip: truncated") }
        return 0
      }
      if !isInMember {
        // zero padding after the last member is allowed, as gzip allows it
        if members > 0 && input.bytes[input.start] == 0 {
          input.start += 1
          continue
        }
        if members > 0 && input.bytes[input.start] != 0x1f { return try ignoreRest() }
        inflateReset(stream)
        isInMember = true
      }
      let first = input.bytes.baseAddress! + input.start
      stream.pointee.next_in = first.assumingMemoryBound(to: UInt8.self)
      stream.pointee.avail_in = UInt32(input.end - input.start)
      let result = inflate(stream, Z_NO_FLUSH)
      input.start = input.end - Int(stream.pointee.avail_in)
      switch result {
      case Z_OK: break
      case Z_STREAM_END:
        isInMember = false
        members += 1
      case Z_DATA_ERROR where members > 0 && stream.pointee.total_in <= 2: return try ignoreRest()
      default:
        throw input.failure("gzip: \(stream.pointee.msg.map { String(cString: $0) } ?? "damaged")")
      }
    }
    return capacity - Int(stream.pointee.avail_out)
  }

  /// What is no member behind the last one is read to its end and left out, as gzip does: 0.
  private func ignoreRest() throws -> Int {
    printMessage("warning: \(name ?? "input"): what follows the last gzip member is ignored")
    isInMember = false
    repeat { input.start = input.end } while try input.refill()
    return 0
  }
}

/// Lines of a text, without their newlines (`\n` or `\r\n`).
public final class LineReader {
  private let source: any ByteSource
  private var buffer = [UInt8](repeating: 0, count: 1 << 18)
  private var start = 0
  private var end = 0
  private let limit: Int

  /// The number of the line that `next` returned last, from 1.
  public private(set) var lineNumber = 0

  /// - Parameter limit: the longest line, in bytes, that is taken into memory
  public init(_ source: any ByteSource, limit: Int = 1 << 30) {
    self.source = source
    self.limit = limit
  }

  /// The next line, nil at the end.
  public func next() throws -> [UInt8]? {
    var line: [UInt8] = []
    var isStarted = false
    while true {
      if start == end {
        start = 0
        end = try buffer.withUnsafeMutableBytes { try source.read(into: $0) }
        if end == 0 { return isStarted ? finished(line) : nil }
      }
      isStarted = true
      let rest = buffer[start..<end]
      let newline = rest.withUnsafeBytes { bytes -> Int? in
        guard let first = bytes.baseAddress, let found = memchr(first, 0x0a, bytes.count) else {
          return nil
        }
        return UnsafeRawPointer(found) - first
      }
      guard line.count + (newline ?? rest.count) <= limit else {
        throw ToolError("\(source.name ?? "input"): line \(lineNumber + 1) is over \(limit) bytes")
      }
      line += rest.prefix(newline ?? rest.count)
      start += newline.map { $0 + 1 } ?? rest.count
      if newline != nil { return finished(line) }
    }
  }

  private func finished(_ line: [UInt8]) -> [UInt8] {
    lineNumber += 1
    return line.last == 0x0d ? Array(line.dropLast()) : line
  }
}
