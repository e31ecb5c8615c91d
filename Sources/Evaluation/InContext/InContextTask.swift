/// A text and the number of its label.
public struct LabelledText: Equatable, Sendable {
  public var text: String
  public var label: Int

  public init(text: String, label: Int) {
    self.text = text
    self.label = label
  }
}

/// The classification sets of the published in-context evaluation (`eval_icl.py`), with its files,
/// templates and labels.
public enum InContextTask: String, CaseIterable, Sendable {
  case sst2 = "sst-2"
  case mr
  case sst5 = "sst-5"
  case subj
  case mpqa

  /// By number of the label.
  public var labels: [String] {
    switch self {
    case .sst2, .mr, .mpqa: ["negative", "positive"]
    case .sst5: ["terrible", "bad", "okay", "good", "great"]
    case .subj: ["subjective", "objective"]
    }
  }

  public var template: PromptTemplate {
    self == .subj
      ? PromptTemplate(before: "Input: ", between: " Type: ")
      : PromptTemplate(before: "Review: ", between: " Sentiment: ")
  }

  /// The names of the files; SST-2 and SST-5 are tested on their development sets, as published.
  public var files: (train: String, test: String) {
    switch self {
    case .sst2: ("train.tsv", "dev.tsv")
    case .sst5: ("stsa.fine.train", "stsa.fine.dev")
    case .mr, .subj, .mpqa: ("train.csv", "test.csv")
    }
  }

  /// Where the files may lie in the folder that a user names.
  public var folders: [String] { self == .sst2 ? ["", "SST-2/", "sst-2/"] : ["", rawValue + "/"] }

  /// Reads a file as the published loader does: nothing is unquoted (a comma-separated line is its
  /// label, a comma and the rest), but Subj loses the quotation marks at both ends.
  ///
  /// - Throws: ``ResultError`` naming the line.
  public func parse(_ contents: [UInt8]) throws -> [LabelledText] {
    var lines = contents.split(separator: 0x0A, omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    var examples: [LabelledText] = []
    examples.reserveCapacity(lines.count)
    for (index, line) in lines.enumerated() {
      let line = line.last == 0x0D ? line.dropLast() : line
      do {
        if let example = try self == .sst2 ? tabbed(line) : labelFirst(line) {
          examples.append(example)
        }
      } catch let error as ResultError {
        throw ResultError("line \(index + 1): \(error)")
      }
    }
    guard !examples.isEmpty else { throw ResultError("holds no example") }
    return examples
  }

  /// `text TAB label`; nil for the line of headings.
  private func tabbed(_ line: ArraySlice<UInt8>) throws -> LabelledText? {
    let fields = line.split(separator: 0x09, omittingEmptySubsequences: false)
    guard fields.count == 2 else { throw ResultError("\(fields.count) fields, expected 2") }
    let label = String(decoding: fields[1], as: UTF8.self)
    if label == "label" { return nil }
    return LabelledText(
      text: String(decoding: fields[0], as: UTF8.self), label: try number(of: label))
  }

  /// A digit, a comma or a space, and the text.
  private func labelFirst(_ line: ArraySlice<UInt8>) throws -> LabelledText? {
    guard line.count >= 2, line[line.startIndex + 1] == (self == .sst5 ? 0x20 : 0x2C) else {
      throw ResultError("expected a label, a \(self == .sst5 ? "space" : "comma") and a text")
    }
    let label = try number(of: String(decoding: line.prefix(1), as: UTF8.self))
    var text = line.dropFirst(2)
    if self == .subj {
      while text.first == 0x22 { text.removeFirst() }
      while text.last == 0x22 { text.removeLast() }
    }
    return LabelledText(text: String(decoding: text, as: UTF8.self), label: label)
  }

  private func number(of label: String) throws -> Int {
    guard let number = Int(label), labels.indices.contains(number) else {
      throw ResultError("label \(oneLine(label, limit: 20)) is not one of 0…\(labels.count - 1)")
    }
    return number
  }
}

/// `Review: {} Sentiment: {}. `
public struct PromptTemplate: Equatable, Sendable {
  public var before: String
  public var between: String

  public init(before: String, between: String) {
    self.before = before
    self.between = between
  }

  /// As the published code spells it.
  public var text: String { before + "{}" + between + "{}. " }

  public func demonstration(_ text: String, label: String) -> String {
    before + text + between + label + ". "
  }

  /// What the model continues with a label: without the space that the label brings.
  public func question(_ text: String) -> String { before + text + between.dropLast() }
}

/// How an answer is judged.
public enum InContextRule: String, CaseIterable, Sendable {
  /// As published: the most likely next token, without white space around it, begins the label's
  /// name. One letter is enough.
  case prefix
  /// The label with the highest log-likelihood of all its tokens is the right one.
  case likelihood

  /// The published rule.
  public static func accepts(_ prediction: String, label: String) -> Bool {
    let word = stripped(prediction)
    return !word.isEmpty && label.utf8.starts(with: word.utf8)
  }

  /// Python's `str.strip`.
  private static func stripped(_ text: String) -> String {
    func isSpace(_ scalar: Unicode.Scalar) -> Bool {
      scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
    }
    let scalars = text.unicodeScalars.drop(while: isSpace)
    guard let last = scalars.lastIndex(where: { !isSpace($0) }) else { return "" }
    return String(scalars[...last])
  }
}

/// The draws of one seed, in the published order: demonstrations of the context once, then those in
/// memory for each test item.
public struct DemonstrationDraws: Sendable {
  /// Positions in the training set of the demonstrations in context.
  public let shots: [Int]
  private var random: PythonRandom
  private let population: Int
  private let memoryCount: Int

  public init(population: Int, shots: Int, memory: Int, seed: UInt64) {
    random = PythonRandom(seed: seed)
    self.population = population
    memoryCount = memory
    self.shots = random.sample(population, shots)
  }

  /// Those in memory for the next test item.
  public mutating func nextMemory() -> [Int] { random.sample(population, memoryCount) }
}
