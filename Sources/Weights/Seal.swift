import Safetensors

/// A JSON object that carries a digest of itself, and perhaps of files beside it: a bit that turns on the
/// disk is noticed. It guards against accidents, not against forgery.
public enum Seal {
  /// XXH64 of the XXH64s of the files, and of that of the other fields in their compact encoding.
  static func digest(_ fields: [String: JSONValue], files: [UInt64]) -> String {
    let own = JSONValue.object(fields).encodedBytes().withUnsafeBytes { contentHash($0) }
    return (files + [own]).map(\.littleEndian).withUnsafeBytes { hexadecimal(contentHash($0)) }
  }

  /// The object with its digest as a field of this name.
  public static func add(
    _ field: String, to object: [String: JSONValue], files: [UInt64] = []
  ) -> [String: JSONValue] {
    var object = object
    object[field] = nil
    object[field] = .string(digest(object, files: files))
    return object
  }

  /// Whether the digest is right; nil where there is none.
  public static func check(_ field: String, of object: JSONValue, files: [UInt64] = []) -> Bool? {
    guard var fields = object.objectValue, let stored = fields.removeValue(forKey: field) else {
      return nil
    }
    return stored.stringValue == digest(fields, files: files)
  }
}

extension Adapter {
  /// The field of config.json that holds the digest of the whole adapter; those of PEFT have none.
  static let seal = "adapter_digest"

  /// A config.json for this adapter, with the adapter's digest.
  public func sealed(_ config: [String: JSONValue]) -> JSONValue {
    .object(Seal.add(Self.seal, to: config, files: files.map { hash($0.content) }))
  }

  /// Whether a folder's config.json carries the adapter's digest, compared or not.
  public static func isSealed(folder: String) throws -> Bool {
    try readExtra("config.json", folder: folder)?[seal] != nil
  }

  /// Compares a folder's files with the digest that it was written with.
  ///
  /// - Returns: false where it carries none.
  /// - Throws: `WeightsError` when they differ.
  @discardableResult
  public static func checkSeal(folder: String) throws -> Bool {
    guard let config = try readExtra("config.json", folder: folder), config[seal] != nil else {
      return false
    }
    let files = try [configurationFile, weightsFile].map {
      try MappedFile(path: folder + "/" + $0).withBytes { contentHash($0) }
    }
    guard Seal.check(seal, of: config, files: files) == true else {
      throw WeightsError(
        folder,
        "damaged, or changed by hand: its files are not those that config.json was written with")
    }
    return true
  }

  private func hash(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { contentHash($0) } }
}
