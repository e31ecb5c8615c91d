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
        guard index < isNumber.count, isNumber[index] else {
          return "<\(tag)>\(inline(cell))</\(tag)>"
        }
        return "<\(tag) class=\"number\">\(Self.intervalBelow(inline(cell)))</\(tag)>"
      }
      return "<tr>\(texts.joined())</tr>"
    }
    let body = rows.dropFirst(2).map { row($0, "td") }.joined(separator: "\n")
    return
      "<div class=\"table\"><table>\n<thead>\(rows.first.map { row($0, "th") } ?? "")</thead>\n"
      + "<tbody>\(body)</tbody>\n</table></div>"
  }

  /// A number's interval on a line of its own.
  private static func intervalBelow(_ html: String) -> String {
    guard let start = html.firstRange(of: " ["), let end = html.lastIndex(of: "]") else {
      return html
    }
    return html[..<start.lowerBound]
      + "<span class=\"interval\">[\(html[start.upperBound..<end])]</span>"
      + html[html.index(after: end)...]
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

  /// A part of a page: its Markdown begins with its heading.
  func section(_ markdown: String) -> (heading: String, body: String) {
    let heading = markdown.prefix { $0 != "\n" }.drop { $0 == "#" }.dropFirst()
    return (inline(heading), html(markdown))
  }

  /// A page that needs nothing beside itself: no script, no outside address. Several parts have a list of
  /// them on top.
  static func page(title: String, parts: [(heading: String, body: String)]) -> String {
    let links = parts.enumerated().map { "<a href=\"#part-\($0 + 1)\">\($1.heading)</a>" }
    let list = parts.count > 1 ? "<nav>\(links.joined(separator: "\n"))</nav>\n" : ""
    let body =
      list
      + parts.enumerated().map {
        "<section id=\"part-\($0 + 1)\">\n\($1.body)</section>\n"
      }.joined()
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <title>\(escaped(oneLine(title)))</title>
      <link rel="icon" href="data:,">
      <style>
      :root { color-scheme: light dark; --ink: #1f2328; --paper: #f6f8fa; --card: #ffffff;
        --line: #d0d7de; --head: #eaeef2; --link: #0b57a4 }
      @media (prefers-color-scheme: dark) {
      :root { --ink: #e6edf3; --paper: #010409; --card: #0d1117; --line: #30363d; --head: #161b22;
        --link: #79b8ff }
      }
      body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; max-width: 1400px;
        margin: 0 auto; padding: 1.5rem; color: var(--ink); background: var(--paper) }
      h1 { font-size: 1.7rem; margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line) }
      h2 { font-size: 1.25rem; margin: 1.8rem 0 .5rem }
      nav { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem }
      a { color: var(--link) }
      p, li { max-width: 60rem }
      .table, pre { overflow-x: auto; margin: 1rem 0 }
      figure { display: inline-block; vertical-align: top; margin: .4rem .8rem .4rem 0;
        max-width: 100%; overflow-x: auto; border: 1px solid var(--line); border-radius: 6px }
      svg { display: block; max-width: 100%; height: auto }
      table { border-collapse: separate; border-spacing: 0; font-size: 13px; background: var(--card);
        border: 1px solid var(--line); border-radius: 6px }
      th, td { padding: .3rem .7rem; text-align: left; white-space: nowrap;
        border-bottom: 1px solid var(--line) }
      tr:last-child td { border-bottom: 0 }
      th { background: var(--head) }
      td:first-child, th:first-child { position: sticky; left: 0; background: inherit }
      tr { background: var(--card) }
      thead tr { background: var(--head) }
      .number { text-align: right; font-variant-numeric: tabular-nums }
      .interval { display: block; font-size: 11px; opacity: .8 }
      code { font: 12.5px ui-monospace, "DejaVu Sans Mono", monospace }
      pre { padding: .8rem; max-height: 26rem; background: var(--card); border: 1px solid var(--line);
        border-radius: 6px }
      </style>
      </head>
      <body>
      \(body)</body>
      </html>

      """
  }
}
