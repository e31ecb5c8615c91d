import Safetensors
import TestSupport
import Weights
import XCTest

/// `pytorch_model.bin` as torch writes it, and as it does not.
final class TorchCheckpointTests: XCTestCase {
  private let scratch = ScratchFolder()

  override func tearDown() { scratch.clear() }

  /// A model folder with a fixture's files and an empty configuration.
  private func install(_ name: String) throws -> String {
    for file in folderNames(fixture("torchbin/" + name)) {
      scratch.write(file, try fixtureBytes("torchbin/\(name)/\(file)"))
    }
    scratch.write("config.json", "{}")
    return scratch.path
  }

  private func open(_ builder: CheckpointBuilder) throws -> ModelFiles {
    scratch.write("config.json", "{}")
    scratch.write("pytorch_model.bin", builder.bytes)
    return try ModelFiles.open(path: scratch.path)
  }

  private func open(pickle: [UInt8], _ storages: [[UInt8]] = []) throws -> ModelFiles {
    try open(CheckpointBuilder(pickle: pickle, storages: storages))
  }

  // MARK: What torch wrote

  private func assertHolds(_ name: String, _ storage: StorageType, _ rounded: (Float) -> Float)
    throws
  {
    let model = try ModelFiles.open(path: install(name))
    let expected = try Tensors(fixture: "torchbin/expected.safetensors")
    XCTAssertEqual(model.tensors.keys.sorted(), expected.names)
    for name in expected.names {
      let tensor = try model.tensor(name, shape: expected.shape(name))
      XCTAssertEqual(tensor.storage, storage)
      XCTAssertEqual(tensor.floats(), try expected.floats(name).map(rounded), name)
      var rows = [Float](repeating: 0, count: tensor.columns)
      tensor.expand(rows: tensor.rows - 1..<tensor.rows, into: &rows)
      XCTAssertEqual(rows, tensor.floats().suffix(tensor.columns), name)
    }
  }

  func testShardedFloat32() throws { try assertHolds("f32-sharded", .f32) { $0 } }

  /// Slices of one storage, and a matrix stored transposed.
  func testViews() throws { try assertHolds("f32-views", .f32) { $0 } }

  func testOrderedDictionaryWithMetadata() throws {
    try assertHolds("bf16-ordereddict-metadata", .bf16) {
      // to nearest, ties to even
      let bits = $0.bitPattern
      return Float(bitPattern: (bits &+ 0x7fff &+ (bits >> 16 & 1)) & 0xffff_0000)
    }
  }

  func testParameters() throws { try assertHolds("f16-parameters", .f16) { Float(Float16($0)) } }

  func testSafetensorsComeFirst() throws {
    let folder = try install("evil")
    var file = SafetensorsFile()
    file.add("a", .F32, [1], [1] as [Float])
    scratch.write("model.safetensors", file.bytes)
    XCTAssertEqual(try ModelFiles.open(path: folder).tensors.keys.sorted(), ["a"])
  }

  // MARK: What is refused

  func testCallsAreRefused() throws {
    assertContains(
      failure { try ModelFiles.open(path: install("evil")) },
      "pytorch_model.bin: pickle, byte 185: posix.system is no part of a dictionary of tensors")
    XCTAssertFalse(folderNames("/tmp/ref").contains("EVIL_RAN"))
  }

  func testOldContainerIsRefused() {
    assertContains(
      failure { try ModelFiles.open(path: install("bf16-legacy-nonzip")) },
      "pytorch_model.bin: not a zip: a checkpoint of torch before 1.6")
  }

  func testForeignPicklesAreRefused() throws {
    let ones = [UInt8](repeating: 1, count: 16)
    let storage = Pickle.storage("FloatStorage", "0", count: 4)
    let tensor = Pickle.tensor(storage, shape: [4], strides: [1])
    let item = { (value: [UInt8]) in Pickle.dictionary(Pickle.text("a") + value) }
    let model = try open(pickle: item(tensor), [ones])
    XCTAssertEqual(model.tensors["a"]?.shape, [4])
    let cases: [(String, [UInt8])] = [
      (
        "os.system is no part",
        [0x80, 4, 0x8c, 2] + "os".utf8 + [0x8c, 6] + "system".utf8 + [0x93]
      ),
      ("opcode INST is no part", item(Array("ios\nsystem\n".utf8))),
      ("opcode EMPTY_LIST is no part", item([0x5d])),
      ("opcode 0xff is no part", item([0xff])),
      ("a is not a tensor", item(Pickle.integer(1))),
      ("not a dictionary of tensors", [0x80, 2] + Pickle.integer(1) + [0x2e]),
      ("pickle protocol 6", [0x80, 6]), ("cut short", [0x80, 2, 0x7d]),
      ("cut short", [0x58, 9, 0, 0, 0]),
      ("nothing on the stack", [0x2e]), ("no mark", [0x74]), ("no value number 7", [0x68, 7]),
      ("a key that is no string", Pickle.dictionary(Pickle.integer(1) + tensor)),
      (
        "tensor a occurs twice",
        Pickle.dictionary(Pickle.text("a") + tensor + Pickle.text("a") + tensor)
      ),
      ("no hooks", item(Pickle.tensor(storage, shape: [4], strides: [1], hooks: [0x4e]))),
      (
        "do not fit a storage of 4",
        item(Pickle.tensor(storage, offset: 1, shape: [4], strides: [1]))
      ),
      ("do not fit a storage of 4", item(Pickle.tensor(storage, shape: [2, 2], strides: [3, 1]))),
      (
        "do not fit a storage of 4",
        item(Pickle.tensor(storage, shape: [.max, .max], strides: [0, 0]))
      ),
      ("no hooks", item(Pickle.tensor(storage, shape: [-1], strides: [1]))),
      (
        "no entry data/7",
        item(Pickle.tensor(Pickle.storage("FloatStorage", "7", count: 4), shape: [4], strides: [1]))
      ),
      (
        "16 bytes for 5 elements",
        item(Pickle.tensor(Pickle.storage("FloatStorage", "0", count: 5), shape: [4], strides: [1]))
      ),
      // A dictionary that contains itself.
      (
        "grows after its use", [0x80, 2, 0x7d, 0x71, 0] + Pickle.text("a") + [0x68, 0, 0x73, 0x2e]
      ),
      (
        "nested deeper",
        [0x80, 2] + [UInt8](repeating: 0x29, count: 1) + [UInt8](repeating: 0x85, count: 99)
      ),
      ("values on the stack", [0x80, 2] + [UInt8](repeating: 0x4e, count: 1 << 17)),
    ]
    for (expected, pickle) in cases {
      assertContains(failure { try open(pickle: pickle, [ones]) }, expected)
    }
  }

  func testTypes() throws {
    let long = Pickle.tensor(Pickle.storage("LongStorage", "0", count: 2), shape: [2], strides: [1])
    let model = try open(
      pickle: Pickle.dictionary(Pickle.text("ids") + long), [[UInt8](repeating: 0, count: 16)])
    assertContains(
      failure { try model.tensor("ids") }, "tensor ids is stored as I64; supported are F32")
  }

  // MARK: Zip

  private var small: CheckpointBuilder {
    let tensor = Pickle.tensor(
      Pickle.storage("FloatStorage", "0", count: 2), shape: [2], strides: [1])
    return CheckpointBuilder(
      pickle: Pickle.dictionary(Pickle.text("a") + tensor),
      storages: [littleEndian(Float(1).bitPattern) + littleEndian(Float(2).bitPattern)])
  }

  func testNarrowAndWideSizes() throws {
    for isWide in [false, true] {
      var builder = small
      builder.isWide = isWide
      XCTAssertEqual(try open(builder).tensor("a").floats(), [1, 2])
    }
  }

  func testZipFaults() throws {
    for isWide in [false, true] {
      var builder = small
      builder.isWide = isWide
      let whole = builder.bytes
      for length in 0..<whole.count {
        scratch.write("pytorch_model.bin", Array(whole[..<length]))
        _ = failure { try ModelFiles.open(path: scratch.path) }
      }
    }
    var builder = small
    builder.method = 8
    assertContains(failure { try open(builder) }, "m/data.pkl is compressed")
    builder = small
    builder.add("n/data.pkl", [])
    assertContains(failure { try open(builder) }, "2 entries data.pkl")
    builder = small
    builder.add("m/data/0", [])
    assertContains(failure { try open(builder) }, "entry m/data/0 occurs twice")
    assertContains(
      failure { try open(CheckpointBuilder(pickle: [], order: "big")) }, "byteorder is not little")
  }
}
