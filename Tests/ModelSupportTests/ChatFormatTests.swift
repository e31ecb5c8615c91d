import Foundation
import ModelSupport
import Safetensors
import TestSupport
import Tokenization
import Weights
import XCTest

/// How a model is asked, and what ends its answer.
final class ChatFormatTests: XCTestCase {
  /// Beginnings of the families' templates as they are published.
  private let templates: [(String, ChatFormat?)] = [
    ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n'}}", .chatML),
    ("{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>'", .llama3),
    ("{{ '<start_of_turn>' + role + '\n' + message['content'] | trim }}", .gemma),
    ("{{ '[INST] ' + message['content'] + ' [/INST]' }}", .mistral),
    ("{{ bos_token + '[INST] ' + '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' }}", nil),
    ("{{ '<|' + message['role'] + '|>\n' + message['content'] + '<|end|>\n' }}", nil),
  ]

  func testFamilies() {
    for (template, expected) in templates {
      XCTAssertEqual(ChatFormat(template: template), expected, template)
    }
  }

  /// As apply_chat_template with add_generation_prompt writes one user's turn.
  func testTurns() {
    let turns: [ChatFormat: String] = [
      .chatML: "<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\n",
      .llama3: "<|start_header_id|>user<|end_header_id|>\n\nWho?<|eot_id|>"
        + "<|start_header_id|>assistant<|end_header_id|>\n\n",
      .gemma: "<start_of_turn>user\nWho?<end_of_turn>\n<start_of_turn>model\n",
      .mistral: "[INST] Who? [/INST]",
    ]
    for format in ChatFormat.allCases { XCTAssertEqual(format.turn("Who?"), turns[format]) }
  }

  func testTemplatesOfFolders() throws {
    let chatML = #"{{ '<|im_start|>' }}"#
    try withModel { path in
      XCTAssertNil(try ChatFormat(of: ModelFiles.open(path: path)))
      try self.write(#"{"chat_template": "\#(chatML)"}"#, path + "/tokenizer_config.json")
      XCTAssertEqual(try ChatFormat(of: ModelFiles.open(path: path)), .chatML)
      try self.write(
        #"{"chat_template": [{"name": "tools", "template": "[INST]"}, "#
          + #"{"name": "default", "template": "\#(chatML)"}]}"#, path + "/tokenizer_config.json")
      XCTAssertEqual(try ChatFormat(of: ModelFiles.open(path: path)), .chatML)
      try self.write("<start_of_turn>", path + "/chat_template.jinja")
      XCTAssertEqual(try ChatFormat(of: ModelFiles.open(path: path)), .gemma)
    }
    try withModel { path in
      try self.write("{", path + "/tokenizer_config.json")
      XCTAssertThrowsError(try ChatFormat(of: ModelFiles.open(path: path))) {
        XCTAssert("\($0)".hasPrefix("\(path)/tokenizer_config.json: "), "\($0)")
      }
    }
  }

  func testTemplateOfTheDemo() throws {
    let files = try ModelFiles.open(
      path: cachedModel("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
    XCTAssertEqual(try ChatFormat(of: files), .chatML)
    let tokenizer = try TokenizerFiles.open(path: files.path)
    // eos is <|im_end|>, 2; and <|im_start|> 1 is one token of the turn.
    XCTAssertEqual(try endTokens(files, tokenizer, .chatML), [2])
    XCTAssertEqual(tokenizer.encode(ChatFormat.chatML.turn("Hi")).filter { $0 < 3 }, [1, 2, 1])
  }

  func testEveryEndToken() throws {
    let tokenizer = try TokenizerFiles.open(path: fixture("tokenizer-json/smollm.json"))
    let own = Set([tokenizer.endOfSequence].compactMap { $0 })
    func ends(_ config: JSONValue?, _ generation: String?) throws -> Set<Int32> {
      var found: Set<Int32> = []
      try withModel(endOfSequence: config) { path in
        if let generation { try self.write(generation, path + "/generation_config.json") }
        found = try endTokens(ModelFiles.open(path: path), tokenizer, nil)
      }
      return found
    }
    XCTAssertEqual(try ends(nil, nil), own)
    XCTAssertEqual(try ends(7, nil), own.union([7]))
    XCTAssertEqual(try ends([7, 9], #"{"eos_token_id": [9, 11]}"#), own.union([7, 9, 11]))
    XCTAssertEqual(try ends(.null, #"{"eos_token_id": 12}"#), own.union([12]))
    let refusal = "config.json: eos_token_id is neither a number nor a list of them"
    XCTAssertThrowsError(try ends("x", nil)) {
      XCTAssert("\($0)".hasSuffix(refusal), "\($0)")
    }
  }

  private func write(_ text: String, _ path: String) throws {
    try TestSupport.write(Array(text.utf8), to: path)
  }

  /// A folder of a tiny model whose config.json has this `eos_token_id`.
  private func withModel(endOfSequence: JSONValue? = nil, _ body: (String) throws -> Void) throws {
    let path = try modelFolder(configuration: "llama-gqa", weights: ["llama-gqa"])
    defer { try? FileManager.default.removeItem(atPath: path) }
    let config = path + "/config.json"
    var fields = try XCTUnwrap(
      try readBytes(config).withUnsafeBytes { try JSONValue(parsing: $0) }.objectValue)
    fields["eos_token_id"] = endOfSequence
    try FileManager.default.removeItem(atPath: config)
    try write(JSONValue.object(fields).encoded, config)
    try body(path)
  }
}
