import FilePaths
import Glibc

/// Scalars in TensorBoard's event format, appended and handed to the system at every step.
///
/// A file is records: length (u64), masked CRC-32C of the length, payload, masked CRC-32C of the
/// payload, all little-endian. A payload is a protobuf message `Event`. Sources: TensorFlow's
/// `core/lib/io/record_writer.h` and `core/util/event.proto`.
public final class EventFile {
  private let path: String
  private let descriptor: Int32

  /// Starts a file in `folder`, which is made where it is missing.
  ///
  /// - Parameter purging: a resumed run's first step: TensorBoard forgets what earlier files say of
  ///   it and of later ones.
  public init(folder: String, purging step: Int?) throws {
    guard mkdir(folder, 0o777) == 0 || errno == EEXIST else { throw ToolError.system(folder) }
    path = folder + "/" + EventFile.name(at: realTime())
    descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
    guard descriptor >= 0 else { throw ToolError.system(path) }
    try append(Event(wallTime: realTime(), step: 0, content: .version))
    if let step { try append(Event(wallTime: realTime(), step: step, content: .start)) }
  }

  deinit { close(descriptor) }

  /// Adds the values of one step. What is not finite is left out.
  public func write(step: Int, _ scalars: [(tag: String, value: Double)]) throws {
    let finite = scalars.filter { $0.value.isFinite }
    try append(Event(wallTime: realTime(), step: step, content: .scalars(finite)))
  }

  private func append(_ event: Event) throws {
    let record = eventRecord(event.encoded)
    try record.withUnsafeBytes { bytes in
      var done = 0
      while done < bytes.count {
        let count = Glibc.write(descriptor, bytes.baseAddress! + done, bytes.count - done)
        if count < 0 && errno == EINTR { continue }
        guard count > 0 else { throw ToolError.system(path) }
        done += count
      }
    }
  }

  /// TensorBoard reads a folder's files in the order of their names, so the time comes first.
  private static func name(at time: Double) -> String {
    func padded(_ number: Int, _ digits: Int) -> String {
      let text = String(number)
      return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
    let (seconds, fraction) = (Int(time), Int(time.truncatingRemainder(dividingBy: 1) * 1e6))
    return "events.out.tfevents.\(padded(seconds, 10)).\(padded(fraction, 6)).\(getpid()).memlong"
  }
}

/// One message `Event`.
struct Event {
  enum Content {
    /// What a file must begin with.
    case version
    /// A session that starts at this step.
    case start
    case scalars([(tag: String, value: Double)])
  }

  var wallTime: Double
  var step: Int
  var content: Content

  var encoded: [UInt8] {
    var message = ProtobufMessage()
    message.add(1, double: wallTime)
    message.add(2, varint: UInt64(bitPattern: Int64(step)))
    switch content {
    case .version: message.add(3, bytes: Array("brain.Event:2".utf8))
    case .start:
      var session = ProtobufMessage()
      session.add(1, varint: 1)
      message.add(7, bytes: session.bytes)
    case .scalars(let scalars):
      var summary = ProtobufMessage()
      for scalar in scalars {
        var value = ProtobufMessage()
        value.add(1, bytes: Array(scalar.tag.utf8))
        value.add(2, float: Float(scalar.value))
        summary.add(1, bytes: value.bytes)
      }
      message.add(5, bytes: summary.bytes)
    }
    return message.bytes
  }
}

/// Fields of a protobuf message, encoded one after the other.
struct ProtobufMessage {
  private(set) var bytes: [UInt8] = []

  mutating func add(_ field: Int, varint value: UInt64) {
    append(varint: UInt64(field << 3))
    append(varint: value)
  }

  mutating func add(_ field: Int, double value: Double) {
    append(varint: UInt64(field << 3 | 1))
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
  }

  mutating func add(_ field: Int, float value: Float) {
    append(varint: UInt64(field << 3 | 5))
    withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 }
  }

  mutating func add(_ field: Int, bytes content: [UInt8]) {
    append(varint: UInt64(field << 3 | 2))
    append(varint: UInt64(content.count))
    bytes += content
  }

  private mutating func append(varint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}

/// A payload between its length and their checksums.
func eventRecord(_ payload: [UInt8]) -> [UInt8] {
  let length = withUnsafeBytes(of: UInt64(payload.count).littleEndian) { Array($0) }
  func checksum(_ bytes: [UInt8]) -> [UInt8] {
    let sum = crc32C(bytes)
    let masked = (sum >> 15 | sum << 17) &+ 0xa282_ead8
    return withUnsafeBytes(of: masked.littleEndian) { Array($0) }
  }
  return length + checksum(length) + payload + checksum(payload)
}

/// CRC-32C (Castagnoli), as in RFC 3720.
public func crc32C(_ bytes: [UInt8]) -> UInt32 {
  var sum = ~UInt32(0)
  for byte in bytes { sum = crcTable[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ sum >> 8 }
  return ~sum
}

private let crcTable: [UInt32] = (0..<256).map { index in
  (0..<8).reduce(UInt32(index)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ 0x82f6_3b78 : sum >> 1 }
}

private func realTime() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_REALTIME, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
