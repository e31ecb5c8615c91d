import ShardIO

/// Counts the bytes that pass, and copies them where a sink is given.
final class TeeSource: ByteSource {
  private let source: any ByteSource
  private let sink: (any ByteSink)?
  private(set) var count = 0

  init(_ source: any ByteSource, to sink: (any ByteSink)? = nil) {
    self.source = source
    self.sink = sink
  }

  var name: String? { source.name }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    let read = try source.read(into: buffer)
    count += read
    try sink?.write(UnsafeRawBufferPointer(rebasing: buffer[..<read]))
    return read
  }
}
