import Safetensors

/// What can lie on the stack while the pickle of a tensor dictionary is read.
enum PickleValue {
  case none
  case bool(Bool)
  case integer(Int)
  case string(String)
  /// The nesting is the longest way down, 1 for a tuple of scalars.
  case tuple([PickleValue], nesting: Int)
  case dictionary(PickleDictionary)
  case global(PickleGlobal)
  indirect case storage(TorchStorage)
  indirect case tensor(TorchTensor)

  var nesting: Int {
    switch self {
    case .tuple(_, let nesting): nesting
    case .dictionary(let dictionary): dictionary.nesting
    default: 0
    }
  }

  var integerValue: Int? { if case .integer(let value) = self { value } else { nil } }
  var stringValue: String? { if case .string(let value) = self { value } else { nil } }

  /// A tuple of integers ≥ 0.
  var countsValue: [Int]? {
    guard case .tuple(let elements, _) = self else { return nil }
    let counts = elements.compactMap(\.integerValue).filter { $0 >= 0 }
    return counts.count == elements.count ? counts : nil
  }

  var isEmptyDictionary: Bool {
    if case .dictionary(let dictionary) = self { dictionary.items.isEmpty } else { false }
  }
}

/// A dictionary with strings for keys. It is an object, since the memo may name it while it grows.
final class PickleDictionary {
  var items: [(key: String, value: PickleValue)] = []
  var nesting = 1
  /// Part of another value: nothing may be added any more, so that no value can contain itself.
  var isHeld = false
}

/// The names that the pickle of a tensor dictionary may mention. They are read as what they stand for;
/// nothing is called.
enum PickleGlobal: Equatable {
  case orderedDictionary
  case rebuildTensor
  case rebuildParameter
  case storageType(ElementType)

  /// - Parameter name: module and name, `torch.FloatStorage`.
  init?(_ name: String) {
    switch name {
    case "collections.OrderedDict": self = .orderedDictionary
    case "torch._utils._rebuild_tensor_v2": self = .rebuildTensor
    case "torch._utils._rebuild_parameter": self = .rebuildParameter
    case "torch.DoubleStorage": self = .storageType(.F64)
    case "torch.FloatStorage": self = .storageType(.F32)
    case "torch.HalfStorage": self = .storageType(.F16)
    case "torch.BFloat16Storage": self = .storageType(.BF16)
    case "torch.LongStorage": self = .storageType(.I64)
    case "torch.IntStorage": self = .storageType(.I32)
    case "torch.ShortStorage": self = .storageType(.I16)
    case "torch.CharStorage": self = .storageType(.I8)
    case "torch.ByteStorage": self = .storageType(.U8)
    case "torch.BoolStorage": self = .storageType(.BOOL)
    default: return nil
    }
  }
}

/// `count` elements in the checkpoint's entry `data/key`.
struct TorchStorage {
  var type: ElementType
  var key: String
  var count: Int
}

/// A view of a storage: element (i, j, …) is the storage's at offset + i·strides[0] + j·strides[1] + ….
/// All of it lies inside.
struct TorchTensor {
  let storage: TorchStorage
  let offset: Int
  let shape: [Int]
  let strides: [Int]

  /// The elements of the storage from the first to the last that the tensor has; 0 for an empty one.
  let extent: Int

  /// - Returns: nil for a view that leaves its storage, or repeats elements of it.
  init?(storage: TorchStorage, offset: Int, shape: [Int], strides: [Int]) {
    guard shape.count == strides.count, shape.count <= 64, offset >= 0,
      let count = elementCount(shape), count <= storage.count
    else { return nil }
    var last = 0
    for (dimension, stride) in zip(shape, strides) where count > 0 {
      let (step, overflow) = (dimension - 1).multipliedReportingOverflow(by: stride)
      let (sum, tooFar) = last.addingReportingOverflow(step)
      guard stride >= 0, !overflow, !tooFar else { return nil }
      last = sum
    }
    extent = count > 0 ? last + 1 : 0
    guard offset <= storage.count, extent >= count, extent <= storage.count - offset else {
      return nil
    }
    (self.storage, self.offset, self.shape, self.strides) = (storage, offset, shape, strides)
  }

  /// Whether the elements lie one after another, row-major. Where a dimension is 1, its stride is free.
  var isContiguous: Bool {
    var expected = 1
    for (dimension, stride) in zip(shape, strides).reversed() where dimension != 1 {
      guard stride == expected else { return extent == 0 }
      expected *= dimension
    }
    return true
  }
}
