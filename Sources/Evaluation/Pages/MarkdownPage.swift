/// The Markdown that reports are written in, as HTML: headings, paragraphs, tables, lists, figures,
/// fenced code; `code`, **bold** and backslash escapes within lines. Not a Markdown reader for others' texts.
struct MarkdownPage {
  /// SVG documents by the address that the Markdown shows them under.
  var figures: [String: String]

  func html(_ markdown: String) -> String {
    var parts: [String] = []
    var lines = markdown.split(separator: "\n", omittingEmptySubsequences: false)[...]
    while let line = lines.first {
      if line.isEmpty {
        lines.removeFirst()
      } else if line.hasPrefix("```") {
        lines.removeFirst()
        let code = lines.prefix { !$0.hasPrefix("```") }
        lines = lines.dropFirst(code.count + 1)
        parts.append("<pre><code>\(Self.escaped(code.joined(separator: "\n")))</code></pre>")
      } else if line.hasPrefix("#") {
        let level = min(line.prefix { $0 == "#" }.count, 6)
        parts.append("<h\(level)>\(inline(line.dropFirst(level + 1)))</h\(level)>")
        lines.removeFirst()
      } else if line.hasPrefix("![") {
        parts.append(figure(line))
        lines.removeFirst()
      } else {
        let mark = line.hasPrefix("|") ? "|" : line.hasPrefix("- ") ? "- " : nil
        let block = lines.prefix { $0 == line || continues($0, mark) }
        lines = lines.dropFirst(block.count)
        parts.append(mark == "|" ? table(Array(block)) : mark == nil ? text(block) : list(block))
      }
    }
    return parts.joined(separator: "\n") + "\n"
  }

  private func continues(_ line: Substring, _ mark: String?) -> Bool {
    if let mark { return line.hasPrefix(mark) }
    return !line.isEmpty && !["|", "- ", "#", "```", "!["].contains { line.hasPrefix($0) }
  }

  private func text(_ lines: ArraySlice<Substring>) -> String {
    "<p>\(lines.map { inline($0) }.joined(separator: "\n"))</p>"
  }

  private func list(_ lines: ArraySlice<Substring>) -> String {
    "<ul>\(lines.map { "<li>\(inline($0.dropFirst(2)))</li>" }.joined())</ul>"
  }

  /// A line `![words](<address>)`; the words alone where there is no such figure.
  private func figure(_ line: Substring) -> String {
    guard let middle = line.firstRange(of: "](<"), let end = line.lastIndex(of: ">"),
      middle.upperBound <= end
    else { return "<p>\(inline(line))</p>" }
    let words = Self.escaped(line[line.index(line.startIndex, offsetBy: 2)..<middle.lowerBound])
    guard let svg = figures[String(line[middle.upperBound..<end])] else { return "<p>\(words)</p>" }
    return "<figure aria-label=\"\(words)\">\n\(svg)</figure>"
  }

  private func table(_ lines: [Substring]) -> String {
    let rows = lines.map(cells)
    let isNumber = rows.count > 1 ? rows[1].map { $0.hasSuffix(":") } : []
    func row(_ cells: [Substring], _ tag: String) -> String {
      let texts = cells.enumerated().map { index, cell in
        let style = index < isNumber.count && isNumber[index] ? " class=\"number\"" : ""
        return "<\(tag)\(style)>\(inline(cell))</\(tag)>"
      }
      return "<tr>\(texts.joined())</tr>"
    }
    let body = rows.dropFirst(2).map { row($0, "td") }.joined(separator: "\n")
    return
      "<div class=\"table\"><table>\n<thead>\(rows.first.map { row($0, "th") } ?? "")</thead>\n"
      + "<tbody>\(body)</tbody>\n</table></div>"
  }

  /// The cells of `| a | b |`; a bar behind a backslash divides nothing.
  private func cells(_ line: Substring) -> [Substring] {
    var cells: [Substring] = []
    var (start, isEscaped) = (line.index(after: line.startIndex), false)
    for index in line.indices.dropFirst() {
      if line[index] == "|" && !isEscaped {
        let cell = line[start..<index]
        cells.append(cell.dropFirst(cell.first == " " ? 1 : 0).dropLast(cell.last == " " ? 1 : 0))
        start = line.index(after: index)
      }
      isEscaped = line[index] == "\\" && !isEscaped
    }
    return cells
  }

  func inline(_ text: Substring) -> String {
    var html = ""
    var rest = text
    var isBold = false
    while let character = rest.popFirst() {
      if character == "\\", let literal = rest.popFirst() {
        html += Self.escaped(String(literal))
      } else if character == "`", let end = rest.firstIndex(of: "`") {
        html += "<code>\(Self.escaped(rest[..<end]))</code>"
        rest = rest[rest.index(after: end)...]
      } else if character == "*", rest.first == "*" {
        rest.removeFirst()
        html += isBold ? "</strong>" : "<strong>"
        isBold.toggle()
      } else {
        html += Self.escaped(String(character))
      }
    }
    return isBold ? html + "</strong>" : html
  }

  static func escaped(_ text: some StringProtocol) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      case "\u{0}"..<" ", "\u{7F}"..."\u{9F}": result += " "
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// A page that needs nothing beside itself: no script, no outside address.
  static func page(title: String, body: String) -> String {
    """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>\(escaped(oneLine(title)))</title>
    <link rel="icon" href="data:,">
    <style>
    :root { color-scheme: light dark }
    body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; max-width: 1180px;
      margin: 0 auto; padding: 1.5rem; color: #1f2328; background: #f6f8fa }
    h1 { font-size: 1.7rem; margin: 2.5rem 0 .5rem; border-bottom: 1px solid #d0d7de }
    h1:first-child { margin-top: 0 }
    h2 { font-size: 1.25rem; margin: 1.8rem 0 .5rem }
    .table, pre, figure { overflow-x: auto; margin: 1rem 0 }
    table { border-collapse: collapse; font-size: 13px; background: #ffffff }
    th, td { border: 1px solid #d0d7de; padding: .3rem .6rem; text-align: left; white-space: nowrap }
    th { background: #eaeef2 }
    .number { text-align: right; font-variant-numeric: tabular-nums }
    code { font: 12.5px ui-monospace, "DejaVu Sans Mono", monospace }
    pre { padding: .8rem; background: #ffffff; border: 1px solid #d0d7de }
    @media (prefers-color-scheme: dark) {
    body { color: #e6edf3; background: #010409 }
    table, pre { background: #0d1117 }
    th { background: #161b22 }
    th, td, pre, h1 { border-color: #30363d }
    }
    </style>
    </head>
    <body>
    \(body)</body>
    </html>

    """
  }
}
