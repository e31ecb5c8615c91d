import Safetensors

/// The tensors of one weight file, whatever its format.
struct WeightTable {
  let file: MappedFile
  /// Those that can be expanded.
  private(set) var tensors: [String: StoredTensor] = [:]
  /// The type of those that cannot.
  private(set) var refused: [String: String] = [:]

  init(file: MappedFile) { self.file = file }

  /// - Parameter tensor: nil for a type that cannot be expanded.
  mutating func add(_ name: String, _ type: ElementType, _ tensor: StoredTensor?) throws {
    guard !has(name) else { throw WeightsError(file.path, "tensor \(name) occurs twice") }
    if let tensor { tensors[name] = tensor } else { refused[name] = type.rawValue }
  }

  func has(_ name: String) -> Bool { tensors[name] != nil || refused[name] != nil }

  var names: [String] { Array(tensors.keys) + Array(refused.keys) }
}

extension WeightTable {
  init(_ file: MappedSafetensors) throws {
    self.init(file: file.file)
    for entry in file.entries { try add(entry.name, entry.type, file.expandable(entry)) }
  }
}

extension StorageType {
  /// How a floating-point type of safetensors and torch is stored; nil for the others.
  init?(_ type: ElementType) {
    switch type {
    case .F32: self = .f32
    case .F16: self = .f16
    case .BF16: self = .bf16
    default: return nil
    }
  }
}
