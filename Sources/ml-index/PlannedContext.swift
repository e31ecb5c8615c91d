import ArgumentParser

/// A number of tokens, or `none`: the segment alone.
enum PlannedContext: ExpressibleByArgument, Equatable {
  case none
  case tokens(Int)

  init?(argument: String) {
    if argument == "none" {
      self = .none
    } else if let tokens = Int(argument), (1...1 << 40).contains(tokens) {
      self = .tokens(tokens)
    } else {
      return nil
    }
  }
}

/// The layouts of memory that `ml-eval` and `ml-train` name: a plan differs by the context that belongs
/// to them.
enum PlannedLayout: String, ExpressibleByArgument, CaseIterable {
  case published, upper, all
}
