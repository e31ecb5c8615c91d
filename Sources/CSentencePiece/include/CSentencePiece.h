// libsentencepiece behind a C interface: read a model, encode text. No call throws or prints.
#ifndef C_SENTENCE_PIECE_H
#define C_SENTENCE_PIECE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct SentencePieceModel SentencePieceModel;

typedef enum {
  SENTENCEPIECE_NORMAL = 0,
  SENTENCEPIECE_UNKNOWN = 1,
  SENTENCEPIECE_CONTROL = 2,
  SENTENCEPIECE_UNUSED = 3,
  SENTENCEPIECE_BYTE = 4
} SentencePieceKind;

// The model of a serialised ModelProto; NULL when the bytes are none.
SentencePieceModel *sentencepiece_open(const void *bytes, size_t count);
void sentencepiece_close(SentencePieceModel *model);

int32_t sentencepiece_size(const SentencePieceModel *model);
// Ids of the special pieces, negative where the model has none.
int32_t sentencepiece_unknown(const SentencePieceModel *model);
int32_t sentencepiece_beginning(const SentencePieceModel *model);
int32_t sentencepiece_end(const SentencePieceModel *model);

// Of an id in 0..<size. The spelling is valid as long as the model.
SentencePieceKind sentencepiece_kind(const SentencePieceModel *model, int32_t id);
const char *sentencepiece_spelling(const SentencePieceModel *model, int32_t id, size_t *count);

// Calls sink with the ids of UTF-8 text, once. Returns 0, or -1 when the library refuses the text.
// May be called from any thread.
int sentencepiece_encode(const SentencePieceModel *model, const char *text, size_t count,
                         void *context, void (*sink)(void *context, const int32_t *ids, size_t count));

#ifdef __cplusplus
}
#endif
#endif
