/*
 * The language's arithmetic: i32 wraps around (-fwrapv), division rounds towards minus infinity, comparisons of NaN are
 * false, max and min pass NaN on. Functions are polynomials that hold for NaN, infinities and denormals, to about 2 ulp.
 */
#pragma once
#include <math.h>
#include "instructions.h"

/* integers */
INLINE int32_t s_idiv(int32_t x, int32_t y) { if (y <= 0) return 0; int32_t q = x / y; return q - (x % y < 0); }
INLINE int32_t s_mod(int32_t x, int32_t y) { if (y <= 0) return 0; int32_t r = x % y; return r < 0 ? r + y : r; }
INLINE int32_t s_shl(int32_t x, int32_t y) { return (int32_t)((uint32_t)x << (y & 31)); }
INLINE int32_t s_shr(int32_t x, int32_t y) { return (int32_t)((uint32_t)x >> (y & 31)); }
INLINE int32_t s_absi(int32_t x) { return x < 0 ? -x : x; }
INLINE int32_t s_maxi(int32_t x, int32_t y) { return x > y ? x : y; }
INLINE int32_t s_mini(int32_t x, int32_t y) { return x < y ? x : y; }
INLINE vi v_idiv(vi x, vi y) { LANES x[l] = s_idiv(x[l], y[l]); return x; }
INLINE vi v_mod(vi x, vi y) { LANES x[l] = s_mod(x[l], y[l]); return x; }
INLINE vi v_shl(vi x, vi y) { return (vi)((vu)x << (vu)(y & 31)); }
INLINE vi v_shr(vi x, vi y) { return (vi)((vu)x >> (vu)(y & 31)); }
INLINE vi v_absi(vi x) { return v_seli(x < 0, -x, x); }
INLINE vi v_maxi(vi x, vi y) { return v_seli(x > y, x, y); }
INLINE vi v_mini(vi x, vi y) { return v_seli(x < y, x, y); }

/* conversions: towards zero and modulo 2^32, NaN to 0 */
INLINE int32_t s_int(float x) {
  if (x > -2147483648.0f && x < 2147483648.0f) return (int32_t)x;
  if (!(x - x == 0)) return 0;
  double r = fmod(x, 4294967296.0);
  return (int32_t)(uint32_t)(int64_t)r;
}
INLINE vi v_int(vf x) { vi r = {0}; LANES r[l] = s_int(x[l]); return r; }
INLINE vf v_float(vi x) { return __builtin_convertvector(x, vf); }

/* floats: where one is NaN so is the result */
INLINE float s_maxf(float x, float y) { return x > y || x != x ? x : y; }
INLINE float s_minf(float x, float y) { return x < y || x != x ? x : y; }
INLINE vf v_maxf(vf x, vf y) { return v_self((x > y) | (x != x), x, y); }
INLINE vf v_minf(vf x, vf y) { return v_self((x < y) | (x != x), x, y); }
INLINE float h_maxf(vf x) { float m = x[0]; for (int l = 1; l < VW; l++) m = s_maxf(m, x[l]); return m; }
INLINE int32_t h_maxi(vi x) { int32_t m = x[0]; for (int l = 1; l < VW; l++) m = s_maxi(m, x[l]); return m; }
INLINE vf v_absf(vf x) { return (vf)((vi)x & 0x7fffffff); }
INLINE vf v_signed(vf magnitude, vf sign) { return (vf)((vi)magnitude | ((vi)sign & (int32_t)0x80000000)); }

/* x between two bounds; NaN stays */
INLINE vf v_between(vf x, float lo, float hi) { return GREATER(bcf(lo), LESS(bcf(hi), x)); }

INLINE vf v_sqrt(vf x) {
#if defined(ROOT)
  return ROOT(x);
#else
  LANES x[l] = __builtin_sqrtf(x[l]);
  return x;
#endif
}
INLINE vf v_rsqrt(vf x) { return 1.0f / v_sqrt(x); }

/* whole numbers from 2^23 on have no fraction; NaN is neither below nor above */
INLINE vf v_floor(vf x) {
  vi small = v_absf(x) < 8388608.0f;
  vf t = v_float(__builtin_convertvector(v_self(small, x, bcf(0)), vi));
  vf f = t - v_self(t > x, bcf(1), bcf(0));
  return v_self(small, v_signed(f, x), x);
}

/* 2^n for n in -126 .. 127 */
INLINE vf v_pow2(vi n) { return (vf)((n + 127) << 23); }

/*
 * exp(x) = 2^n exp(r), n the nearest whole number to x / log 2. 2^n is multiplied in two steps, so that results reach
 * infinity and the denormals. The clamps let NaN through.
 */
INLINE vf v_exp(vf x) {
  x = v_between(x, -104.0f, 89.0f);
  vf t = x * 1.44269504088896341f + 12582912.0f;
  vf n = t - 12582912.0f;
  vf r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  vf p = bcf(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * (r * r) + r + 1.0f;
#if defined(SCALED)
  return SCALED(p, n);
#else
  /* the low bits of t hold n, as a difference from 12582912's own */
  vi k = (vi)t - 0x4b400000;
  vi half = k >> 1;
  return p * v_pow2(half) * v_pow2(k - half);
#endif
}

/* log(x) = e log 2 + log(m), m in sqrt(1/2) .. sqrt(2) */
INLINE vf v_log(vf x) {
  vi tiny = x < 1.17549435e-38f;
  vf y = v_self(tiny, x * 8388608.0f, x);
  vi b = (vi)y;
  vi e = (b - 0x3f3504f3) >> 23;
  vf f = (vf)(b - (e << 23)) - 1.0f;
  vf n = v_float(e) - v_self(tiny, bcf(23.0f), bcf(0));
  vf z = f * f;
  vf p = bcf(7.0376836292e-2f);
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  vf r = p * f * z + n * -2.12194440e-4f - 0.5f * z + f;
  r = r + n * 0.693359375f;
  r = v_self(x == bcf(INFINITY), x, r);
  r = v_self(x == 0.0f, bcf(-INFINITY), r);
  return v_self((x < 0.0f) | (x != x), bcf(NAN), r);
}

/* x P(x^2) / Q(x^2), fitted to a relative error of 2e-8 up to 3.92; further on it is 1 at first, then above; rounding adds 3e-7 */
INLINE vf v_erf(vf x) {
  x = v_between(x, -4.1f, 4.1f);
  vf s = x * x;
  vf p = bcf(2.0500810393e-6f);
  p = p * s + 2.8488256272e-4f;
  p = p * s + 3.7656268999e-3f;
  p = p * s + 5.2748758655e-2f;
  p = p * s + 1.9040675311e-1f;
  p = p * s + 1.1283791461f;
  vf q = bcf(3.8091639608e-5f);
  q = q * s + 1.1625370682e-3f;
  q = q * s + 1.4969239056e-2f;
  q = q * s + 1.1410922745e-1f;
  q = q * s + 5.0207633242e-1f;
  q = q * s + 1.0f;
  return v_between(x * p / q, -1.0f, 1.0f);
}

/* near 0 a polynomial; elsewhere (1 - q) / (1 + q), q = exp(-2 |x|) */
INLINE vf v_tanh(vf x) {
  vf a = v_absf(x), s = x * x;
  vf q = v_exp(a * -2.0f);
  vf far = v_signed((1.0f - q) / (1.0f + q), x);
  vf p = bcf(-5.70498872745e-3f);
  p = p * s + 2.06390887954e-2f;
  p = p * s - 5.37397155531e-2f;
  p = p * s + 1.33314422036e-1f;
  p = p * s - 3.33332819422e-1f;
  return v_self(a < 0.625f, x * (p * s) + x, far);
}

/* sine of x + quarter turns: reduced by pi/2 in three parts where that is exact enough, by libm beyond */
INLINE vf v_turned(vf x, int quarters) {
  vf n = v_floor(x * 0.63661977236758134f + 0.5f);
  vf r = x - n * 1.5703125f;
  r = r - n * 4.83751296997e-4f;
  r = r - n * 7.54978941586e-8f;
  vi k = __builtin_convertvector(v_self(v_absf(n) < 1e6f, n, bcf(0)), vi) + quarters;
  vf s = r * r;
  vf sine = bcf(-1.9515295891e-4f);
  sine = sine * s + 8.3321608736e-3f;
  sine = sine * s - 1.6666654611e-1f;
  sine = sine * s * r + r;
  vf cosine = bcf(2.443315711809948e-5f);
  cosine = cosine * s - 1.388731625493765e-3f;
  cosine = cosine * s + 4.166664568298827e-2f;
  cosine = cosine * s * s - 0.5f * s + 1.0f;
  vf y = v_self((k & 1) != 0, cosine, sine);
  y = v_self((k & 2) != 0, -y, y);
  vi far = ~(v_absf(x) <= 8192.0f);
  int any = 0;
  LANES any |= far[l];
  if (any) LANES if (far[l]) y[l] = quarters ? cosf(x[l]) : sinf(x[l]);
  return y;
}
INLINE vf v_sin(vf x) { return v_turned(x, 0); }
INLINE vf v_cos(vf x) { return v_turned(x, 1); }

/* one number by the same code, so that a result does not depend on where an element lies */
#define SCALAR(f) INLINE float s_##f(float x) { return v_##f(bcf(x))[0]; }
SCALAR(exp) SCALAR(log) SCALAR(erf) SCALAR(tanh) SCALAR(sin) SCALAR(cos)
INLINE float s_sqrt(float x) { return __builtin_sqrtf(x); }
INLINE float s_rsqrt(float x) { return 1.0f / __builtin_sqrtf(x); }
INLINE float s_floor(float x) { return __builtin_floorf(x); }
INLINE float s_absf(float x) { return __builtin_fabsf(x); }
