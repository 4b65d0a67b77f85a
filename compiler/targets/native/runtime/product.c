/*
 * Matrix products: operands are packed into panels that the register-blocked kernel reads in order, blocked for the
 * caches (Goto, van de Geijn, "Anatomy of high-performance matrix multiplication", 2008). Every sum is taken in the
 * same order for any number of threads.
 */
#include <stdlib.h>
#include "runtime.h"

enum { MC = 4 * MR, KC = 1088, NC = 1536 };

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

/* Tasks for n units: of at most `size` units each, and as many for one thread as for another. */
static long tasks(long n, long size, int T) { return T == 1 ? (n + size - 1) / size : least(n, rounded((n + size - 1) / size, 2 * T)); }

/*
 * One matrix product of a batch. The operand that is smaller across is packed once, by all threads together, and stays in the caches; strips of
 * the other are packed just before they are used, by who uses them:
 *
 *   across = 0   all columns stay, threads take rows
 *   across = 1   all rows stay, threads take columns
 */
static void multiply(const Product *p, void *const *b, const Runtime *rt, long z, Team *team) {
  const int T = team->T, across = !p->whole && p->m < p->n;
  const long blocks = (p->k + KC - 1) / KC, kstep = rounded((p->k + blocks - 1) / blocks, 4), nc = across ? p->n : least(NC, p->n);
  /* with one block of k sums are finished at once; else all wait for the last block */
  const int wait = blocks > 1;
  const long units = across ? (p->n + NR - 1) / NR : (p->m + MR - 1) / MR, strips = tasks(units, across ? 4 : MC / MR, T);
  const long high = across ? p->m : (units + strips - 1) / strips * MR, wide = across ? (units + strips - 1) / strips * NR : nc;
  const long fixed = across ? (p->m + MR - 1) / MR : (nc + NR - 1) / NR, pieces = T == 1 ? 1 : least(fixed, 2 * T);
  const long ld = rounded(wait ? nc : wide, NR), room = kstep * fixed * (across ? MR : NR), sums = rounded(wait ? p->m : high, MR) * ld;
  float *kept = T == 1 ? scratch(rt->scratch, 2, room) : common(0, room);
  float *strip = scratch(rt->scratch, 0, kstep * (across ? NR : rounded(high, MR)));
  float *C = wait && T > 1 ? common(1, sums) : scratch(rt->scratch, 1, sums);
  for (long jc = 0; jc < p->n; jc += nc) {
    const long nb = least(nc, p->n - jc);
    for (long k0 = 0; k0 < p->k; k0 += kstep) {
      const long kc = least(kstep, p->k - k0);
      for (long i = begin(team, pieces); i >= 0; i = next(team)) {
        const long grain = across ? MR : NR, of = across ? p->m : nb, from = least(of, share(of, i, pieces, grain)), to = least(of, share(of, i + 1, pieces, grain));
        if (from < to) (across ? p->a : p->b)(b, rt, z, across ? from : jc + from, to - from, k0, kc, kept + from * kc);
      }
      for (long i = begin(team, strips); i >= 0; i = next(team)) {
        const long m0 = across ? 0 : least(p->m, share(p->m, i, strips, MR)), m1 = across ? p->m : least(p->m, share(p->m, i + 1, strips, MR));
        const long n0 = across ? least(p->n, share(p->n, i, strips, NR)) : jc, n1 = across ? least(p->n, share(p->n, i + 1, strips, NR)) : jc + nb;
        if (m0 >= m1 || n0 >= n1) continue;
        float *to = wait ? C + m0 * ld + (n0 - jc) : C;
        if (!across) p->a(b, rt, z, m0, m1 - m0, k0, kc, strip);
        for (long j = 0; j < n1 - n0; j += NR) {
          if (across) p->b(b, rt, z, n0 + j, least(NR, n1 - n0 - j), k0, kc, strip);
          const float *A = across ? kept : strip, *B = across ? strip : kept + j * kc;
          for (long r = 0; r < m1 - m0; r += MR) tile(kc, A + r * kc, B, to + r * ld + j, ld, n1 - n0 - j, k0 > 0);
        }
        if (k0 + kc == p->k) p->store(b, z, to, ld, m0, m1 - m0, n0, n1 - n0);
      }
    }
  }
}

void dg_product(const Product *p, void *const *b, int t, int T, const Runtime *rt) {
  Team team = {.T = T, .part = t};
  if (T > 1 && p->batch >= 4 * T) {
    /* enough matrices for everybody */
    for (long z = begin(&team, p->batch); z >= 0; z = next(&team)) {
      Team alone = {.T = 1};
      multiply(p, b, rt, z, &alone);
    }
    return;
  }
  for (long z = 0; z < p->batch; z++) multiply(p, b, rt, z, &team);
}
