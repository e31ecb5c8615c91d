import Glibc

/// How much more memory this process may take, and what says so.
public struct AvailableMemory {
  public let bytes: Int
  /// `the machine`, or the control group that a scheduler put the process in.
  public let limit: String

  /// The least of what the kernel can give without swapping (`MemAvailable` of /proc/meminfo) and of
  /// what each enclosing control group's limit leaves; nil where nothing tells.
  public static func now() -> AvailableMemory? {
    let machine = field("MemAvailable:", in: "/proc/meminfo").map {
      AvailableMemory(bytes: $0 * 1024, limit: "the machine")
    }
    return ([machine] + controlGroups()).compactMap { $0 }.min { $0.bytes < $1.bytes }
  }

  /// Version 2 of control groups names one path, version 1 one for each controller.
  private static func controlGroups() -> [AvailableMemory?] {
    lines("/proc/self/cgroup").flatMap { line -> [AvailableMemory?] in
      let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      guard parts.count == 3 else { return [] }
      let path = String(parts[2])
      if parts[1].isEmpty {
        return enclosing(path).map {
          group(
            "/sys/fs/cgroup" + $0, limit: "memory.max", used: "memory.current",
            reclaimable: "inactive_file")
        }
      }
      guard parts[1].split(separator: ",").contains("memory") else { return [] }
      return enclosing(path).map {
        group(
          "/sys/fs/cgroup/memory" + $0, limit: "memory.limit_in_bytes",
          used: "memory.usage_in_bytes", reclaimable: "total_inactive_file")
      }
    }
  }

  /// `/a/b` → `/a/b`, `/a`, and the top, which is the container's own limit where one is mounted.
  private static func enclosing(_ path: String) -> [String] {
    var parts = path.split(separator: "/")
    var paths: [String] = []
    while !parts.isEmpty {
      paths.append("/" + parts.joined(separator: "/"))
      parts.removeLast()
    }
    return paths + [""]
  }

  private static func group(
    _ folder: String, limit: String, used: String, reclaimable: String
  ) -> AvailableMemory? {
    guard let limit = lines(folder + "/" + limit).first.flatMap({ Int($0) }), limit < 1 << 60,
      let used = lines(folder + "/" + used).first.flatMap({ Int($0) })
    else { return nil }
    let cached = field(reclaimable, in: folder + "/memory.stat") ?? 0
    return AvailableMemory(
      bytes: max(0, limit - used + cached), limit: "the control group \(folder)")
  }

  /// The number after a line's first word.
  private static func field(_ name: String, in path: String) -> Int? {
    for line in lines(path) {
      let words = line.split(whereSeparator: \.isWhitespace)
      if words.count >= 2, words[0] == name { return Int(words[1]) }
    }
    return nil
  }

  private static func lines(_ path: String) -> [String] {
    guard let file = fopen(path, "re") else { return [] }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 16)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
      .split(separator: "\n").map(String.init)
  }
}
