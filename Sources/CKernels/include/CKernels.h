// SIMD helpers that Swift cannot spell. Each is small, `static inline`, and imports into Swift
// with `ml_f32x16` as `SIMD16<Float>`, so that it inlines into the Swift loop that calls it.
// Portable: any clang lowers `ext_vector_type(16)` to what the target has (AVX-512, AVX2, NEON).
#pragma once

#include <stdint.h>
#include <string.h>

// "without avx512f changes the ABI": nothing here is ever called, all of it is inlined.
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wpsabi"

#define ML_INLINE static inline __attribute__((always_inline))

typedef float ml_f32x16 __attribute__((ext_vector_type(16)));
typedef float ml_f32x8 __attribute__((ext_vector_type(8)));
typedef float ml_f32x4 __attribute__((ext_vector_type(4)));
typedef int32_t ml_i32x16 __attribute__((ext_vector_type(16)));

// MARK: Loads and stores, any alignment

ML_INLINE ml_f32x16 ml_load(const float *p) {
  ml_f32x16 v;
  memcpy(&v, p, sizeof v);
  return v;
}

ML_INLINE void ml_store(float *p, ml_f32x16 v) { memcpy(p, &v, sizeof v); }

/// The first n (0...16) of sixteen; the rest are zero.
ML_INLINE ml_f32x16 ml_load_first(const float *p, intptr_t n) {
  ml_f32x16 v = 0;
  memcpy(&v, p, (size_t)n * sizeof(float));
  return v;
}

ML_INLINE void ml_store_first(float *p, ml_f32x16 v, intptr_t n) {
  memcpy(p, &v, (size_t)n * sizeof(float));
}

/// The first n (0...16) lanes of v; the rest are zero.
ML_INLINE ml_f32x16 ml_first(ml_f32x16 v, intptr_t n) {
  for (intptr_t i = n; i < 16; i++) v[i] = 0;
  return v;
}

// MARK: Arithmetic

/// a * b + c, fused where the target can (clang contracts within one expression).
ML_INLINE ml_f32x16 ml_madd(ml_f32x16 a, ml_f32x16 b, ml_f32x16 c) {
#pragma STDC FP_CONTRACT ON
  return a * b + c;
}

ML_INLINE ml_f32x16 ml_select(ml_i32x16 mask, ml_f32x16 yes, ml_f32x16 no) {
  return (ml_f32x16)((mask & (ml_i32x16)yes) | (~mask & (ml_i32x16)no));
}

/// a > b ? a : b; a NaN in b passes through.
ML_INLINE ml_f32x16 ml_max(ml_f32x16 a, ml_f32x16 b) { return ml_select(a > b, a, b); }

/// a < b ? a : b; a NaN in b passes through.
ML_INLINE ml_f32x16 ml_min(ml_f32x16 a, ml_f32x16 b) { return ml_select(a < b, a, b); }

ML_INLINE ml_f32x16 ml_sqrt(ml_f32x16 a) { return __builtin_elementwise_sqrt(a); }

/// Sum of the lanes, by halves: a fixed order.
ML_INLINE float ml_sum(ml_f32x16 v) {
  ml_f32x8 a = v.lo + v.hi;
  ml_f32x4 b = a.lo + a.hi;
  return (b.x + b.z) + (b.y + b.w);
}

ML_INLINE float ml_largest(ml_f32x16 v) {
  float largest = v[0];
  for (int i = 1; i < 16; i++) largest = v[i] > largest ? v[i] : largest;
  return largest;
}

/// scores[q * stride + k] = queries[q] . keys[k] for keyCount <= 4 keys and queryCount <= 4
/// queries of d floats. One chain of sums a pair: a score's bits depend on its two rows alone.
/// The counts should be constants, for the sums to stay in registers.
ML_INLINE void ml_inner_products(float *scores, intptr_t stride, const float *keys,
                                 const float *queries, intptr_t d, int keyCount, int queryCount) {
  ml_f32x16 sums[4][4];
  for (int q = 0; q < queryCount; q++)
    for (int k = 0; k < keyCount; k++) sums[q][k] = 0;
  intptr_t i = 0;
  for (; i + 16 <= d; i += 16)
    for (int q = 0; q < queryCount; q++)
      for (int k = 0; k < keyCount; k++)
        sums[q][k] = ml_madd(ml_load(keys + k * d + i), ml_load(queries + q * d + i), sums[q][k]);
  if (i < d)
    for (int q = 0; q < queryCount; q++)
      for (int k = 0; k < keyCount; k++)
        sums[q][k] = ml_madd(ml_load_first(keys + k * d + i, d - i),
                             ml_load_first(queries + q * d + i, d - i), sums[q][k]);
  for (int q = 0; q < queryCount; q++)
    for (int k = 0; k < keyCount; k++) scores[q * stride + k] = ml_sum(sums[q][k]);
}

/// ml_sum of each of four vectors, in the same order of additions.
ML_INLINE ml_f32x4 ml_sums(ml_f32x16 a, ml_f32x16 b, ml_f32x16 c, ml_f32x16 d) {
  ml_f32x16 ab =
      __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
      __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  ml_f32x16 cd =
      __builtin_shufflevector(c, d, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
      __builtin_shufflevector(c, d, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  ml_f32x16 all =
      __builtin_shufflevector(ab, cd, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
      __builtin_shufflevector(ab, cd, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  all += __builtin_shufflevector(all, all, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
  all += __builtin_shufflevector(all, all, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  return __builtin_shufflevector(all, all, 0, 4, 8, 12);
}

/// The same scores as ml_inner_products of four keys and four queries, whose rows are padded with
/// zeros to d, a multiple of 16.
ML_INLINE void ml_inner_tile(float *scores, intptr_t stride, const float *keys,
                             const float *queries, intptr_t d) {
  ml_f32x16 sums[4][4];
  for (int q = 0; q < 4; q++)
    for (int k = 0; k < 4; k++) sums[q][k] = 0;
  for (intptr_t i = 0; i < d; i += 16) {
    ml_f32x16 key[4];
    for (int k = 0; k < 4; k++) key[k] = ml_load(keys + k * d + i);
    for (int q = 0; q < 4; q++) {
      ml_f32x16 query = ml_load(queries + q * d + i);
      for (int k = 0; k < 4; k++) sums[q][k] = ml_madd(key[k], query, sums[q][k]);
    }
  }
  for (int q = 0; q < 4; q++) {
    ml_f32x4 four = ml_sums(sums[q][0], sums[q][1], sums[q][2], sums[q][3]);
    memcpy(scores + q * stride, &four, sizeof four);
  }
}

// MARK: Scanning

/// The first index of from ..< count at which x is above limit; count where there is none.
ML_INLINE intptr_t ml_first_above(const float *x, intptr_t from, intptr_t count, float limit) {
  intptr_t i = from;
  for (; i + 64 <= count; i += 64) {
    ml_i32x16 above = (ml_load(x + i) > limit) | (ml_load(x + i + 16) > limit) |
                      (ml_load(x + i + 32) > limit) | (ml_load(x + i + 48) > limit);
    if (__builtin_reduce_or(above)) break;
  }
  while (i < count && !(x[i] > limit)) i++;
  return i;
}

/// The first index at which x is infinite or not a number; count where there is none.
ML_INLINE intptr_t ml_first_not_finite(const float *x, intptr_t count) {
  // such a number's difference from itself is not zero
  intptr_t i = 0;
  for (; i + 64 <= count; i += 64) {
    ml_i32x16 bad = 0;
    for (int j = 0; j < 64; j += 16) bad |= (ml_load(x + i + j) - ml_load(x + i + j)) != 0.0f;
    if (__builtin_reduce_or(bad)) break;
  }
  while (i < count && x[i] - x[i] == 0.0f) i++;
  return i;
}

// MARK: Attention's tiles

/// out[rows][keys] = queries[rows][size] . keys, which lie in `vectors` panels [size][16] one behind the
/// other. Row r sees keys before reach + r: what no row of a block sees is not written.
void ml_attention_scores(float *out, intptr_t outStride, const float *queries, intptr_t stride,
                         intptr_t rows, const float *panels, intptr_t size, intptr_t vectors,
                         intptr_t reach);

/// out[rows][16 vectors] += weights[rows][count] from[count][16 vectors]. Row r's weights are read
/// before reach + r and, up to five more, beyond: they are to be zero there.
void ml_attention_values(float *out, intptr_t outStride, const float *weights, intptr_t stride,
                         intptr_t rows, const float *from, intptr_t fromStride, intptr_t count,
                         intptr_t vectors, intptr_t reach);

/// out[8][16]: eight columns of eight rows of floats `stride` apart, of the first or the second half.
ML_INLINE void ml_transpose8(float *out, const float *rows, intptr_t stride) {
  ml_f32x8 a[8], b[8], c[8];
  for (int i = 0; i < 8; i++) memcpy(&a[i], rows + i * stride, sizeof a[i]);
  for (int i = 0; i < 8; i += 2) {
    b[i] = __builtin_shufflevector(a[i], a[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
    b[i + 1] = __builtin_shufflevector(a[i], a[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
  }
  for (int i = 0; i < 8; i += 4)
    for (int j = 0; j < 2; j++) {
      c[i + 2 * j] = __builtin_shufflevector(b[i + j], b[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
      c[i + 2 * j + 1] =
          __builtin_shufflevector(b[i + j], b[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
    }
  for (int i = 0; i < 4; i++) {
    ml_f32x8 low = __builtin_shufflevector(c[i], c[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
    ml_f32x8 high = __builtin_shufflevector(c[i], c[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    memcpy(out + i * 16, &low, sizeof low);
    memcpy(out + (i + 4) * 16, &high, sizeof high);
  }
}

/// Keys[count][size], `stride` apart, as panels [size][16] of sixteen keys; what the last has to spare is
/// zero.
ML_INLINE void ml_pack_keys(float *out, const float *keys, intptr_t stride, intptr_t count,
                            intptr_t size) {
  for (intptr_t first = 0; first < count; first += 8) {
    float *to = out + first / 16 * 16 * size + first % 16;
    const float *from = keys + first * stride;
    intptr_t i = 0;
    if (first + 8 <= count)
      for (; i + 8 <= size; i += 8) ml_transpose8(to + i * 16, from + i, stride);
    for (; i < size; i++)
      for (intptr_t k = 0; k < 8; k++)
        to[i * 16 + k] = first + k < count ? from[k * stride + i] : 0;
  }
  if (count % 16 > 0 && count % 16 <= 8)
    for (intptr_t i = 0; i < size; i++)
      memset(out + (count / 16 * size + i) * 16 + 8, 0, 8 * sizeof(float));
}

// MARK: Functions

/// e^x to about 1e-7 relative: x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial of degree 7 in r.
/// Below -87.3 the result is 0, above 88.3 it stays at e^88.3; NaN stays NaN.
ML_INLINE ml_f32x16 ml_exp(ml_f32x16 x) {
#pragma STDC FP_CONTRACT ON
  const ml_f32x16 lowest = -87.336544f, highest = 88.3f, shift = 12582912.0f;  // 1.5 * 2^23
  ml_i32x16 kept = ~(x < lowest);
  x = ml_min(highest, ml_max(lowest, x));
  ml_f32x16 shifted = x * 1.44269504f + shift;  // n sits in the low bits
  ml_f32x16 n = shifted - shift;
  ml_f32x16 r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  ml_f32x16 p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
  ml_i32x16 scaled = (ml_i32x16)p + ((ml_i32x16)shifted << 23);
  return (ml_f32x16)(scaled & kept);
}

/// 1 / (1 + e^-x)
ML_INLINE ml_f32x16 ml_sigmoid(ml_f32x16 x) { return 1.0f / (1.0f + ml_exp(-x)); }

/// erf(x) as a ratio of polynomials on [-4, 4], constant beyond (the coefficients of Eigen and XLA).
ML_INLINE ml_f32x16 ml_erf(ml_f32x16 x) {
#pragma STDC FP_CONTRACT ON
  const ml_f32x16 lowest = -4.0f, highest = 4.0f;
  x = ml_min(highest, ml_max(lowest, x));
  ml_f32x16 s = x * x;
  ml_f32x16 a = s * -2.72614225801306e-10f + 2.77068142495902e-08f;
  a = a * s + -2.10102402082508e-06f;
  a = a * s + -5.69250639462346e-05f;
  a = a * s + -7.34990630326855e-04f;
  a = a * s + -2.95459980854025e-03f;
  a = a * s + -1.60960333262415e-02f;
  ml_f32x16 b = s * -1.45660718464996e-05f + -2.13374055278905e-04f;
  b = b * s + -1.68282697438203e-03f;
  b = b * s + -7.37332916720468e-03f;
  b = b * s + -1.42647390514189e-02f;
  return x * a / b;
}

// MARK: Scalars, so that Swift needs no C library module of one platform's name

ML_INLINE double ml_scalar_log(double x) { return __builtin_log(x); }
ML_INLINE double ml_scalar_exp(double x) { return __builtin_exp(x); }
ML_INLINE double ml_scalar_cos(double x) { return __builtin_cos(x); }
ML_INLINE double ml_scalar_sin(double x) { return __builtin_sin(x); }
ML_INLINE double ml_scalar_pow(double x, double y) { return __builtin_pow(x, y); }

// MARK: Narrow types, by integer arithmetic alone: the loops vectorise on every target

ML_INLINE float ml_from_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

ML_INLINE uint32_t ml_to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

ML_INLINE void ml_bf16_to_f32(float *out, const uint16_t *in, intptr_t count) {
  for (intptr_t i = 0; i < count; i++) out[i] = ml_from_bits((uint32_t)in[i] << 16);
}

/// Round to nearest, ties to even; a NaN stays a (quiet) NaN.
ML_INLINE void ml_f32_to_bf16(uint16_t *out, const float *in, intptr_t count) {
  for (intptr_t i = 0; i < count; i++) {
    uint32_t bits = ml_to_bits(in[i]);
    uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    out[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : rounded);
  }
}

ML_INLINE void ml_f16_to_f32(float *out, const uint16_t *in, intptr_t count) {
  for (intptr_t i = 0; i < count; i++) {
    uint32_t magnitude = (uint32_t)(in[i] & 0x7fff) << 13, sign = (uint32_t)(in[i] & 0x8000) << 16;
    // The multiplication moves the exponent's bias and normalises subnormals exactly.
    uint32_t finite = ml_to_bits(ml_from_bits(magnitude) * 0x1p112f);
    uint32_t special = magnitude | 0x7f800000;
    out[i] = ml_from_bits(sign | (magnitude >= 0x0f800000 ? special : finite));
  }
}

/// Round to nearest, ties to even; beyond 65519 infinity; a NaN stays a (quiet) NaN.
ML_INLINE void ml_f32_to_f16(uint16_t *out, const float *in, intptr_t count) {
  for (intptr_t i = 0; i < count; i++) {
    uint32_t bits = ml_to_bits(in[i]), magnitude = bits & 0x7fffffff;
    uint32_t normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    // Adding 0.5 leaves a subnormal's value, rounded, in the low bits.
    uint32_t small = ml_to_bits(ml_from_bits(magnitude) + 0.5f) - 0x3f000000;
    uint32_t special = magnitude > 0x7f800000 ? 0x7e00 | ((magnitude >> 13) & 0x3ff) : 0x7c00;
    uint32_t value = magnitude >= 0x477ff000 ? special : magnitude < 0x38800000 ? small : normal;
    out[i] = (uint16_t)(value | ((bits >> 16) & 0x8000));
  }
}

// MARK: Counter-based random numbers

/// The output function of splitmix64.
ML_INLINE uint64_t ml_mix64(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/// Element i of splitmix64's sequence `key` (mixed once, so that near keys are far apart),
/// without the ones before it: 32 bits.
ML_INLINE uint32_t ml_random32(uint64_t mixed_key, uint64_t i) {
  return (uint32_t)(ml_mix64(mixed_key + i * 0x9e3779b97f4a7c15u) >> 32);
}

/// out (= or +=) x where the element's random number is at least `threshold`, times scale; else 0.
ML_INLINE void ml_dropout(float *out, const float *x, intptr_t count, uint64_t mixed_key,
                          uint64_t offset, uint32_t threshold, float scale, float keep) {
  for (intptr_t i = 0; i < count; i++) {
    float kept = ml_random32(mixed_key, offset + (uint64_t)i) >= threshold ? scale : 0.0f;
    out[i] = x[i] * kept + (keep == 0.0f ? 0.0f : out[i]);
  }
}

// MARK: The processor

/// Bits of the vectors that sgemm's kernels for x86-64-v3 and v4 take, else 128; 0 on other processors.
ML_INLINE int ml_vector_bits(void) {
#ifdef __x86_64__
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) return 512;
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 256 : 128;
#else
  return 0;
#endif
}

#pragma clang diagnostic pop
