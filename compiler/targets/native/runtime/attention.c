/*
 * Attention, forward and backward, one head of one image after the other (Dao et al. 2022, "FlashAttention", algorithms 1
 * and 4, in blocks of queries). Scores are kept transposed, s[key][query], a block of queries at a time: queries lie along
 * the lanes, so that a row's maximum and sum need no folding, and every product reads them in order. They never leave the
 * caches. Every sum is taken in the same order for any number of threads.
 */
#include "runtime.h"

/* queries of a block: a multiple of MR and of NR for all widths of vectors */
enum { BLOCK = 96, THIRD = MR / 3 };

INLINE long rounded(long n, long unit) { return (n + unit - 1) / unit * unit; }

/* ---- products: c[rows][nv vectors] (+)= sum over k of a[row][k] b[k], b's rows `ldb` apart ---- */

/* element (row, k) of the left operand lies at a + row * lda + k, or, turned, at a + row + k * BLOCK */
#define TILE(name, rows, nv, left, next) \
  static __attribute__((noinline)) void name(long kc, const float *a, long lda, const float *b, long ldb, float *c, long ldc, int add) { \
    vf s[rows][nv]; \
    _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++) \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) s[i][j] = (vf){0}; \
    const float *p0 = a, *p1 = a + THIRD * lda, *p2 = a + 2 * THIRD * lda; \
    (void)p1, (void)p2; \
    _Pragma("GCC unroll 2") for (long k = 0; k < kc; k++, b += ldb) { \
      vf x[nv]; \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) x[j] = v_ldf(b + j * VW); \
      _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++) { \
        vf y = bcf(left); \
        _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) s[i][j] += y * x[j]; \
      } \
      next; \
    } \
    _Pragma("GCC unroll 16") for (int i = 0; i < rows; i++, c += ldc) \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) v_stf(c + j * VW, add ? v_ldf(c + j * VW) + s[i][j] : s[i][j]); \
  }

/* three pointers, so that each of a row's addresses is one of them and a small multiple of the stride */
#define ROW_LEFT ((i < THIRD ? p0 : i < 2 * THIRD ? p1 : p2)[i % THIRD * lda])
#define ROW_NEXT p0++, p1++, p2++
#define TURNED_LEFT p0[i]
#define TURNED_NEXT p0 += BLOCK
#define TILES(rows) \
  TILE(by_rows##rows##_1, rows, 1, ROW_LEFT, ROW_NEXT) \
  TILE(by_rows##rows##_2, rows, 2, ROW_LEFT, ROW_NEXT) \
  TILE(turned##rows##_1, rows, 1, TURNED_LEFT, TURNED_NEXT) \
  TILE(turned##rows##_2, rows, 2, TURNED_LEFT, TURNED_NEXT)
#if VW == 8
TILES(6)
TILES(4)
TILES(2)
# define CHOSEN(kind, r, nv) (r == 1 ? kind##2_##nv : r == 2 ? kind##4_##nv : kind##6_##nv)
#else
TILES(12)
TILES(8)
TILES(4)
# define CHOSEN(kind, r, nv) (r == 1 ? kind##4_##nv : r == 2 ? kind##8_##nv : kind##12_##nv)
#endif

typedef void (*Tile)(long kc, const float *a, long lda, const float *b, long ldb, float *c, long ldc, int add);

/* rows m of c, up to a third of MR more than asked for, and n columns, up to a vector more */
INLINE void multiply(int turned, long m, long n, long kc, const float *a, long lda, const float *b, long ldb, float *c, long ldc, int add) {
  for (long j = 0; j < n; j += NR)
    for (long i = 0; i < m; i += MR) {
      long r = m - i >= MR ? 3 : (m - i + THIRD - 1) / THIRD;
      Tile tile = turned ? (n - j <= VW ? CHOSEN(turned, r, 1) : CHOSEN(turned, r, 2)) : n - j <= VW ? CHOSEN(by_rows, r, 1) : CHOSEN(by_rows, r, 2);
      tile(kc, a + i * (turned ? 1 : lda), lda, b + j, ldb, c + i * ldc + j, ldc, add);
    }
}

/* ---- operands ---- */

typedef float v4 __attribute__((vector_size(16)));
typedef float v4_any __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t i4 __attribute__((vector_size(16)));

#ifdef __clang__
# define SHUFFLE(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
# define SHUFFLE(a, b, i, j, k, l) __builtin_shuffle(a, b, (i4){i, j, k, l})
#endif

/* four rows of four into four columns */
INLINE void turn4(const float *p, long ld, float *to, long step) {
  v4 a = *(const v4_any *)p, b = *(const v4_any *)(p + ld), c = *(const v4_any *)(p + 2 * ld), d = *(const v4_any *)(p + 3 * ld);
  v4 x = SHUFFLE(a, b, 0, 4, 1, 5), y = SHUFFLE(a, b, 2, 6, 3, 7), z = SHUFFLE(c, d, 0, 4, 1, 5), w = SHUFFLE(c, d, 2, 6, 3, 7);
  *(v4_any *)to = SHUFFLE(x, z, 0, 1, 4, 5);
  *(v4_any *)(to + step) = SHUFFLE(x, z, 2, 3, 6, 7);
  *(v4_any *)(to + 2 * step) = SHUFFLE(y, w, 0, 1, 4, 5);
  *(v4_any *)(to + 3 * step) = SHUFFLE(y, w, 2, 3, 6, 7);
}

/* n rows as they are, `to` apart, with zeros behind the last column */
static void copy_rows(const float *p, const Place *at, long n, long d, float scale, float *to, long ld) {
  for (long i = 0; i < n; i++, to += ld) {
    const float *row = p + i * at->token;
    long c = 0;
    if (at->column == 1) for (; c + VW <= d; c += VW) v_stf(to + c, v_ldf(row + c) * scale);
    for (; c < d; c++) to[c] = row[c * at->column] * scale;
    for (; c < ld; c++) to[c] = 0;
  }
}

/* n rows, as copied, to columns of a block, with zeros in the lanes behind the last */
static void turn(const float *rows, long ld, long n, long d, float *to) {
  long full = rounded(n, VW);
  for (long c = 0; c < d; c += 4) {
    float *t = to + c * BLOCK;
    long i = 0;
    for (; i + 4 <= n; i += 4) turn4(rows + i * ld + c, ld, t + i, BLOCK);
    for (long l = 0; l < 4; l++)
      for (long r = i; r < full; r++) t[l * BLOCK + r] = r < n ? rows[r * ld + c + l] : 0;
  }
}

static void store_rows(float *p, const Place *at, long n, long d, const float *from, long ld, const float *scale, long step) {
  for (long i = 0; i < n; i++, from += ld) {
    float *row = p + i * at->token, s = scale[i * step];
    long c = 0;
    if (at->column == 1) for (; c + VW <= d; c += VW) v_stf(row + c, v_ldf(from + c) * s);
    for (; c < d; c++) row[c * at->column] = from[c] * s;
  }
}

INLINE const float *head_of(const float *p, const Place *at, long z, const Attention *a) {
  return p + z / a->heads * at->image + z % a->heads * at->head;
}

/* ---- one head ---- */

/* what a head needs, in floats; rows may be read and written up to MR further than there are */
typedef struct { long rows, width; float *k, *v, *dk, *dv, *s, *e, *turned, *turned2, *block, *block2, *out, *lse, *share; } Head;

static Head head(const Attention *a, const Runtime *rt, int backward) {
  Head h = {.rows = a->tokens + MR, .width = rounded(a->width, VW > 4 ? VW : 4)};
  long all = h.rows * h.width, square = h.rows * BLOCK, block = (BLOCK + MR) * h.width, turned = h.width * BLOCK;
  float *p = scratch(rt->scratch, 3, backward ? 4 * all + 2 * square + 2 * turned + 3 * block + 2 * BLOCK : 2 * all + square + turned + 2 * block + 2 * BLOCK);
  h.lse = p, p += BLOCK;
  h.share = p, p += BLOCK;
  h.k = p, p += all;
  h.v = p, p += all;
  h.s = p, p += square;
  h.turned = p, p += turned;
  h.block = p, p += block;
  h.out = p, p += block;
  if (!backward) return h;
  h.dk = p, p += all;
  h.dv = p, p += all;
  h.e = p, p += square;
  h.turned2 = p, p += turned;
  h.block2 = p;
  return h;
}

/* s becomes exp(s - max); the reciprocals of the sums, and the log-sum-exps, of a vector of queries */
static void normalise(float *s, long n, float *inverse, float *lse) {
  vf top = v_ldf(s), other = top, mass = {0}, more = {0};
  long j = 1;
  for (; j + 2 <= n; j += 2) {
    top = v_maxf(top, v_ldf(s + j * BLOCK));
    other = v_maxf(other, v_ldf(s + (j + 1) * BLOCK));
  }
  if (j < n) top = v_maxf(top, v_ldf(s + j * BLOCK));
  top = v_maxf(top, other);
  for (j = 0; j + 2 <= n; j += 2) {
    vf x = v_exp(v_ldf(s + j * BLOCK) - top), y = v_exp(v_ldf(s + (j + 1) * BLOCK) - top);
    v_stf(s + j * BLOCK, x);
    v_stf(s + (j + 1) * BLOCK, y);
    mass += x;
    more += y;
  }
  if (j < n) {
    vf x = v_exp(v_ldf(s + j * BLOCK) - top);
    v_stf(s + j * BLOCK, x);
    mass += x;
  }
  mass += more;
  v_stf(inverse, 1.0f / mass);
  v_stf(lse, top + v_log(mass));
}

/* y is NULL where rows alone are asked for, rows where they are not */
void dg_attention(const Attention *a, const float *q, const float *k, const float *v, float *y, float *rows, int t, int T, const Runtime *rt) {
  Head h = head(a, rt, 0);
  long heads = a->images * a->heads, n = a->tokens, d = a->width;
  for (long z = share(heads, t, T, 1); z < share(heads, t + 1, T, 1); z++) {
    copy_rows(head_of(k, &a->k, z, a), &a->k, n, d, 1, h.k, h.width);
    if (y != NULL) copy_rows(head_of(v, &a->v, z, a), &a->v, n, d, 1, h.v, h.width);
    for (long i0 = 0; i0 < n; i0 += BLOCK) {
      long m = n - i0 < BLOCK ? n - i0 : BLOCK, full = rounded(m, VW);
      copy_rows(head_of(q, &a->q, z, a) + i0 * a->q.token, &a->q, m, d, a->scale, h.block, h.width);
      turn(h.block, h.width, m, d, h.turned);
      multiply(0, n, full, d, h.k, h.width, h.turned, BLOCK, h.s, BLOCK, 0);
      for (long i = 0; i < full; i += VW) normalise(h.s + i, n, h.share + i, h.lse + i);
      if (rows != NULL)
        for (long i = 0; i < m; i++) ((float *)head_of(rows, &a->rows, z, a))[(i0 + i) * a->rows.token] = h.lse[i];
      if (y == NULL) continue;
      multiply(1, m, h.width, n, h.s, 0, h.v, h.width, h.out, h.width, 0);
      store_rows((float *)head_of(y, &a->y, z, a) + i0 * a->y.token, &a->y, m, d, h.out, h.width, h.share, 1);
    }
  }
}

/* three holds dq, dk and dv, laid out alike */
void dg_attention_back(const Attention *a, const float *q, const float *k, const float *v, const float *rows, const float *y, const float *g, float *three, int t, int T, const Runtime *rt) {
  Head h = head(a, rt, 1);
  const float one = 1;
  long heads = a->images * a->heads, n = a->tokens, d = a->width;
  for (long z = share(heads, t, T, 1); z < share(heads, t + 1, T, 1); z++) {
    float *dq = (float *)head_of(three, &a->three, z, a), *dk = dq + a->part, *dv = dk + a->part;
    copy_rows(head_of(k, &a->k, z, a), &a->k, n, d, 1, h.k, h.width);
    copy_rows(head_of(v, &a->v, z, a), &a->v, n, d, 1, h.v, h.width);
    for (long i0 = 0; i0 < n; i0 += BLOCK) {
      long m = n - i0 < BLOCK ? n - i0 : BLOCK, full = rounded(m, VW);
      copy_rows(head_of(y, &a->y, z, a) + i0 * a->y.token, &a->y, m, d, 1, h.block, h.width);
      copy_rows(head_of(g, &a->g, z, a) + i0 * a->g.token, &a->g, m, d, 1, h.block2, h.width);
      for (long i = 0; i < m; i++) {
        vf sum = {0};
        for (long c = 0; c < h.width; c += VW) sum += v_ldf(h.block + i * h.width + c) * v_ldf(h.block2 + i * h.width + c);
        h.share[i] = h_sumf(sum);
        h.lse[i] = head_of(rows, &a->rows, z, a)[(i0 + i) * a->rows.token];
      }
      for (long i = m; i < full; i++) h.share[i] = h.lse[i] = 0;
      copy_rows(head_of(q, &a->q, z, a) + i0 * a->q.token, &a->q, m, d, a->scale, h.block, h.width);
      turn(h.block, h.width, m, d, h.turned);
      turn(h.block2, h.width, m, d, h.turned2);
      multiply(0, n, full, d, h.k, h.width, h.turned, BLOCK, h.s, BLOCK, 0);
      multiply(0, n, full, d, h.v, h.width, h.turned2, BLOCK, h.e, BLOCK, 0);
      for (long i = 0; i < full; i += VW) {
        vf lse = v_ldf(h.lse + i), ofRow = v_ldf(h.share + i);
        for (long j = 0; j < n; j++) {
          vf p = v_exp(v_ldf(h.s + j * BLOCK + i) - lse);
          v_stf(h.s + j * BLOCK + i, p);
          v_stf(h.e + j * BLOCK + i, p * (v_ldf(h.e + j * BLOCK + i) - ofRow));
        }
      }
      multiply(0, n, h.width, m, h.s, BLOCK, h.block2, h.width, h.dv, h.width, i0 > 0);
      multiply(0, n, h.width, m, h.e, BLOCK, h.block, h.width, h.dk, h.width, i0 > 0);
      multiply(1, m, h.width, n, h.e, 0, h.k, h.width, h.out, h.width, 0);
      store_rows(dq + i0 * a->three.token, &a->three, m, d, h.out, h.width, &a->scale, 0);
    }
    store_rows(dk, &a->three, n, d, h.dk, h.width, &one, 0);
    store_rows(dv, &a->three, n, d, h.dv, h.width, &one, 0);
  }
}
