import Foundation
import Tokenization
import Weights
let a = CommandLine.arguments
let t0 = Date()
let g = try GGUFFile(path: a[1])
let t1 = Date()
let tok = try BytePairTokenizer(tokens: g.metadata["tokenizer.ggml.tokens"]!.stringsValue!, merges: g.metadata["tokenizer.ggml.merges"]!.stringsValue!, tokenTypes: g.metadata["tokenizer.ggml.token_type"]!.intsValue!, preTokenizer: "smollm")
let t2 = Date()
print("gguf", t1.timeIntervalSince(t0), "tok", t2.timeIntervalSince(t1), tok.identity)
let d = [UInt8](try Data(contentsOf: URL(fileURLWithPath: a[2])))
var docs = [[UInt8]]()
var p = 0
while p < d.count { let n = Int(d[p]) | Int(d[p+1])<<8 | Int(d[p+2])<<16 | Int(d[p+3])<<24; docs.append(Array(d[p+4..<p+4+n])); p += 4+n }
var out = [Int32]()
for round in 0..<(a.count > 4 ? 3 : 1) {
  out = []; out.reserveCapacity(d.count)
  let s = Date()
  var k = 0
  for x in docs { let ids = tok.encode(x); out.append(Int32(ids.count)); out += ids; k += ids.count }
  let e = Date().timeIntervalSince(s)
  print("round", round, docs.count, "docs", d.count, "bytes", k, "tokens", e, "s", Double(d.count)/e/1e6, "MB/s")
}
var same = 0
for x in docs.prefix(300) { same += tok.decode(tok.encode(x, specialTokens: .text), skippingSpecialTokens: false) == x ? 1 : 0 }
print("roundtrip", same, min(docs.count, 300))
out.withUnsafeBytes { FileManager.default.createFile(atPath: a[3], contents: Data($0)) }
