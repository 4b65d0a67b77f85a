/*
 * Vectors of VW lanes by GCC's and Clang's vector extensions: one source for AVX-512, AVX2, SSE and NEON.
 * A bool is 0 or 1 as a scalar and a mask (all bits of a lane) as a vector. f16 and bf16 are computed in f32 and rounded.
 * Prefix v_: vectors; s_: the same of one number.
 */
#pragma once
#include <stdint.h>
#include <stddef.h>
#include <string.h>
#ifndef VW
# if defined(__AVX512F__)
#  define VW 16
# elif defined(__AVX__)
#  define VW 8
# else
#  define VW 4
# endif
#endif
typedef float vf __attribute__((vector_size(VW * 4)));
typedef int32_t vi __attribute__((vector_size(VW * 4)));
typedef uint32_t vu __attribute__((vector_size(VW * 4)));
typedef uint8_t vb __attribute__((vector_size(VW)));
typedef uint16_t vh __attribute__((vector_size(VW * 2)));
/* the same at any address */
typedef float vf_any __attribute__((vector_size(VW * 4), aligned(4), may_alias));
typedef int32_t vi_any __attribute__((vector_size(VW * 4), aligned(4), may_alias));
typedef uint8_t vb_any __attribute__((vector_size(VW), aligned(1), may_alias));
typedef uint16_t vh_any __attribute__((vector_size(VW * 2), aligned(2), may_alias));

#define INLINE static inline __attribute__((always_inline, unused))
#define LANES for (int l = 0; l < VW; l++)

INLINE vf bcf(float x) { return x - (vf){0}; }
INLINE vi bci(int32_t x) { return x - (vi){0}; }
INLINE vi bcm(int32_t x) { return bci(-x); }
#if VW == 16
# define IOTA ((vi){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})
#elif VW == 8
# define IOTA ((vi){0, 1, 2, 3, 4, 5, 6, 7})
#else
# define IOTA ((vi){0, 1, 2, 3})
#endif

INLINE vi v_seli(vi m, vi x, vi y) { return (m & x) | (~m & y); }
INLINE vf v_self(vi m, vf x, vf y) { return (vf)v_seli(m, (vi)x, (vi)y); }

/* half precision: storage only; ties to even, beyond 65519 infinite */
INLINE float s_half(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff;
  union { uint32_t u; float f; } r, magic = {113u << 23};
  if (rest >= 0x7c00) r.u = 0x7f800000u | (rest & 0x3ff) << 13;
  else if (rest >= 0x400) r.u = (rest << 13) + (112u << 23);
  else { r.u = (113u << 23) + (rest << 13); r.f -= magic.f; }
  r.u |= sign;
  return r.f;
}
INLINE uint16_t s_tohalf(float x) {
  union { float f; uint32_t u; } v = {x}, magic = {0};
  uint32_t sign = v.u & 0x80000000u;
  uint16_t out;
  v.u ^= sign;
  if (v.u >= 0x47800000u) out = v.u > 0x7f800000u ? 0x7e00 : 0x7c00;
  else if (v.u < 0x38800000u) { magic.u = 126u << 23; v.f += magic.f; out = (uint16_t)(v.u - magic.u); }
  else { uint32_t odd = (v.u >> 13) & 1; v.u += ((uint32_t)(15 - 127) << 23) + 0xfff + odd; out = (uint16_t)(v.u >> 13); }
  return out | (uint16_t)(sign >> 16);
}
INLINE float s_round16(float x) { return s_half(s_tohalf(x)); }
INLINE vf v_round16(vf x) { vf r = x; LANES r[l] = s_round16(x[l]); return r; }

/* bfloat16: the upper half of an f32, ties to even; a NaN keeps a bit of its own */
INLINE float s_wide(uint16_t w) { union { uint32_t u; float f; } r = {(uint32_t)w << 16}; return r.f; }
INLINE uint16_t s_tow(float x) {
  union { float f; uint32_t u; } v = {x};
  if (x != x) return (uint16_t)(v.u >> 16 | 0x40);
  return (uint16_t)((v.u + 0x7fff + (v.u >> 16 & 1)) >> 16);
}
INLINE float s_roundw(float x) { return s_wide(s_tow(x)); }
INLINE vu v_tow(vf x) {
  vu u = (vu)x;
  return (vu)v_seli(x != x, (vi)(u | 0x400000), (vi)(u + 0x7fff + (u >> 16 & 1))) & 0xffff0000u;
}
INLINE vf v_roundw(vf x) { return (vf)v_tow(x); }

/* whole loads and stores at any address */
INLINE vf v_ldf(const float *p) { return *(const vf_any *)p; }
INLINE vi v_ldi(const int32_t *p) { return *(const vi_any *)p; }
INLINE vi v_ldb(const uint8_t *p) { return __builtin_convertvector(*(const vb_any *)p, vi) != 0; }
INLINE vf v_ldh(const uint16_t *p) { vf r = {0}; LANES r[l] = s_half(p[l]); return r; }
INLINE vf v_ldw(const uint16_t *p) { return (vf)(__builtin_convertvector(*(const vh_any *)p, vu) << 16); }
INLINE void v_stf(float *p, vf x) { *(vf_any *)p = x; }
INLINE void v_sti(int32_t *p, vi x) { *(vi_any *)p = x; }
INLINE void v_stb(uint8_t *p, vi m) { *(vb_any *)p = __builtin_convertvector(-m, vb); }
INLINE void v_sth(uint16_t *p, vf x) { LANES p[l] = s_tohalf(x[l]); }
INLINE void v_stw(uint16_t *p, vf x) { *(vh_any *)p = __builtin_convertvector(v_tow(x) >> 16, vh); }

INLINE float s_ldf(const float *p) { return *p; }
INLINE int32_t s_ldi(const int32_t *p) { return *p; }
INLINE int32_t s_ldb(const uint8_t *p) { return *p != 0; }
INLINE float s_ldh(const uint16_t *p) { return s_half(*p); }
INLINE float s_ldw(const uint16_t *p) { return s_wide(*p); }
INLINE void s_stf(float *p, float x) { *p = x; }
INLINE void s_sti(int32_t *p, int32_t x) { *p = x; }
INLINE void s_stb(uint8_t *p, int32_t x) { *p = (uint8_t)x; }
INLINE void s_sth(uint16_t *p, float x) { *p = s_tohalf(x); }
INLINE void s_stw(uint16_t *p, float x) { *p = s_tow(x); }

/* an index that may be out of range is brought back: its value is never used, but its address must exist */
INLINE long s_clamp(long i, long n) { return i < 0 ? 0 : i >= n ? n - 1 : i; }
INLINE int32_t s_within(int32_t x, int32_t lo, int32_t hi) { return x < lo ? lo : x > hi ? hi : x; }
INLINE vi v_within(vi x, int32_t lo, int32_t hi) { return v_seli(x < lo, bci(lo), v_seli(x > hi, bci(hi), x)); }

/*
 * Per element type: strided loads (element o + l s), the same with indices brought into 0 .. n-1, and gathers.
 * The stores of lanes at a stride and wherever each belongs are their counterparts; a store is always within its buffer.
 */
#define LOADS(k, element, vector, lane) \
  INLINE vector v_lds##k(const element *p, long s) { vector r = {0}; LANES r[l] = lane(s_ld##k(p + l * s)); return r; } \
  INLINE vector v_ldc##k(const element *p, long o, long s, long n) { \
    if (s == 1 && o >= 0 && o + VW <= n) return v_ld##k(p + o); \
    vector r = {0}; LANES r[l] = lane(s_ld##k(p + s_clamp(o + l * s, n))); return r; } \
  INLINE vector v_ldg##k(const element *p, vi o, long n) { vector r = {0}; LANES r[l] = lane(s_ld##k(p + s_clamp(o[l], n))); return r; } \
  INLINE void v_sts##k(element *p, long s, vector x) { LANES s_st##k(p + l * s, lane(x[l])); } \
  INLINE void v_stg##k(element *p, vi o, vector x) { LANES s_st##k(p + o[l], lane(x[l])); }
#define SAME(x) (x)
#define MASK(x) (-(x))
LOADS(f, float, vf, SAME)
LOADS(i, int32_t, vi, SAME)
LOADS(b, uint8_t, vi, MASK)
LOADS(h, uint16_t, vf, SAME)
LOADS(w, uint16_t, vf, SAME)

/* folds of the lanes, always in the same order */
INLINE float h_sumf(vf x) { for (int w = VW / 2; w > 0; w /= 2) for (int l = 0; l < w; l++) x[l] += x[l + w]; return x[0]; }
INLINE int32_t h_sumi(vi x) { int32_t s = 0; LANES s += x[l]; return s; }
