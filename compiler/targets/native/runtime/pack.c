/* Packs operands into panels that tiles read in order: of MR or NR rows, k-major, padded with zeros. */
#if defined(__AVX__)
# include <immintrin.h>
#endif
#include "lanes.h"
#include "runtime.h"

typedef float v4 __attribute__((vector_size(16)));
typedef float v4_any __attribute__((vector_size(16), aligned(4), may_alias));

#if VW == 16
# define FOUR(x, q) ((v4)_mm512_extractf32x4_ps((__m512)(x), q))
#elif VW == 8
# define FOUR(x, q) ((v4)_mm256_extractf128_ps((__m256)(x), q))
#else
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

static void pack(const float *p, const Axes *rows, const Axes *ks, long from, long count, long k0, long kc, long width, float *panels) {
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

void dg_pack(const Operand *o, void *const *b, long z, long from, long count, long k0, long kc, long width, float *panels) {
  if (o->at == NULL) o->pack(b, z, from, count, k0, kc, width, panels);
  else pack(o->at(b, z), &o->rows, &o->ks, from, count, k0, kc, width, panels);
}
