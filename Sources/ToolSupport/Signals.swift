import FilePaths
import Glibc
import Synchronization

/// Files that must not outlive an unfinished run. A signal handler removes them, so the table is
/// plain memory: slots of C strings, claimed and released atomically enough for one writer.
enum Temporaries {
  private static let capacity = 64
  nonisolated(unsafe) private static let slots = {
    let slots = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: capacity)
    slots.initialize(repeating: nil, count: capacity)
    return slots
  }()

  /// To be called before the file is made: a signal in between then finds nothing to remove.
  static func add(_ path: String) throws -> Int {
    guard let slot = (0..<capacity).first(where: { slots[$0] == nil }) else {
      throw ToolError("too many open outputs")
    }
    slots[slot] = strdup(path)
    return slot
  }

  /// Forgets a file; its name is leaked, since a handler may be reading it.
  static func forget(_ slot: Int) { slots[slot] = nil }

  /// Async-signal-safe once `add` or this was called outside a handler.
  static func removeAll() {
    for slot in 0..<capacity {
      if let path = slots[slot] { unlink(path) }
      slots[slot] = nil
    }
  }
}

/// A request to stop by INT, TERM or USR1, for a tool that can stop at a good place.
public enum StopRequest {
  private static let requested = Atomic<Bool>(false)
  private static let isCaught = Atomic<Bool>(false)

  /// From now on the first INT or TERM only sets `isRequested`; the second ends the tool. USR1, which
  /// schedulers send ahead of the end of a job, is never more than a request.
  public static func catchSignals() {
    isCaught.store(true, ordering: .sequentiallyConsistent)
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { _ in
      StopRequest.requested.store(true, ordering: .sequentiallyConsistent)
    }
    action.sa_flags = SA_RESTART
    sigaction(SIGUSR1, &action, nil)
  }

  public static var isRequested: Bool { requested.load(ordering: .sequentiallyConsistent) }

  /// Whether the signal is used up as a request.
  fileprivate static func take(_ signal: Int32) -> Bool {
    guard signal == SIGINT || signal == SIGTERM else { return false }
    guard isCaught.load(ordering: .sequentiallyConsistent) else { return false }
    return !requested.exchange(true, ordering: .sequentiallyConsistent)
  }
}

/// INT, TERM, HUP and PIPE remove unfinished outputs, then end the tool by that very signal, so
/// the shell sees 128+n. INT and HUP that the parent ignores (`nohup`, `&`) stay ignored; a PIPE
/// that it ignores would turn a quiet end into an error message, so that one is always handled.
func installSignalHandlers() {
  Temporaries.removeAll()  // makes the table before any handler needs it
  _ = StopRequest.isRequested
  signal(SIGXFSZ, SIG_IGN)  // a file at the size limit then is an error like any other
  for number in [SIGINT, SIGTERM, SIGHUP, SIGPIPE] {
    var old = sigaction()
    sigaction(number, nil, &old)
    let ignored = unsafeBitCast(old.__sigaction_handler.sa_handler, to: Int.self) == 1
    if ignored && (number == SIGINT || number == SIGHUP) { continue }
    var action = sigaction()
    action.__sigaction_handler.sa_handler = { number in
      if StopRequest.take(number) { return }
      Temporaries.removeAll()
      signal(number, SIG_DFL)
      raise(number)
    }
    action.sa_flags = SA_RESTART
    sigaction(number, &action, nil)
  }
}
