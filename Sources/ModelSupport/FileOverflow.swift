import Glibc
import Modeling
import ToolSupport

/// Keeps memory in a temporary file, whose pages the system holds as far as there is room.
public final class FileOverflow: MemoryOverflow {
  private let file = TemporaryFile("the memory that --memory-in-ram leaves over")

  public init() {}

  public func place(for bytes: UnsafeRawBufferPointer) throws -> any MemoryPlace {
    FilePlace(try file.write(bytes), count: bytes.count, in: file)
  }
}

private final class FilePlace: MemoryPlace, @unchecked Sendable {
  let bytes: UnsafeRawBufferPointer
  private let place: TemporaryFile.Place
  private let file: TemporaryFile

  init(_ place: TemporaryFile.Place, count: Int, in file: TemporaryFile) {
    self.place = place
    self.file = file
    bytes = UnsafeRawBufferPointer(start: place.base, count: count)
  }

  deinit { file.free(place) }

  func expectReading() { madvise(place.base, bytes.count, MADV_WILLNEED) }

  /// The pages leave this process; the system keeps them while it has no better use for them.
  func expectRest() { madvise(place.base, bytes.count, MADV_DONTNEED) }
}
