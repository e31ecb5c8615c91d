import Foundation
import Safetensors

/// A new folder that looks like a Hugging Face model, made of a fixture's `config.json` and the
/// weights of others; the caller removes it.
///
/// One fixture's weights are a link. Several are joined in a file of their own, where of a tensor that
/// several have the first one's counts.
public func modelFolder(configuration: String, weights: [String]) throws -> String {
  let folder = NSTemporaryDirectory() + "memlong-model-\(UUID().uuidString)"
  let manager = FileManager.default
  try manager.createDirectory(atPath: folder, withIntermediateDirectories: true)
  try manager.createSymbolicLink(
    atPath: folder + "/config.json", withDestinationPath: fixture("\(configuration)/config.json"))
  let paths = weights.map { fixture("\($0)/weights.safetensors") }
  let target = folder + "/model.safetensors"
  guard paths.count > 1 else {
    try manager.createSymbolicLink(atPath: target, withDestinationPath: paths[0])
    return folder
  }
  var joined = SafetensorsFile()
  var names: Set<String> = []
  for path in paths {
    let file = try Tensors(path: path)
    for name in file.names where names.insert(name).inserted {
      let tensor = try file.tensor(name)
      joined.add(name, tensor.type, tensor.shape, tensor.bytes)
    }
  }
  try write(joined.bytes, to: target)
  return folder
}
