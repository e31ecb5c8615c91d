// The products of attention's tiles. A tile's keys and values lie in the second-level cache, so what a
// library's product spends on laying out its operands anew is most of what there is to win.
#include "CKernels.h"

#pragma clang diagnostic ignored "-Wpsabi"

/// out[rows][16 vectors] (= or +=) a[rows][count] b[count][16 vectors], where a vector lies `next` after
/// the one before. A number of the result is one chain of sums, whatever the shape.
ML_INLINE void block(float *out, intptr_t outStride, const float *a, intptr_t aStride,
                     const float *b, intptr_t bStride, intptr_t next, intptr_t count, int isSum,
                     int rows, int vectors) {
  ml_f32x16 sums[6][2];
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < vectors; c++)
      sums[r][c] = isSum ? ml_load(out + r * outStride + 16 * c) : (ml_f32x16)0.0f;
  for (intptr_t i = 0; i < count; i++) {
    ml_f32x16 columns[2];
    for (int c = 0; c < vectors; c++) columns[c] = ml_load(b + i * bStride + c * next);
    for (int r = 0; r < rows; r++)
      for (int c = 0; c < vectors; c++)
        sums[r][c] = ml_madd((ml_f32x16)a[r * aStride + i], columns[c], sums[r][c]);
  }
  for (int r = 0; r < rows; r++)
    for (int c = 0; c < vectors; c++) ml_store(out + r * outStride + 16 * c, sums[r][c]);
}

ML_INLINE intptr_t least(intptr_t a, intptr_t b) { return a < b ? a : b; }

/// Rows that the next block takes: six, but no one or two for the last.
ML_INLINE int height(intptr_t left) { return left >= 6 && left != 8 ? 6 : left >= 4 ? 4 : 1; }

ML_INLINE void scores(float *out, intptr_t outStride, const float *queries, intptr_t stride,
                      intptr_t rows, const float *panels, intptr_t size, intptr_t vectors,
                      intptr_t reach, int width) {
  for (intptr_t c = 0; c < vectors;) {
    const int w = vectors - c >= width ? width : 1;
    const float *b = panels + c * 16 * size;
    // rows that see none of these keys are left out
    intptr_t r = 16 * c - reach + 1;
    for (r = r > 0 ? r : 0; r < rows;) {
      float *to = out + r * outStride + 16 * c;
      const float *a = queries + r * stride;
      const int h = height(rows - r);
#define BLOCK(H, W) block(to, outStride, a, stride, b, 16, 16 * size, size, 0, H, W)
      if (w == 2)
        h == 6 ? BLOCK(6, 2) : h == 4 ? BLOCK(4, 2) : BLOCK(1, 2);
      else
        h == 6 ? BLOCK(6, 1) : h == 4 ? BLOCK(4, 1) : BLOCK(1, 1);
#undef BLOCK
      r += h;
    }
    c += w;
  }
}

ML_INLINE void values(float *out, intptr_t outStride, const float *weights, intptr_t stride,
                      intptr_t rows, const float *from, intptr_t fromStride, intptr_t count,
                      intptr_t vectors, intptr_t reach, int width) {
  for (intptr_t c = 0; c < vectors;) {
    const int w = vectors - c >= width ? width : 1;
    for (intptr_t r = 0; r < rows;) {
      float *to = out + r * outStride + 16 * c;
      const float *a = weights + r * stride;
      const int h = height(rows - r);
      const intptr_t seen = least(count, reach + r + h - 1);
#define BLOCK(H, W) block(to, outStride, a, stride, from + 16 * c, fromStride, 16, seen, 1, H, W)
      if (w == 2)
        h == 6 ? BLOCK(6, 2) : h == 4 ? BLOCK(4, 2) : BLOCK(1, 2);
      else
        h == 6 ? BLOCK(6, 1) : h == 4 ? BLOCK(4, 1) : BLOCK(1, 1);
#undef BLOCK
      r += h;
    }
    c += w;
  }
}

// The same for the instructions that the processor has, whatever the build is for. Sums take two vectors a
// row where there are 32 registers of 16 floats.
#define SCORES                                                                                 \
  (float *out, intptr_t outStride, const float *queries, intptr_t stride, intptr_t rows,       \
   const float *panels, intptr_t size, intptr_t vectors, intptr_t reach)
#define VALUES                                                                                 \
  (float *out, intptr_t outStride, const float *weights, intptr_t stride, intptr_t rows,       \
   const float *from, intptr_t fromStride, intptr_t count, intptr_t vectors, intptr_t reach)
#define VARIANT(NAME, TARGET, WIDTH)                                                           \
  TARGET static void scores_##NAME SCORES {                                                    \
    scores(out, outStride, queries, stride, rows, panels, size, vectors, reach, WIDTH);        \
  }                                                                                            \
  TARGET static void values_##NAME VALUES {                                                    \
    values(out, outStride, weights, stride, rows, from, fromStride, count, vectors, reach,     \
           WIDTH);                                                                             \
  }

VARIANT(plain, , 1)
#ifdef __x86_64__
VARIANT(avx2, __attribute__((target("avx2,fma"))), 1)
VARIANT(avx512, __attribute__((target("avx2,fma,avx512f,avx512vl"))), 2)
#define CHOOSE(WHAT)                                                                           \
  ml_vector_bits() == 512 ? WHAT##_avx512 : ml_vector_bits() == 256 ? WHAT##_avx2 : WHAT##_plain
#else
#define CHOOSE(WHAT) WHAT##_plain
#endif

void ml_attention_scores SCORES {
  (CHOOSE(scores))(out, outStride, queries, stride, rows, panels, size, vectors, reach);
}

void ml_attention_values VALUES {
  (CHOOSE(values))(out, outStride, weights, stride, rows, from, fromStride, count, vectors, reach);
}
