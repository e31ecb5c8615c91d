/// What systems are called side by side: `base`, `trained`, and what sets several of one name apart.
enum SystemNames {
  /// A name for each entry of each set. A setting is named in all sets where it differs in any, so that
  /// a system has one name in all of them.
  static func names(of sets: [[Report.Entry]]) -> [[String]] {
    let systems = sets.joined().map(\.result.system)
    let bare = BareNames(systems)
    let settings = Dictionary(grouping: systems.filter { $0.memory != nil }, by: bare.name)
      .mapValues { differing($0.compactMap { $0.memory?.settings }) }
    return sets.map { entries in
      let names = entries.map { entry in
        let name = bare.name(entry.result.system)
        let own = entry.result.system.memory?.settings.filter {
          settings[name]?.contains($0.name) ?? false
        }
        return ([name] + (own ?? []).map { "\($0.name) \($0.value)" }).joined(separator: ", ")
      }
      return told(apart: names, entries)
    }
  }

  /// Names of settings of which two systems have different values.
  private static func differing(_ systems: [[(name: String, value: String)]]) -> Set<String> {
    var values: [String: Set<String>] = [:]
    for setting in systems.joined() { values[setting.name, default: []].insert(setting.value) }
    return Set(values.filter { $0.value.count > 1 }.keys)
  }

  /// Entries of one name and kind of memory by their queries' length, draws, or else their files.
  private static func told(apart names: [String], _ entries: [Report.Entry]) -> [String] {
    let kinds = zip(names, entries).map { name, entry in
      [name, entry.result.system.memoryName, entry.result.system.memory?.query.rawValue ?? ""]
    }
    return names.indices.map { index in
      let twins = names.indices.filter { kinds[$0] == kinds[index] }
      guard twins.count > 1 else { return names[index] }
      let details = twins.map { detail(of: entries[$0]) }
      let own = detail(of: entries[index])
      return details.count { $0 == own } == 1
        ? "\(names[index]), \(own)"
        : "\(names[index]) (\(oneLine(entries[index].name, limit: 40)))"
    }
  }

  private static func detail(of entry: Report.Entry) -> String {
    guard let memory = entry.result.system.memory else { return "" }
    return memory.selection == .random
      ? "seed \(memory.seed)" : "query tokens \(memory.queryTokens)"
  }
}

/// Names by model, adapter and what else is no memory.
private struct BareNames {
  private let hasSeveralModels: Bool
  private let adapters: Set<[String]>
  /// What all systems have in common says nothing.
  private let hasSeveralVariants: Bool

  init(_ systems: [SystemLabel]) {
    hasSeveralVariants = Set(systems.map(\.variant)).count > 1
    hasSeveralModels = systems.contains { $0.model != systems[0].model }
    adapters = Set(systems.compactMap(\.adapter).map { [$0.name, $0.digest] })
  }

  func name(_ system: SystemLabel) -> String {
    var name = system.adapter.map(name(of:)) ?? "base"
    if hasSeveralModels { name = "\(system.model.name) \(name)" }
    name = oneLine(name, limit: 40)
    if hasSeveralVariants, let variant = system.variant {
      name += ", \(oneLine(variant, limit: 80))"
    }
    return name
  }

  private func name(of adapter: SystemLabel.Identity) -> String {
    guard adapters.count > 1 else { return "trained" }
    let isShared = adapters.count { $0[0] == adapter.name } > 1
    return isShared ? "\(adapter.name) \(adapter.digest.prefix(4))" : adapter.name
  }
}
