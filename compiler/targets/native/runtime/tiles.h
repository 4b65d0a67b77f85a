/*
 * Products of short sums, read where they lie: c[row][columns] is the sum over k of a[row][k] b[k][columns], columns along
 * the lanes. Tiles of any number of rows, and of whole vectors of columns, are held in registers: nothing is padded but
 * the last vector.
 */
#pragma once
#include "ahead.h"
#include "lanes.h"

typedef struct {
  long k;
  /* element (row, k) of the left lies at row * a_row + k * a_k, row k of the right at k * b_k, a row of the result at row * c_row */
  long a_row, a_k, b_k, c_row;
  /* the result is added to what is there, or multiplied by scale[row] where that is given */
  int add;
  const float *scale;
  Ahead *ahead;
} Sums;

typedef void (*Tile)(const Sums *t, const float *a, const float *b, float *c, const float *scale);

/* rows are reached from every third: each address is a pointer and a small multiple of the stride */
#define LEFT(i) (p[(i) / 3][(i) % 3 * row])
#define TILE(rows, nv) \
  static __attribute__((noinline)) void tile##nv##_##rows(const Sums *t, const float *a, const float *b, float *c, const float *scale) { \
    enum { PS = (rows + 2) / 3 }; \
    const long n = t->k, row = t->a_row, next = t->a_k, down = t->b_k; \
    vf s[rows][nv]; \
    _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++) \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) s[i][j] = (vf){0}; \
    const float *p[PS]; \
    _Pragma("GCC unroll 16") for (int i = 0; i < PS; i++) p[i] = a + 3 * i * row; \
    _Pragma("GCC unroll 4") for (long k = 0; k < n; k++, b += down) { \
      vf x[nv]; \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) x[j] = v_ldf(b + j * VW); \
      _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++) { \
        vf y = bcf(LEFT(i)); \
        _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) s[i][j] += y * x[j]; \
      } \
      _Pragma("GCC unroll 16") for (int i = 0; i < PS; i++) p[i] += next; \
    } \
    const long ld = t->c_row; \
    if (scale != NULL) \
      _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++) \
        _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) s[i][j] *= scale[i]; \
    if (t->add) \
      _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++) \
        _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) s[i][j] += v_ldf(c + i * ld + j * VW); \
    _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++) \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) v_stf(c + i * ld + j * VW, s[i][j]); \
  }

#define TILES6(nv) TILE(1, nv) TILE(2, nv) TILE(3, nv) TILE(4, nv) TILE(5, nv) TILE(6, nv)
#define TILES8(nv) TILES6(nv) TILE(7, nv) TILE(8, nv)
#define TILES12(nv) TILES8(nv) TILE(9, nv) TILE(10, nv) TILE(11, nv) TILE(12, nv)
#define NAMES6(nv) NULL, tile##nv##_1, tile##nv##_2, tile##nv##_3, tile##nv##_4, tile##nv##_5, tile##nv##_6
#define NAMES8(nv) NAMES6(nv), tile##nv##_7, tile##nv##_8
#define NAMES12(nv) NAMES8(nv), tile##nv##_9, tile##nv##_10, tile##nv##_11, tile##nv##_12

/* as many rows as the registers hold beside a row of the right operand */
#if VW == 16 || defined(__ARM_NEON)
enum { TILE_VECTORS = 4 };
TILES12(1) TILES12(2) TILES8(3) TILES6(4)
static const Tile tiles[][13] = {{NULL}, {NAMES12(1)}, {NAMES12(2)}, {NAMES8(3)}, {NAMES6(4)}};
static const int tile_rows[] = {0, 12, 12, 8, 6};
#else
enum { TILE_VECTORS = 2 };
TILES12(1) TILES6(2)
static const Tile tiles[][13] = {{NULL}, {NAMES12(1)}, {NAMES6(2)}};
static const int tile_rows[] = {0, 12, 6};
#endif

/* rows asked for with each tile: all of a head's while the first half of its tiles is computed */
enum { ASKED = 24 };

/* m rows of n vectors of columns; rows are shared out among tiles evenly, so that none is left alone */
static void sums(const Sums *t, long m, long n, const float *a, const float *b, float *c) {
  for (long j = 0; j < n; j += TILE_VECTORS) {
    const int nv = n - j < TILE_VECTORS ? n - j : TILE_VECTORS;
    const long count = (m + tile_rows[nv] - 1) / tile_rows[nv];
    for (long i = 0, left = count; left > 0; left--) {
      const long rows = (m - i + left - 1) / left;
      ask(t->ahead, ASKED);
      tiles[nv][rows](t, a + i * t->a_row, b + j * VW, c + i * t->c_row + j * VW, t->scale == NULL ? NULL : t->scale + i);
      i += rows;
    }
  }
}
