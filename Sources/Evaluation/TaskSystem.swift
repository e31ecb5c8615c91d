import Modeling
import Safetensors

/// Whom a task's questions were put to.
struct TaskSystem {
  var model: SystemLabel.Identity
  var adapter: SystemLabel.Identity?
  var memory: TaskMemory?
  var context: SlidingContext?

  /// `context 2052 + 4 sinks`
  var contextName: String? {
    context.map { LocalContext(tokens: $0.tokens, sinks: $0.sinks).name }
  }

  var json: JSONValue {
    var fields: [String: JSONValue] = [
      "model": model.json, "adapter": adapter?.json ?? .null, "memory": memory?.json ?? .null,
    ]
    fields["context"] = context.map {
      .object(["tokens": .integer(Int64($0.tokens)), "sinks": .integer(Int64($0.sinks))])
    }
    return .object(fields)
  }
}

extension InContextResult {
  var taskSystem: TaskSystem {
    TaskSystem(model: model, adapter: adapter, memory: memory, context: context)
  }
}

extension NeedleResult {
  var taskSystem: TaskSystem {
    TaskSystem(model: model, adapter: adapter, memory: memory, context: context)
  }
}

extension SlidingContext {
  /// nil where the system read segments alone.
  init?(ofSystem system: FieldReader) throws {
    guard system.has("context") else { return nil }
    let fields = try system.object("context")
    self.init(
      tokens: try fields.integer("tokens", in: 1...Int(Int32.max)),
      sinks: try fields.integer("sinks", in: 0...Int(Int32.max)))
  }
}
