import Foundation
import TestSupport
import ToolSupport
import XCTest

/// Hub names in a cache as the Hugging Face clients lay it out.
final class HubCacheTests: XCTestCase {
  private static let variables = [
    "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME",
  ]

  /// Runs with these variables alone, in a folder with the cache `hub`.
  private func withCache(_ body: (String) throws -> Void) throws {
    try withTemporaryFolder { folder in
      let before = Self.variables.map { ($0, getenv($0).map { String(cString: $0) }) }
      Self.variables.forEach { unsetenv($0) }
      defer {
        for (name, value) in before {
          if let value { setenv(name, value, 1) } else { unsetenv(name) }
        }
      }
      for commit in ["aaa", "bbb"] {
        try makeFolder("\(folder)/hub/models--org--name/snapshots/\(commit)")
      }
      try makeFolder("\(folder)/hub/models--org--name/refs/refs/pr")
      for (reference, commit) in [("main", "aaa"), ("refs/pr/1", "bbb"), ("gone", "ccc")] {
        try write(
          Array(commit.utf8), to: "\(folder)/hub/models--org--name/refs/\(reference)")
      }
      try body(folder)
    }
  }

  private func makeFolder(_ path: String) throws {
    try FileManager.default.createDirectory(
      atPath: path, withIntermediateDirectories: true)
  }

  func testSnapshots() throws {
    try withCache { folder in
      setenv("HF_HUB_CACHE", folder + "/hub", 1)
      let snapshots = folder + "/hub/models--org--name/snapshots/"
      XCTAssertEqual(try ModelName("org/name").path(), snapshots + "aaa")
      XCTAssertEqual(try ModelName("org/name@main").path(), snapshots + "aaa")
      XCTAssertEqual(try ModelName("org/name@refs/pr/1").path(), snapshots + "bbb")
      XCTAssertEqual(try ModelName("org/name@bbb").path(), snapshots + "bbb")
    }
  }

  func testWhereTheCacheIs() throws {
    try withCache { folder in
      let expected = folder + "/hub/models--org--name/snapshots/aaa"
      XCTAssertEqual(symlink(folder, folder + "/huggingface"), 0)
      setenv("XDG_CACHE_HOME", folder, 1)
      XCTAssertEqual(
        try ModelName("org/name").path(),
        folder + "/huggingface/hub/models--org--name/snapshots/aaa")
      setenv("HF_HOME", folder, 1)
      XCTAssertEqual(try ModelName("org/name").path(), expected)
      setenv("HF_HUB_CACHE", folder + "/other", 1)
      XCTAssertThrowsError(try ModelName("org/name").path())
      setenv("HF_HUB_CACHE", "", 1)
      XCTAssertEqual(try ModelName("org/name").path(), expected)
    }
  }

  /// A commit fetched by its name leaves no `refs/main`.
  func testTheOnlySnapshot() throws {
    try withCache { folder in
      setenv("HF_HUB_CACHE", folder + "/hub", 1)
      let repository = folder + "/hub/models--org--pinned"
      try makeFolder(repository + "/snapshots/ddd")
      XCTAssertEqual(try ModelName("org/pinned").path(), repository + "/snapshots/ddd")
      XCTAssertThrowsError(try ModelName("org/pinned@main").path())
      try makeFolder(repository + "/snapshots/eee")
      XCTAssertThrowsError(try ModelName("org/pinned").path())
    }
  }

  func testWhatIsMissing() throws {
    try withCache { folder in
      setenv("HF_HUB_CACHE", folder + "/hub", 1)
      for (name, expected) in [
        (
          "org/other",
          "org/other: neither a file or folder nor in the Hugging Face cache \(folder)/hub; "
            + "to fetch it: hf download org/other"
        ),
        (
          "org/name@gone",
          "org/name: revision gone is not in \(folder)/hub/models--org--name; "
            + "to fetch it: hf download org/name --revision gone"
        ),
      ] {
        XCTAssertThrowsError(try ModelName(name).path()) { XCTAssertEqual("\($0)", expected) }
      }
    }
  }

  /// What is on disk, and what can be no hub name, is a path.
  func testPaths() throws {
    try withCache { folder in
      setenv("HF_HUB_CACHE", folder + "/hub", 1)
      XCTAssertEqual(try ModelName(folder).path(), folder)
      for path in [
        "a.gguf", "models/a.gguf", "/org/name", "../name", "org/..", "org/name/x", "name",
        "org/name@../x", "",
      ] {
        XCTAssertEqual(try ModelName(path).path(), path)
      }
    }
  }
}
