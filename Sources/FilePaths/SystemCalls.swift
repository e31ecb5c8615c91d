import Glibc

// The system's calls for a path in a string (see `String.pathBytes`). For such an argument they are taken
// before the C library's own, which would be given UTF-8.

public func open(_ path: String, _ flags: Int32) -> Int32 {
  path.withPath { Glibc.open($0, flags) }
}

public func open(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 {
  path.withPath { Glibc.open($0, flags, mode) }
}

public func fopen(_ path: String, _ mode: String) -> UnsafeMutablePointer<FILE>? {
  path.withPath { Glibc.fopen($0, mode) }
}

public func stat(_ path: String, _ status: UnsafeMutablePointer<stat>) -> Int32 {
  path.withPath { fstatat(AT_FDCWD, $0, status, 0) }
}

public func access(_ path: String, _ mode: Int32) -> Int32 {
  path.withPath { Glibc.access($0, mode) }
}

@discardableResult
public func mkdir(_ path: String, _ mode: mode_t) -> Int32 {
  path.withPath { Glibc.mkdir($0, mode) }
}

@discardableResult
public func unlink(_ path: String) -> Int32 { path.withPath { Glibc.unlink($0) } }

@discardableResult
public func rmdir(_ path: String) -> Int32 { path.withPath { Glibc.rmdir($0) } }

public func rename(_ old: String, _ new: String) -> Int32 {
  old.withPath { old in new.withPath { Glibc.rename(old, $0) } }
}

public func opendir(_ path: String) -> OpaquePointer? { path.withPath { Glibc.opendir($0) } }

/// A copy of the path, to be freed.
public func strdup(_ path: String) -> UnsafeMutablePointer<CChar>? {
  path.withPath { Glibc.strdup($0) }
}

/// The path without links, `.` and `..`; nil with `errno` where it does not exist.
public func realPath(_ path: String) -> String? {
  guard let real = path.withPath({ Glibc.realpath($0, nil) }) else { return nil }
  defer { free(real) }
  return string(real)
}

/// What a link says; nil with `errno` where it is none.
public func linkTarget(_ path: String) -> String? {
  var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
  let count = path.withPath { Glibc.readlink($0, &bytes, bytes.count) }
  return count < 0 ? nil : String(pathBytes: bytes[..<count].map { UInt8(bitPattern: $0) })
}

/// The name of a folder's entry.
public func entryName(_ entry: UnsafeMutablePointer<dirent>) -> String {
  withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
    String(pathBytes: Array(bytes.prefix { $0 != 0 }))
  }
}

private func string(_ text: UnsafePointer<CChar>) -> String {
  String(pathBytes: UnsafeRawBufferPointer(start: text, count: strlen(text)))
}

/// The command line's arguments, the program's name before them.
public func commandLineArguments() -> [String] {
  (0..<Int(CommandLine.argc)).compactMap { CommandLine.unsafeArgv[$0].map { string($0) } }
}
