import Dispatch

/// Values that are made one after the other, each on another thread while the one before is in use.
public final class Ahead<Value: Sendable>: @unchecked Sendable {
  private let make: () throws -> Value?
  /// Nil makes each value when it is asked for.
  private let queue: DispatchQueue?
  private let isReady = DispatchSemaphore(value: 0)
  private var isMaking = false
  /// Written by the queue before it signals `isReady`, read after.
  private var latest: Result<Value?, any Error>?

  /// - Parameters:
  ///   - isOn: whether there is another thread; without it `make` runs on the caller's.
  ///   - make: returns nil at the end; is never called again after that or after an error.
  public init(isOn: Bool, _ make: @escaping () throws -> Value?) {
    self.make = make
    queue = isOn ? DispatchQueue(label: "ahead") : nil
  }

  /// The next value, nil at the end.
  /// - Throws: what `make` threw, in its turn
  public func next() throws -> Value? {
    guard let queue else { return try make() }
    if !isMaking { start(queue) }
    isReady.wait()
    isMaking = false
    let result = latest
    latest = nil
    guard let value = try result?.get() else { return nil }
    start(queue)
    return value
  }

  private func start(_ queue: DispatchQueue) {
    isMaking = true
    queue.async { [self] in
      latest = Result { try make() }
      isReady.signal()
    }
  }
}
