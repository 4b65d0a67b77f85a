/*
 * Matrix products: operands are packed into panels that the register-blocked kernel reads in order, blocked for the
 * caches (Goto, van de Geijn, "Anatomy of high-performance matrix multiplication", 2008). Every sum is taken in the
 * same order for any number of threads.
 */
#include <stdlib.h>
#include "runtime.h"

enum { MC = 8 * MR, KC = 1088, NC = 1536 };

typedef float v4 __attribute__((vector_size(16)));
typedef float v4_any __attribute__((vector_size(16), aligned(4), may_alias));

/* c[MR][nv vectors] (+)= sum over k of a[k][MR] b[k][NR] */
#define TILE(name, nv) \
  static __attribute__((noinline)) void name(long kc, const float *a, const float *b, float *c, long ld, int add) { \
    vf s[MR][nv]; \
    _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) s[i][j] = (vf){0}; \
    _Pragma("GCC unroll 4") for (long k = 0; k < kc; k++, a += MR, b += NR) { \
      vf x[nv]; \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) x[j] = v_ldf(b + j * VW); \
      _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) { \
        vf y = bcf(a[i]); \
        _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) s[i][j] += y * x[j]; \
      } \
    } \
    _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) { \
        float *to = c + i * ld + j * VW; \
        v_stf(to, add ? v_ldf(to) + s[i][j] : s[i][j]); \
      } \
  }
TILE(tile1, 1)
TILE(tile2, 2)

static void tile(long kc, const float *a, const float *b, float *c, long ld, long n, int add) {
  if (n <= VW) tile1(kc, a, b, c, ld, add); else tile2(kc, a, b, c, ld, add);
}

/* ---- packing ---- */

static long offset(const Axes *x, long i) {
  long o = 0;
  for (int l = x->levels - 1; l > 0; l--) { o += i % x->extent[l] * x->stride[l]; i /= x->extent[l]; }
  return x->levels == 0 ? 0 : o + i * x->stride[0];
}

#ifdef __clang__
# define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
# define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif
/* within each four lanes: of two vectors the first or last two one by one, or the first or last pair */
#if VW == 16
# define FIRST(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
# define LAST(a, b) SHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
# define FIRST_PAIR(a, b) SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
# define LAST_PAIR(a, b) SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
# define FOUR(x, q) ((v4)_mm512_extractf32x4_ps((__m512)(x), q))
#elif VW == 8
# define FIRST(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
# define LAST(a, b) SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
# define FIRST_PAIR(a, b) SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
# define LAST_PAIR(a, b) SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
# define FOUR(x, q) ((v4)_mm256_extractf128_ps((__m256)(x), q))
#else
# define FIRST(a, b) SHUFFLE(a, b, 0, 4, 1, 5)
# define LAST(a, b) SHUFFLE(a, b, 2, 6, 3, 7)
# define FIRST_PAIR(a, b) SHUFFLE(a, b, 0, 1, 4, 5)
# define LAST_PAIR(a, b) SHUFFLE(a, b, 2, 3, 6, 7)
# define FOUR(x, q) (x)
#endif

/* VW elements of four rows, which begin at p + row[0] .. row[3], as columns of four */
INLINE void turn(const float *p, const long *row, float *to, long width) {
  vf a = v_ldf(p + row[0]), b = v_ldf(p + row[1]), c = v_ldf(p + row[2]), d = v_ldf(p + row[3]);
  vf x = FIRST(a, b), y = LAST(a, b), z = FIRST(c, d), w = LAST(c, d);
  vf r0 = FIRST_PAIR(x, z), r1 = LAST_PAIR(x, z), r2 = FIRST_PAIR(y, w), r3 = LAST_PAIR(y, w);
#define COLUMNS(q) \
  *(v4_any *)(to + (4 * q + 0) * width) = FOUR(r0, q); *(v4_any *)(to + (4 * q + 1) * width) = FOUR(r1, q); \
  *(v4_any *)(to + (4 * q + 2) * width) = FOUR(r2, q); *(v4_any *)(to + (4 * q + 3) * width) = FOUR(r3, q);
  COLUMNS(0)
#if VW >= 8
  COLUMNS(1)
#endif
#if VW >= 16
  COLUMNS(2) COLUMNS(3)
#endif
}

INLINE void pack_panel(const float *p, const long *row, int full, int adjacent, const long *col, int consecutive, long n, long kc, long width, float *to) {
  if (full && adjacent) {
    for (long k = 0; k < kc; k++) memcpy(to + k * width, p + row[0] + col[k], width * sizeof(float));
    return;
  }
  long k = 0;
  if (full && consecutive)
    /* a row's cache line is read as a whole while it is near */
    for (; k + VW <= kc; k += VW) {
      long r = 0;
      for (; r + 4 <= width; r += 4) turn(p + col[k], row + r, to + k * width + r, width);
      for (; r < width; r++)
        for (long j = 0; j < VW; j++) to[(k + j) * width + r] = p[row[r] + col[k] + j];
    }
  for (; k < kc; k++) {
    long r = 0;
    for (; r < n; r++) to[k * width + r] = p[row[r] + col[k]];
    for (; r < width; r++) to[k * width + r] = 0;
  }
}

void dg_pack(const float *p, const Axes *rows, const Axes *ks, long from, long count, long k0, long kc, long width, float *panels) {
  long col[KC], row[NR > MR ? NR : MR];
  int consecutive = 1;
  for (long k = 0; k < kc; k++) {
    col[k] = offset(ks, k0 + k);
    consecutive &= col[k] == col[0] + k;
  }
  if (width == MR) {
    /* rows that lie side by side: every line of memory is read once, for all panels that it reaches into */
    const long first = offset(rows, from);
    long side = 1;
    while (side < count && offset(rows, from + side) == first + side) side++;
    side = side / MR * MR;
    for (long k = 0; k < kc; k++)
      for (long r = 0; r < side; r += MR) memcpy(panels + r * kc + k * MR, p + first + col[k] + r, MR * sizeof(float));
    from += side;
    count -= side;
    panels += side * kc;
  }
  for (long r0 = 0; r0 < count; r0 += width, panels += kc * width) {
    long n = count - r0 < width ? count - r0 : width;
    int adjacent = 1;
    for (long r = 0; r < n; r++) {
      row[r] = offset(rows, from + r0 + r);
      adjacent &= row[r] == row[0] + r;
    }
    if (width == MR) pack_panel(p, row, n == width, adjacent, col, consecutive, n, kc, MR, panels);
    else pack_panel(p, row, n == width, adjacent, col, consecutive, n, kc, NR, panels);
  }
}

/* ---- blocking ---- */

static long least(long x, long y) { return x < y ? x : y; }
static long rounded(long x, long unit) { return (x + unit - 1) / unit * unit; }

/* One matrix product of a batch, rows m0 .. m1 and columns n0 .. n1. */
static void part(const Product *p, void *const *b, const Runtime *rt, long z, long m0, long m1, long n0, long n1, Scratch *s) {
  long blocks = (p->k + KC - 1) / KC, kstep = rounded((p->k + blocks - 1) / blocks, 4);
  long nc = least(NC, rounded(n1 - n0, NR));
  /* with one block of k rows are finished at once, and stored whole: long runs of memory; else all rows wait for the last block */
  const long ld = nc, wait = blocks > 1;
  float *A = scratch(s, 0, MC * kstep), *B = scratch(s, 1, kstep * nc), *C = scratch(s, 2, (wait ? rounded(m1 - m0, MC) : MC) * ld);
  for (long jc = n0; jc < n1; jc += nc) {
    long nb = least(nc, n1 - jc);
    for (long k0 = 0; k0 < p->k; k0 += kstep) {
      long kc = least(kstep, p->k - k0);
      p->b(b, rt, z, jc, nb, k0, kc, B);
      for (long ic = m0; ic < m1; ic += MC) {
        long mb = least(MC, m1 - ic);
        float *to = wait ? C + (ic - m0) * ld : C;
        p->a(b, rt, z, ic, mb, k0, kc, A);
        for (long j = 0; j < nb; j += NR)
          for (long i = 0; i < mb; i += MR) tile(kc, A + i * kc, B + j * kc, to + i * ld + j, ld, nb - j, k0 > 0);
        if (k0 + kc == p->k) p->store(b, z, to, ld, ic, mb, jc, nb);
      }
    }
  }
}

void dg_product(const Product *p, void *const *b, int t, int T, const Runtime *rt) {
  Scratch *s = rt->scratch;
  if (p->batch >= 4 * T || p->batch % T == 0) {
    for (long z = share(p->batch, t, T, 1); z < share(p->batch, t + 1, T, 1); z++) part(p, b, rt, z, 0, p->m, 0, p->n, s);
    return;
  }
  int rows = p->whole || p->m / MR >= p->n / NR;
  long m0 = rows ? share(p->m, t, T, MR) : 0, m1 = rows ? share(p->m, t + 1, T, MR) : p->m;
  long n0 = rows ? 0 : share(p->n, t, T, NR), n1 = rows ? p->n : share(p->n, t + 1, T, NR);
  if (m0 >= m1 || n0 >= n1) return;
  for (long z = 0; z < p->batch; z++) part(p, b, rt, z, m0, m1, n0, n1, s);
}
