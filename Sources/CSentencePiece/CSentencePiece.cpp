#include "CSentencePiece.h"

#include <string>
#include <vector>

#include <sentencepiece_processor.h>

// Exported by the library, though its public header does not declare it.
namespace sentencepiece {
namespace logging {
void SetMinLogLevel(int level);
}
}

struct SentencePieceModel {
  sentencepiece::SentencePieceProcessor processor;
};

static_assert(sizeof(int) == sizeof(int32_t), "ids are 32 bits wide");

SentencePieceModel *sentencepiece_open(const void *bytes, size_t count) {
  try {
    // The library logs what it refuses to standard error; the caller says it in one line.
    sentencepiece::logging::SetMinLogLevel(4);
    SentencePieceModel *model = new SentencePieceModel;
    const absl::string_view view(static_cast<const char *>(bytes), count);
    if (model->processor.LoadFromSerializedProto(view).ok()) return model;
    delete model;
  } catch (...) {
  }
  return nullptr;
}

void sentencepiece_close(SentencePieceModel *model) { delete model; }

int32_t sentencepiece_size(const SentencePieceModel *model) {
  return model->processor.GetPieceSize();
}
int32_t sentencepiece_unknown(const SentencePieceModel *model) { return model->processor.unk_id(); }
int32_t sentencepiece_beginning(const SentencePieceModel *model) { return model->processor.bos_id(); }
int32_t sentencepiece_end(const SentencePieceModel *model) { return model->processor.eos_id(); }

SentencePieceKind sentencepiece_kind(const SentencePieceModel *model, int32_t id) {
  const auto &processor = model->processor;
  if (processor.IsUnknown(id)) return SENTENCEPIECE_UNKNOWN;
  if (processor.IsControl(id)) return SENTENCEPIECE_CONTROL;
  if (processor.IsUnused(id)) return SENTENCEPIECE_UNUSED;
  return processor.IsByte(id) ? SENTENCEPIECE_BYTE : SENTENCEPIECE_NORMAL;
}

const char *sentencepiece_spelling(const SentencePieceModel *model, int32_t id, size_t *count) {
  const std::string &spelling = model->processor.IdToPiece(id);
  *count = spelling.size();
  return spelling.data();
}

int sentencepiece_encode(const SentencePieceModel *model, const char *text, size_t count,
                         void *context, void (*sink)(void *, const int32_t *, size_t)) {
  try {
    std::vector<int> ids;
    if (!model->processor.Encode(absl::string_view(text, count), &ids).ok()) return -1;
    sink(context, ids.data(), ids.size());
    return 0;
  } catch (...) {
    return -1;
  }
}
