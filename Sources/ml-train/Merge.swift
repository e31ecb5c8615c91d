import ArgumentParser
import ModelSupport
import ToolSupport

extension MergedPrecision: ExpressibleByArgument {}

struct Merge: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "merge",
    abstract: "Fold an adapter, and those it stands on, into the base model.",
    discussion: helpDiscussion(
      "Writes a Hugging Face folder: config.json, model.safetensors, and the base folder's tokenizer "
        + "files. A GGUF's tokenizer stays in the GGUF.",
      examples: [
        "ml-train merge --model M.gguf --adapter stage2 -o merged",
        "ml-train merge --model OpenLLaMA --adapter stage2 --dtype f32 -o merged",
      ]))

  @Option(
    help: ArgumentHelp(
      "The base model: a .gguf file, a Hugging Face folder, or org/name[@revision] in the local "
        + "Hugging Face cache.", valueName: "MODEL"))
  var model: String

  @Option(help: ArgumentHelp("The adapter folder.", valueName: "DIR"))
  var adapter: String

  @Option(help: "Number format of the weights.")
  var dtype = MergedPrecision.bf16

  @OptionGroup var options: CommonOptions

  func validate() throws {
    _ = try options.outputFolder("the merged model's")
  }

  func run() throws {
    let folder = try options.outputFolder("the merged model's")
    let cost = CostLine()
    let memory = try LoadedModel.memory(ofAdapter: adapter)
    let loaded = try LoadedModel(
      path: model, adapter: adapter, memory: { _ in memory }, residency: .expanded,
      threads: options.threadCount)
    let copied = try loaded.writeMerged(folder: folder, precision: dtype)
    if copied.isEmpty { options.note("no tokenizer files beside the model: none were copied") }
    cost.print(others: ["\(loaded.model.name) with \(adapter)"], options: options)
  }
}
