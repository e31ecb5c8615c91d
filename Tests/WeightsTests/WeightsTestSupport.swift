import Glibc
import Safetensors
import Weights
import XCTest

/// A folder of its own for one test, removed with everything in it.
final class ScratchFolder {
  /// Made when first asked for: the runner also makes test objects only to list them.
  private(set) lazy var path: String = {
    var template = Array("/tmp/memlong-weights-XXXXXX".utf8CString)
    precondition(mkdtemp(&template) != nil)
    return template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
  }()

  /// To be called when a test ends; XCTest keeps its objects until all have run.
  func clear() { remove(path) }

  func file(_ name: String) -> String { path + "/" + name }

  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) -> String {
    // Truncating an old file in place would make some file systems write it out at once.
    unlink(file(name))
    let stream = fopen(file(name), "wb")!
    precondition(fwrite(bytes, 1, bytes.count, stream) == bytes.count)
    fclose(stream)
    return file(name)
  }

  @discardableResult
  func write(_ name: String, _ text: String) -> String { write(name, Array(text.utf8)) }

  func makeFolder(_ name: String) -> String {
    mkdir(file(name), 0o777)
    return file(name)
  }

  func names(_ name: String = "") -> [String] { folderNames(name.isEmpty ? path : file(name)) }

  private func remove(_ path: String) {
    if unlink(path) == 0 { return }
    for name in folderNames(path) { remove(path + "/" + name) }
    rmdir(path)
  }
}

func folderNames(_ path: String) -> [String] {
  guard let stream = opendir(path) else { return [] }
  defer { closedir(stream) }
  var names: [String] = []
  while let entry = readdir(stream) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name != "." && name != ".." { names.append(name) }
  }
  return names.sorted()
}

func readBytes(_ path: String) throws -> [UInt8] {
  try MappedFile(path: path).withBytes { Array($0) }
}

/// The one-line message of the `WeightsError` that `body` throws.
func failure<T>(
  file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> T
) -> String {
  do {
    _ = try body()
    XCTFail("did not throw", file: file, line: line)
    return ""
  } catch {
    XCTAssert(error is WeightsError, "\(error)", file: file, line: line)
    XCTAssertFalse("\(error)".contains("\n"), file: file, line: line)
    return "\(error)"
  }
}

func assertContains(
  _ text: String, _ part: String, file: StaticString = #filePath, line: UInt = #line
) {
  XCTAssert(text.contains(part), "\"\(text)\" lacks \"\(part)\"", file: file, line: line)
}

/// SplitMix64: repeatable randomness.
struct Random: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}
