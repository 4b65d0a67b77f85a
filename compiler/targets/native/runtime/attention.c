/*
 * Attention, forward and backward, one head of one image after the other (Dao et al. 2022, "FlashAttention", algorithms 1
 * and 4, in blocks of queries). Scores are kept transposed, s[key][query], a block of queries at a time: queries lie along
 * the lanes, so that a row's maximum and sum need no folding. Of few queries behind the last whole vector the scores are
 * taken one query at a time, keys along the lanes. Scores never leave the caches; queries, keys, values and gradients
 * are read and written where they lie, if their rows are whole vectors. Every sum is taken in the same order for any
 * number of threads.
 */
#include "runtime.h"
#include "softmax.h"
#include "tiles.h"

/* so many queries behind the last whole vector are cheaper one by one than as a vector */
enum { SINGLES = VW / 3 };

INLINE long rounded(long n, long unit) { return (n + unit - 1) / unit * unit; }

/* ---- operands ---- */

/* rows of whole vectors, `ld` apart */
typedef struct { const float *p; long ld; } Rows;

/* whether rows are whole vectors where they lie */
INLINE int whole(const Place *at, long d) { return at->column == 1 && d % VW == 0; }

/* n rows where they lie, or else in `room` with zeros behind the last column */
static Rows rows_of(const float *p, const Place *at, long n, long d, float *room) {
  if (whole(at, d)) return (Rows){p, at->token};
  const long ld = rounded(d, VW);
  for (long i = 0; i < n; i++, p += at->token) {
    float *to = room + i * ld;
    long c = 0;
    if (at->column == 1) for (; c + VW <= d; c += VW) v_stf(to + c, v_ldf(p + c));
    for (; c < d; c++) to[c] = p[c * at->column];
    for (; c < ld; c++) to[c] = 0;
  }
  return (Rows){room, ld};
}

/* n rows of d to where they belong */
static void store_rows(float *p, const Place *at, long n, long d, Rows from) {
  for (long i = 0; i < n; i++, p += at->token) {
    const float *row = from.p + i * from.ld;
    long c = 0;
    if (at->column == 1) for (; c + VW <= d; c += VW) v_stf(p + c, v_ldf(row + c));
    for (; c < d; c++) p[c * at->column] = row[c];
  }
}

INLINE void turn_square(Rows from, long n, float scale, float *to) {
  vf r[VW];
  _Pragma("GCC unroll 16") for (int l = 0; l < VW; l++) r[l] = l < n ? v_ldf(from.p + l * from.ld) : (vf){0};
  turn_rows(r);
  _Pragma("GCC unroll 16") for (int l = 0; l < VW; l++) v_stf(to + l * BLOCK, r[l] * scale);
}

/* n rows times a factor as columns of a block, with zeros in the lanes behind the last */
static void turn(Rows from, long n, long width, float scale, float *to) {
  for (long i = 0; i < n; i += VW)
    for (long c = 0; c < width; c += VW) {
      const Rows at = {from.p + i * from.ld + c, from.ld};
      if (n - i >= VW) turn_square(at, VW, scale, to + c * BLOCK + i);
      else turn_square(at, n - i, scale, to + c * BLOCK + i);
    }
}

INLINE vf product_of(const float *a, const float *b, long width) {
  vf sum = {0};
  for (long c = 0; c < width; c += VW) sum += v_ldf(a + c) * v_ldf(b + c);
  return sum;
}

/* the products of n rows each with its own partner, times a factor */
static void own_products(Rows a, Rows b, long n, long width, float factor, float *to) {
  long i = 0;
  for (; i + VW <= n; i += VW) {
    vf r[VW];
    _Pragma("GCC unroll 16") for (int l = 0; l < VW; l++) r[l] = product_of(a.p + (i + l) * a.ld, b.p + (i + l) * b.ld, width);
    v_stf(to + i, sum_rows(r) * factor);
  }
  for (; i < n; i++) to[i] = sum_lanes(product_of(a.p + i * a.ld, b.p + i * b.ld, width))[0] * factor;
}

/* the products of one row with n others, and zeros up to a whole vector */
static void products(const float *row, Rows with, long n, long width, float *to) {
  long j = 0;
  for (; j + VW <= n; j += VW) {
    vf r[VW];
    _Pragma("GCC unroll 16") for (int l = 0; l < VW; l++) r[l] = (vf){0};
    for (long c = 0; c < width; c += VW) {
      const vf x = v_ldf(row + c);
      _Pragma("GCC unroll 16") for (int l = 0; l < VW; l++) r[l] += x * v_ldf(with.p + (j + l) * with.ld + c);
    }
    v_stf(to + j, sum_rows(r));
  }
  if (j == n) return;
  v_stf(to + j, (vf){0});
  for (; j < n; j++) to[j] = sum_lanes(product_of(row, with.p + j * with.ld, width))[0];
}

/* one head of one image: its number among all */
typedef struct { long image, head; } Which;
INLINE Which which(const Attention *a, long z) { return (Which){z / a->heads, z % a->heads}; }
INLINE const float *head_of(const float *p, const Place *at, Which z) { return p + z.image * at->image + z.head * at->head; }

INLINE void add_rows(Ahead *x, const float *p, const Place *at, Which z) {
  if (p == NULL) return;
  x->set[x->sets].p = head_of(p, at, z);
  x->set[x->sets++].step = at->token;
}

/* what one head of attention, or of its gradient, reads and writes */
static Ahead forward_rows(const Attention *a, Which z, const float *q, const float *k, const float *v, const float *y) {
  Ahead x = {.rows = a->tokens, .width = a->width};
  add_rows(&x, q, &a->q, z);
  add_rows(&x, k, &a->k, z);
  add_rows(&x, y == NULL ? NULL : v, &a->v, z);
  add_rows(&x, y, &a->y, z);
  return x;
}
static Ahead backward_rows(const Attention *a, Which z, const float *q, const float *k, const float *v, const float *y, const float *g, const float *three) {
  Ahead x = {.rows = a->tokens, .width = a->width};
  add_rows(&x, y, &a->y, z);
  add_rows(&x, g, &a->g, z);
  add_rows(&x, q, &a->q, z);
  add_rows(&x, k, &a->k, z);
  add_rows(&x, v, &a->v, z);
  for (int i = 0; i < 3; i++) add_rows(&x, three + i * a->part, &a->three, z);
  return x;
}

/* ---- one head ---- */

/* what a head needs */
typedef struct { long width; float *k, *v, *q, *g, *y, *out, *dk, *dv, *s, *e, *turned, *turned2, *row, *row2, *lse, *share; } Head;

static Head head(const Attention *a, const Runtime *rt, int backward) {
  const long width = rounded(a->width, VW), keys = rounded(a->tokens, VW), all = a->tokens * width, square = a->tokens * SCORES, block = SCORES * width;
  float *p = scratch(rt->scratch, 3, 2 * SCORES + keys + square + 3 * block + 2 * all + (backward ? keys + square + 3 * block + 2 * all : 0));
  Head h = {.width = width};
  h.lse = p, p += SCORES;
  h.share = p, p += SCORES;
  h.row = p, p += keys;
  h.s = p, p += square;
  h.turned = p, p += block;
  h.q = p, p += block;
  h.out = p, p += block;
  h.k = p, p += all;
  h.v = p, p += all;
  if (!backward) return h;
  h.row2 = p, p += keys;
  h.e = p, p += square;
  h.turned2 = p, p += block;
  h.g = p, p += block;
  h.y = p, p += block;
  h.dk = p, p += all;
  h.dv = p;
  return h;
}

/* a row as a column of scores */
INLINE void store_column(float *s, const float *row, long n) { for (long j = 0; j < n; j++) s[j * SCORES] = row[j]; }

/* of m queries those that are taken as vectors; the others follow one by one */
INLINE long in_vectors(long m) { return m % VW <= SINGLES ? m / VW * VW : m; }

/* of n queries those of the next block: single ones make no block of their own */
INLINE long queries(long n) { return n <= BLOCK + SINGLES ? n : BLOCK; }

/* y is NULL where rows alone are asked for, rows where they are not */
void dg_attention(const Attention *a, const float *q, const float *k, const float *v, float *y, float *rows, int t, int T, const Runtime *rt) {
  const Head h = head(a, rt, 0);
  const long heads = a->images * a->heads, n = a->tokens, d = a->width;
  const long first = share(heads, t, T, 1), end = share(heads, t + 1, T, 1);
  if (first == end) return;
  Ahead ahead = forward_rows(a, which(a, first), q, k, v, y);
  ask(&ahead, ahead.sets * n);
  for (long one = first; one < end; one++) {
    const Which z = which(a, one);
    if (one + 1 < end) ahead = forward_rows(a, which(a, one + 1), q, k, v, y);
    const Rows ks = rows_of(head_of(k, &a->k, z), &a->k, n, d, h.k);
    const Rows vs = y == NULL ? ks : rows_of(head_of(v, &a->v, z), &a->v, n, d, h.v);
    for (long i0 = 0, m; i0 < n; i0 += m) {
      m = queries(n - i0);
      const long full = in_vectors(m);
      const Rows qs = rows_of(head_of(q, &a->q, z) + i0 * a->q.token, &a->q, m, d, h.q);
      turn(qs, full, h.width, a->scale, h.turned);
      sums(&(Sums){.ahead = &ahead, .k = d, .a_row = ks.ld, .a_k = 1, .b_k = BLOCK, .c_row = SCORES}, n, (full + VW - 1) / VW, ks.p, h.turned, h.s);
      for (long i = 0; i < full; i += VW) exponentials(h.s + i, n, h.lse + i, h.share + i);
      for (long i = full; i < m; i++) {
        products(qs.p + i * qs.ld, ks, n, h.width, h.row);
        row_exponentials(h.row, n, a->scale, h.lse + i, h.share + i);
        store_column(h.s + i, h.row, n);
      }
      finish(h.lse, h.share, m);
      if (rows != NULL)
        for (long i = 0; i < m; i++) ((float *)head_of(rows, &a->rows, z))[(i0 + i) * a->rows.token] = h.lse[i];
      if (y == NULL) continue;
      float *to = (float *)head_of(y, &a->y, z) + i0 * a->y.token;
      const int direct = whole(&a->y, d);
      sums(&(Sums){.ahead = &ahead, .k = n, .a_row = 1, .a_k = SCORES, .b_k = vs.ld, .c_row = direct ? a->y.token : h.width, .scale = h.share}, m, h.width / VW, h.s, vs.p, direct ? to : h.out);
      if (!direct) store_rows(to, &a->y, m, d, (Rows){h.out, h.width});
    }
  }
}

/* three holds dq, dk and dv, laid out alike */
void dg_attention_back(const Attention *a, const float *q, const float *k, const float *v, const float *rows, const float *y, const float *g, float *three, int t, int T, const Runtime *rt) {
  const Head h = head(a, rt, 1);
  const int direct = whole(&a->three, a->width);
  const long heads = a->images * a->heads, n = a->tokens, d = a->width, nv = h.width / VW, ld = direct ? a->three.token : h.width;
  const long first = share(heads, t, T, 1), end = share(heads, t + 1, T, 1);
  if (first == end) return;
  Ahead ahead = backward_rows(a, which(a, first), q, k, v, y, g, three);
  ask(&ahead, ahead.sets * n);
  for (long one = first; one < end; one++) {
    const Which z = which(a, one);
    if (one + 1 < end) ahead = backward_rows(a, which(a, one + 1), q, k, v, y, g, three);
    float *dq = (float *)head_of(three, &a->three, z), *dk = dq + a->part, *dv = dk + a->part;
    const Rows ks = rows_of(head_of(k, &a->k, z), &a->k, n, d, h.k), vs = rows_of(head_of(v, &a->v, z), &a->v, n, d, h.v);
    for (long i0 = 0, m; i0 < n; i0 += m) {
      m = queries(n - i0);
      const long full = in_vectors(m);
      const Rows ys = rows_of(head_of(y, &a->y, z) + i0 * a->y.token, &a->y, m, d, h.y);
      const Rows gs = rows_of(head_of(g, &a->g, z) + i0 * a->g.token, &a->g, m, d, h.g);
      const Rows qs = rows_of(head_of(q, &a->q, z) + i0 * a->q.token, &a->q, m, d, h.q);
      /* scores' gradients are taken times the factor of the scores, which those of queries and keys need */
      own_products(ys, gs, m, h.width, a->scale, h.share);
      for (long i = 0; i < m; i++) h.lse[i] = head_of(rows, &a->rows, z)[(i0 + i) * a->rows.token];
      for (long i = m; i < rounded(m, VW); i++) h.share[i] = h.lse[i] = 0;
      turn(qs, full, h.width, a->scale, h.turned);
      turn(gs, full, h.width, a->scale, h.turned2);
      const Sums scores = {.ahead = &ahead, .k = d, .a_row = ks.ld, .a_k = 1, .b_k = BLOCK, .c_row = SCORES}, gradients = {.ahead = &ahead, .k = d, .a_row = vs.ld, .a_k = 1, .b_k = BLOCK, .c_row = SCORES};
      sums(&scores, n, (full + VW - 1) / VW, ks.p, h.turned, h.s);
      sums(&gradients, n, (full + VW - 1) / VW, vs.p, h.turned2, h.e);
      for (long i = 0; i < full; i += VW) {
        const vf lse = v_ldf(h.lse + i), ofRow = v_ldf(h.share + i);
        for (long j = 0; j < n; j++) {
          const vf p = exponential(v_ldf(h.s + j * SCORES + i) - lse);
          v_stf(h.s + j * SCORES + i, p);
          v_stf(h.e + j * SCORES + i, p * (v_ldf(h.e + j * SCORES + i) - ofRow));
        }
      }
      for (long i = full; i < m; i++) {
        products(qs.p + i * qs.ld, ks, n, h.width, h.row);
        products(gs.p + i * gs.ld, vs, n, h.width, h.row2);
        for (long j = 0; j < n; j += VW) {
          const vf p = exponential(v_ldf(h.row + j) * a->scale - h.lse[i]);
          v_stf(h.row + j, p);
          v_stf(h.row2 + j, p * (v_ldf(h.row2 + j) * a->scale - h.share[i]));
        }
        store_column(h.s + i, h.row, n);
        store_column(h.e + i, h.row2, n);
      }
      const Sums overQueries = {.ahead = &ahead, .k = m, .a_row = SCORES, .a_k = 1, .c_row = ld, .add = i0 > 0};
      Sums values = overQueries, keys = overQueries;
      values.b_k = gs.ld, keys.b_k = qs.ld;
      sums(&values, n, nv, h.s, gs.p, direct ? dv : h.dv);
      sums(&keys, n, nv, h.e, qs.p, direct ? dk : h.dk);
      sums(&(Sums){.ahead = &ahead, .k = n, .a_row = 1, .a_k = SCORES, .b_k = ks.ld, .c_row = ld}, m, nv, h.e, ks.p, direct ? dq + i0 * ld : h.out);
      if (!direct) store_rows(dq + i0 * a->three.token, &a->three, m, d, (Rows){h.out, h.width});
    }
    if (direct) continue;
    store_rows(dk, &a->three, n, d, (Rows){h.dk, h.width});
    store_rows(dv, &a->three, n, d, (Rows){h.dv, h.width});
  }
}
