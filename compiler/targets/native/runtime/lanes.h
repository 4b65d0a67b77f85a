/* Lanes against rows: VW vectors turned, or folded into one; and one vector folded into a number. Shuffles move whole runs of lanes. */
#pragma once
#include "arithmetic.h"

#ifdef __clang__
# define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
# define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif

/* within each four lanes: of two vectors the first or last two by turns, or the first or last pair; of one, neighbours or pairs swapped */
#if VW == 16
# define FIRST(a, b) SHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
# define LAST(a, b) SHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
# define FIRST_PAIR(a, b) SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
# define LAST_PAIR(a, b) SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
# define SWAP1(a) SHUFFLE(a, a, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
# define SWAP2(a) SHUFFLE(a, a, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#elif VW == 8
# define FIRST(a, b) SHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
# define LAST(a, b) SHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
# define FIRST_PAIR(a, b) SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
# define LAST_PAIR(a, b) SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
# define SWAP1(a) SHUFFLE(a, a, 1, 0, 3, 2, 5, 4, 7, 6)
# define SWAP2(a) SHUFFLE(a, a, 2, 3, 0, 1, 6, 7, 4, 5)
#else
# define FIRST(a, b) SHUFFLE(a, b, 0, 4, 1, 5)
# define LAST(a, b) SHUFFLE(a, b, 2, 6, 3, 7)
# define FIRST_PAIR(a, b) SHUFFLE(a, b, 0, 1, 4, 5)
# define LAST_PAIR(a, b) SHUFFLE(a, b, 2, 3, 6, 7)
# define SWAP1(a) SHUFFLE(a, a, 1, 0, 3, 2)
# define SWAP2(a) SHUFFLE(a, a, 2, 3, 0, 1)
#endif
/* of two vectors the first or last halves, and their even or odd fours; of one, fours or halves swapped */
#if VW == 16
# define FIRST_HALF(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
# define LAST_HALF(a, b) SHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
# define EVEN_FOURS(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
# define ODD_FOURS(a, b) SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
# define SWAP4(a) SHUFFLE(a, a, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)
# define SWAP8(a) SHUFFLE(a, a, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
#elif VW == 8
# define FIRST_HALF(a, b) SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
# define LAST_HALF(a, b) SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
# define SWAP4(a) SHUFFLE(a, a, 4, 5, 6, 7, 0, 1, 2, 3)
#endif

/* lane l of row i to lane i of row l */
INLINE void turn_rows(vf *r) {
  _Pragma("GCC unroll 4") for (int i = 0; i < VW; i += 4) {
    vf x = FIRST(r[i], r[i + 1]), y = LAST(r[i], r[i + 1]), z = FIRST(r[i + 2], r[i + 3]), w = LAST(r[i + 2], r[i + 3]);
    r[i] = FIRST_PAIR(x, z), r[i + 1] = LAST_PAIR(x, z), r[i + 2] = FIRST_PAIR(y, w), r[i + 3] = LAST_PAIR(y, w);
  }
#if VW == 8
  _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++) {
    vf a = r[i], b = r[i + 4];
    r[i] = FIRST_HALF(a, b), r[i + 4] = LAST_HALF(a, b);
  }
#elif VW == 16
  _Pragma("GCC unroll 4") for (int i = 0; i < 4; i++) {
    vf x = FIRST_HALF(r[i], r[i + 4]), y = LAST_HALF(r[i], r[i + 4]), z = FIRST_HALF(r[i + 8], r[i + 12]), w = LAST_HALF(r[i + 8], r[i + 12]);
    r[i] = EVEN_FOURS(x, z), r[i + 4] = ODD_FOURS(x, z), r[i + 8] = EVEN_FOURS(y, w), r[i + 12] = ODD_FOURS(y, w);
  }
#endif
}

/* the sum of row i's lanes in lane i */
INLINE vf sum_rows(const vf *r) {
  vf q[VW / 4];
  _Pragma("GCC unroll 4") for (int i = 0; i < VW / 4; i++) {
    const vf *p = r + 4 * i;
    vf x = FIRST(p[0], p[1]) + LAST(p[0], p[1]), y = FIRST(p[2], p[3]) + LAST(p[2], p[3]);
    q[i] = FIRST_PAIR(x, y) + LAST_PAIR(x, y);
  }
#if VW == 4
  return q[0];
#elif VW == 8
  return FIRST_HALF(q[0], q[1]) + LAST_HALF(q[0], q[1]);
#else
  vf x = FIRST_HALF(q[0], q[1]) + LAST_HALF(q[0], q[1]), y = FIRST_HALF(q[2], q[3]) + LAST_HALF(q[2], q[3]);
  return EVEN_FOURS(x, y) + ODD_FOURS(x, y);
#endif
}

/* f of all lanes, in every lane */
#define FOLD(name, f) \
  INLINE vf name(vf x) { \
    x = f(x, SWAP1(x)); \
    x = f(x, SWAP2(x)); \
    FOLD4(x, f) \
    FOLD8(x, f) \
    return x; \
  }
#if VW >= 8
# define FOLD4(x, f) x = f(x, SWAP4(x));
#else
# define FOLD4(x, f)
#endif
#if VW == 16
# define FOLD8(x, f) x = f(x, SWAP8(x));
#else
# define FOLD8(x, f)
#endif
#define PLUS(x, y) ((x) + (y))
FOLD(sum_lanes, PLUS)
FOLD(max_lanes, GREATER)
