import Glibc
import Synchronization

/// A file under `TMPDIR` that has no name from the moment it is open, so no way of ending leaves it
/// behind. Bytes are written to places in it and read where the places are mapped.
///
/// Writing is by `pwrite`, so a full disk is an error and never a signal; a mapping of pages that were
/// never written is not looked at.
public final class TemporaryFile: @unchecked Sendable {
  private let folder: String
  private let content: String
  private let state = Mutex(State())

  private struct State: Sendable {
    var descriptor: Int32 = -1
    var extents: [Extent] = []
    /// Of the last extent.
    var used = 0
    /// Places that are free again, by their size.
    var free: [Int: [Place]] = [:]
  }

  private struct Extent: @unchecked Sendable {
    let base: UnsafeMutableRawPointer
    let offset: Int
    let count: Int
  }

  /// A run of bytes of the file.
  public struct Place: @unchecked Sendable {
    public let offset: Int
    /// A power of two.
    public let size: Int
    public let base: UnsafeMutableRawPointer
  }

  /// Opens nothing yet: most runs never need it.
  ///
  /// - Parameter content: what is kept, for messages: `memory`.
  public init(_ content: String) {
    self.content = content
    folder = Self.folder
  }

  private static var folder: String {
    let named = getenv("TMPDIR").map { String(cString: $0) } ?? ""
    return named.isEmpty ? "/tmp" : named
  }

  /// The folder and the bytes that may still be written there, nil where the system does not say.
  public static func room() -> (folder: String, bytes: Int)? {
    var status = statvfs()
    guard statvfs(folder, &status) == 0 else { return nil }
    return (folder, Int(clamping: status.f_bavail) * Int(clamping: status.f_frsize))
  }

  deinit {
    state.withLock { state in
      for extent in state.extents { munmap(extent.base, extent.count) }
      if state.descriptor >= 0 { close(state.descriptor) }
    }
  }

  /// Writes `bytes` to a place of their own.
  ///
  /// - Throws: `ToolError` naming `TMPDIR`.
  public func write(_ bytes: UnsafeRawBufferPointer) throws -> Place {
    let place = try state.withLock { try self.place(bytes.count, &$0) }
    do {
      try write(bytes, at: place.offset)
    } catch {
      free(place)
      throw error
    }
    return place
  }

  /// Gives a place to what is written next.
  public func free(_ place: Place) {
    madvise(place.base, place.size, MADV_DONTNEED)
    state.withLock { $0.free[place.size, default: []].append(place) }
  }

  /// Places are of few sizes, so that what one kind of text left serves another; what they have to
  /// spare is never written, and takes no room in the file.
  private func place(_ count: Int, _ state: inout State) throws -> Place {
    var size = Self.smallest
    while size < count { size *= 2 }
    if let place = state.free[size]?.popLast() { return place }
    if state.descriptor < 0 { state.descriptor = try open() }
    if state.extents.last.map({ state.used + size > $0.count }) ?? true {
      state.extents.append(try map(max(Self.extent, size), after: state))
      state.used = 0
    }
    let extent = state.extents[state.extents.count - 1]
    defer { state.used += size }
    return Place(offset: extent.offset + state.used, size: size, base: extent.base + state.used)
  }

  private func open() throws -> Int32 {
    var template = Array("\(folder)/memlong.XXXXXX".utf8CString)
    let descriptor = mkstemp(&template)
    guard descriptor >= 0 else { throw failure() }
    unlink(template)
    return descriptor
  }

  private func map(_ count: Int, after state: State) throws -> Extent {
    let offset = state.extents.last.map { $0.offset + $0.count } ?? 0
    let base = mmap(nil, count, PROT_READ, MAP_SHARED, state.descriptor, off_t(offset))
    guard let base, base != MAP_FAILED else { throw failure() }
    return Extent(base: base, offset: offset, count: count)
  }

  private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) throws {
    let descriptor = state.withLock { $0.descriptor }
    var written = 0
    while written < bytes.count {
      let count = pwrite(
        descriptor, bytes.baseAddress! + written, bytes.count - written, off_t(offset + written))
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw failure() }
      written += count
    }
  }

  private func failure() -> ToolError {
    ToolError("TMPDIR \(folder) cannot hold \(content): \(String(cString: strerror(errno)))")
  }

  private static let smallest = 1 << 16
  private static let extent = 1 << 30
}
