import Glibc
import XCTest

/// Feeds a reader with damaged inputs: it may refuse them, it must not trap, hang or take much memory.
///
/// Inputs are `seeds` after a few mutations each, the same in every run. Before each, its number is
/// written to `/tmp/memlong-fuzz.NAME`, which a run that dies leaves behind; to begin with that input:
///
///     MEMLONG_FUZZ_FIRST=NUMBER swift test … --filter TEST
///
/// - Environment: MEMLONG_FUZZ, the number of inputs (default 2000).
/// - Parameters:
///   - memory: bytes of address space that all inputs together may add.
///   - body: reads an input; throws only what it should not throw.
public func fuzz(
  _ name: String, seeds: [[UInt8]], memory: UInt = 512 << 20,
  file: StaticString = #filePath, line: UInt = #line, _ body: ([UInt8]) throws -> Void
) throws {
  let count = environmentNumber("MEMLONG_FUZZ") ?? 2000
  let first = environmentNumber("MEMLONG_FUZZ_FIRST") ?? 0
  let note = "/tmp/memlong-fuzz.\(name)"
  let descriptor = open(note, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
  defer {
    close(descriptor)
    unlink(note)
    alarm(0)
  }
  try withAddressSpace(memory) {
    for index in first..<first + count {
      let text = "\(index)\n"
      _ = text.utf8.withContiguousStorageIfAvailable {
        pwrite(descriptor, $0.baseAddress, $0.count, 0)
      }
      // a reader that hangs is ended by SIGALRM
      if index % 64 == 0 { alarm(60) }
      let input = mutation(of: seeds, number: index)
      do { try body(input) } catch {
        XCTFail("\(name), input \(index): \(error)", file: file, line: line)
        return
      }
    }
  }
}

private func environmentNumber(_ name: String) -> Int? {
  getenv(name).flatMap { Int(String(cString: $0)) }
}

/// Limits what the process may map beyond what it has, so that a huge allocation ends it.
private func withAddressSpace(_ bytes: UInt, _ body: () throws -> Void) throws {
  var pages: UInt = 0
  if let status = fopen("/proc/self/statm", "re") {
    withUnsafeMutablePointer(to: &pages) { pointer in
      _ = withVaList([pointer]) { vfscanf(status, "%lu", $0) }
    }
    fclose(status)
  }
  var before = rlimit()
  getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &before)
  var limit = before
  limit.rlim_cur = rlim_t(min(UInt(before.rlim_max), pages * UInt(getpagesize()) + bytes))
  setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &limit)
  defer { setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &before) }
  try body()
}

/// Numbers that sit at the edges of what readers check.
private let edges: [UInt64] = [
  0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x1_0000, 0x7fff_ffff,
  0x8000_0000, 0xffff_ffff, 0x1_0000_0000, 0x3fff_ffff_ffff_ffff, 0x7fff_ffff_ffff_ffff,
  0x8000_0000_0000_0000, 0xffff_ffff_ffff_fff8, .max,
]

/// A seed after one to four changes; the same for the same number.
private func mutation(of seeds: [[UInt8]], number: Int) -> [UInt8] {
  var random = SplitMix64(seed: UInt64(number) &* 0x9e37_79b9 &+ 1)
  var bytes = seeds[number % seeds.count]
  for _ in 0..<Int.random(in: 1...4, using: &random) {
    guard !bytes.isEmpty else { break }
    mutate(&bytes, seeds, &random)
  }
  return bytes
}

private func mutate(_ bytes: inout [UInt8], _ seeds: [[UInt8]], _ random: inout SplitMix64) {
  let start = Int.random(in: 0..<bytes.count, using: &random)
  let length = Int.random(in: 1...min(16, bytes.count - start), using: &random)
  switch Int.random(in: 0..<10, using: &random) {
  case 0: bytes[start] ^= 1 << UInt8.random(in: 0..<8, using: &random)
  case 1: bytes[start] = UInt8.random(in: 0...255, using: &random)
  case 2, 3:
    let width = [1, 2, 4, 8].randomElement(using: &random)!
    let value = edges.randomElement(using: &random)!
    for offset in 0..<min(width, bytes.count - start) {
      bytes[start + offset] = UInt8(truncatingIfNeeded: value >> UInt64(8 * offset))
    }
  case 4: bytes.removeSubrange(start..<start + length)
  case 5: bytes.insert(contentsOf: bytes[start..<start + length], at: start)
  case 6:
    let other = seeds.randomElement(using: &random)!
    guard !other.isEmpty else { return }
    let from = Int.random(in: 0..<other.count, using: &random)
    bytes.insert(contentsOf: other[from..<min(other.count, from + length)], at: start)
  case 7: bytes.removeSubrange(start...)
  case 8:
    // a digit of a number in text, or a sign, a quote, a bracket
    bytes[start] = Array("0123456789-+.eE\"\\{}[],:\n ".utf8).randomElement(using: &random)!
  default:
    let end = Int.random(in: 0..<bytes.count, using: &random)
    bytes.swapAt(start, end)
  }
}
