import Evaluation
import Retrieval
import ToolSupport

/// Asks a model for numbers hidden in texts.
struct NeedleAsking {
  let task: NeedleTask
  let session: RecallSession
  let chunkTokens: Int
  let localTokens: Int
  let seed: UInt64
  private let introduction: [Int32]
  private let haystack: [Int32]
  /// Tokens read so far.
  private(set) var tokens = 0

  var hasFiller: Bool { !haystack.isEmpty }

  init(
    task: NeedleTask, session: RecallSession, haystack: String, chunkTokens: Int,
    localTokens: Int, seed: UInt64
  ) {
    self.task = task
    self.session = session
    self.chunkTokens = chunkTokens
    self.localTokens = localTokens
    self.seed = seed
    introduction = session.encode(task.introduction)
    self.haystack = session.inner(haystack)
  }

  mutating func answers(
    lengths: [Int], depths: [Int], trials: Int, progress: Progress
  ) throws -> [NeedleAnswer] {
    var answers: [NeedleAnswer] = []
    for length in lengths {
      for depth in depths {
        for trial in 0..<trials {
          answers.append(try answer(length, depth, trial, progress))
        }
      }
    }
    progress.finish()
    return answers
  }

  private mutating func answer(
    _ length: Int, _ percent: Int, _ number: Int, _ progress: Progress
  ) throws -> NeedleAnswer {
    let trial = task.trial(number, seed: seed)
    let depth = Double(percent) / 100
    let document = try trial.document(
      length: length, depth: depth, introduction: introduction,
      needle: session.inner(trial.needle), haystack: haystack)
    // The question goes on in the text, so it has no begin token of its own.
    let prompt = session.inner(trial.question)
    let endings = trial.keys.map { key in
      Array(session.inner(trial.question + " " + key).dropFirst(prompt.count))
    }
    let longest = (endings.map(\.count).max() ?? 0) + 2
    var read = tokens
    let blocks = try session.read(
      document.tokens, query: .previous, prompt: prompt, goesOn: true,
      after: Array(document.tokens.suffix(localTokens)),
      continuation: longest, seed: seed << 32 | UInt64(number)
    ) {
      read += $0
      progress.update(read)
    }
    tokens = read + prompt.count
    let chunks = RecallDocument.rows(holding: document.needle, chunkTokens: chunkTokens)
    let likelihoods = session.reader.logLikelihoods(of: endings)
    let answer = session.text(session.reader.greedy(longest))
    return NeedleAnswer(
      length: length, depth: depth, trial: number, key: trial.key, answer: answer,
      isCorrect: trial.accepts(answer), rank: 1 + likelihoods.count { $0 > likelihoods[0] },
      wasRetrieved: session.memory == nil
        ? nil
        : blocks.last?.neighbours.contains { chunks.contains($0) } ?? false
          || document.needle.upperBound > length - session.contextBefore)
  }
}
