/*
 * Matrix products: operands are packed into panels that the register-blocked kernel reads in order, blocked for the
 * caches (Goto, van de Geijn, "Anatomy of high-performance matrix multiplication", 2008). Every sum is taken in the
 * same order for any number of threads.
 */
#include "runtime.h"
#include "tiles.h"

enum { NC = 1536 };

/*
 * Rows of columns that are asked for ahead: panels of columns are longer than the nearest cache, and two multiply-adds of 64 bytes a cycle
 * leave no time to wait for the next one.
 */
enum { SOON = 6 };

/* c[MR][nv vectors] (+)= sum over k of a[k][MR] b[k][NR] */
#define PANELS(name, nv) \
  static __attribute__((noinline)) void name(long kc, const float *a, const float *b, float *c, long ld, int add) { \
    vf s[MR][nv]; \
    _Pragma("GCC unroll 16") for (int i = 0; i < MR; i++) \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) s[i][j] = (vf){0}; \
    _Pragma("GCC unroll 4") for (long k = 0; k < kc; k++, a += MR, b += NR) { \
      vf x[nv]; \
      _Pragma("GCC unroll 16") for (int j = 0; j < nv; j++) x[j] = v_ldf(b + j * VW), __builtin_prefetch(b + j * VW + SOON * NR); \
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
PANELS(tile1, 1)
PANELS(tile2, 2)

static void tile(long kc, const float *a, const float *b, float *c, long ld, long n, int add) {
  if (n <= VW) tile1(kc, a, b, c, ld, add); else tile2(kc, a, b, c, ld, add);
}

/* ---- blocking ---- */

static long least(long x, long y) { return x < y ? x : y; }
static long rounded(long x, long unit) { return (x + unit - 1) / unit * unit; }

/* units of MR rows or NR columns that a thread takes at once; operands kept of at most so many units are not worth packing the other for */
enum { TAKEN = 4, FEW = 2 };

/* Tasks for n units: as many for one thread as for another. */
static long tasks(long n, int T) { return T == 1 ? (n + TAKEN - 1) / TAKEN : least(n, rounded((n + TAKEN - 1) / TAKEN, 2 * T)); }

/* where task i of n begins among `units` of `width`, up to `end` */
static long from(long i, long n, long end, long width) { return least(end, share(end, i, n, width)); }

static int is_even(const Axes *x, long stride) { return x->levels == 1 && (stride == 0 || x->stride[0] == stride); }

/*
 * How one matrix of a product is taken. The operand that is smaller across is packed once, by all threads together, and is kept in the caches;
 * strips of the other are packed just before they are used, by who uses them. Strips whose k are side by side are read where they lie instead, as rows of tiles;
 * where little is kept, those whose columns are, too. The result may then lie transposed.
 */
typedef struct {
  const Operand *kept, *strip;
  long all_kept, all_strips, block;
  /* rows of the result are kept, and strips are columns; what is kept makes rows of tiles */
  int across, rows_kept, in_place, turned;
  long kept_width, strip_width;
} Plan;

static Plan plan_of(const Product *p) {
  Plan x = {.across = !p->whole && p->m < p->n};
  x.kept = x.across ? &p->a : &p->b;
  x.strip = x.across ? &p->b : &p->a;
  x.all_kept = x.across ? p->m : p->n;
  x.all_strips = x.across ? p->n : p->m;
  const int columns = x.strip->at != NULL && is_even(&x.strip->rows, 1) && is_even(&x.strip->ks, 0), rows = x.strip->at != NULL && is_even(&x.strip->rows, 0) && is_even(&x.strip->ks, 1);
  /* rows that lie a power of two apart push each other out of the nearest cache */
  x.in_place = columns ? x.all_kept <= FEW * MR : rows && (x.all_kept <= FEW * NR || x.strip->rows.stride[0] % 1024 != 0);
  x.rows_kept = x.in_place ? columns : x.across;
  x.turned = x.rows_kept != x.across;
  x.kept_width = x.rows_kept ? MR : NR;
  x.strip_width = x.rows_kept ? NR : MR;
  x.block = x.across ? x.all_kept : least(NC, x.all_kept);
  return x;
}

/*
 * Lines of a result, owned before they are written: asked for a few at a time between tiles, or each store would wait for its line.
 */
typedef struct {
  const float *at;
  const Axes *rows;
  long row, end, line, lines, each;
} Owned;

/* Rows m0 .. m0 + mr, columns n0 .. n0 + nr of a result, in `times` parts. */
static Owned owned(const Product *p, void *const *b, long z, long m0, long mr, long n0, long nr, long times) {
  if (p->result.at == NULL) return (Owned){.end = 0};
  const long lines = (nr + 15) / 16;
  return (Owned){.at = p->result.at(b, z) + n0, .rows = &p->result.rows, .row = m0, .end = m0 + mr, .lines = lines, .each = (mr * lines + times - 1) / times};
}

static void own(Owned *o) {
  for (long left = o->each; left > 0 && o->row < o->end;) {
    const float *row = o->at + offset(o->rows, o->row);
    for (; left > 0 && o->line < o->lines; o->line++, left--) __builtin_prefetch(row + 16 * o->line, 1, 2);
    if (o->line == o->lines) o->line = 0, o->row++;
  }
}

/* Sums of strip s0 .. s1 over k0 .. k0 + kc, with n of what is kept, at `to`: tiles' rows by columns. */
static void strip_sums(const Plan *x, void *const *b, long z, const float *kept, long n, long s0, long s1, long k0, long kc, float *packed, float *to, long ld, Owned *o) {
  if (!x->in_place) {
    if (!x->rows_kept) dg_pack(x->strip, b, z, s0, s1 - s0, k0, kc, MR, packed);
    const long rows = x->rows_kept ? n : s1 - s0, columns = x->rows_kept ? s1 - s0 : n;
    for (long j = 0; j < columns; j += NR) {
      if (x->rows_kept) dg_pack(x->strip, b, z, s0 + j, least(NR, columns - j), k0, kc, NR, packed);
      for (long r = 0; r < rows; r += MR) own(o), tile(kc, (x->rows_kept ? kept : packed) + r * kc, x->rows_kept ? packed : kept + j * kc, to + r * ld + j, ld, columns - j, k0 > 0);
    }
    return;
  }
  Ahead nothing = {.sets = 0};
  const float *at = x->strip->at(b, z) + k0 * x->strip->ks.stride[0];
  if (x->rows_kept) {
    Sums t = {.k = kc, .a_row = 1, .a_k = MR, .b_k = x->strip->ks.stride[0], .c_row = ld, .add = k0 > 0, .ahead = &nothing};
    for (long j = 0; j < s1 - s0; j += NR) {
      const float *columns = at + s0 + j;
      /* what is beyond the last column may not be there */
      if (s1 - s0 - j < NR) {
        dg_pack(x->strip, b, z, s0 + j, s1 - s0 - j, k0, kc, NR, packed);
        columns = packed;
        t.b_k = NR;
      }
      for (long r = 0; r < n; r += MR) own(o), sums(&t, least(MR, n - r), NV, kept + r * kc, columns, to + r * ld + j);
    }
    return;
  }
  const long row = x->strip->rows.stride[0];
  const Sums t = {.k = kc, .a_row = row, .a_k = 1, .b_k = NR, .c_row = ld, .add = k0 > 0, .ahead = &nothing};
  for (long j = 0; j < n; j += NR)
    for (long r = 0; r < s1 - s0; r += MR) own(o), sums(&t, least(MR, s1 - s0 - r), least(NV, (n - j + VW - 1) / VW), at + (s0 + r) * row, kept + j * kc, to + r * ld + j);
}

/* One matrix product of a batch. */
static void multiply(const Product *p, void *const *b, const Runtime *rt, long z, Team *team) {
  const Plan x = plan_of(p);
  const int T = team->T;
  const long blocks = (p->k + KC - 1) / KC, kstep = rounded((p->k + blocks - 1) / blocks, 4);
  /* with one block of k sums are finished at once; else all wait for the last block */
  const int wait = blocks > 1;
  const long strips = tasks((x.all_strips + x.strip_width - 1) / x.strip_width, T), pieces = T == 1 ? 1 : least((x.block + x.kept_width - 1) / x.kept_width, 2 * T);
  /* the longest strip, and all of them */
  const long longest = ((x.all_strips + x.strip_width - 1) / x.strip_width + strips - 1) / strips * x.strip_width, held = wait ? rounded(x.all_strips, x.strip_width) : longest, beside = rounded(x.block, x.kept_width);
  const long ld = x.rows_kept ? held : beside, size = held * beside;
  float *kept = T == 1 ? scratch(rt->scratch, 2, kstep * beside) : common(0, kstep * beside);
  /* rows that are read where they lie need no room */
  float *packed = x.in_place && !x.rows_kept ? NULL : scratch(rt->scratch, 0, kstep * (x.rows_kept ? NR : longest));
  float *all = wait && T > 1 ? common(1, size) : scratch(rt->scratch, 1, size), *turned = x.turned ? scratch(rt->scratch, 3, longest * beside) : NULL;
  for (long b0 = 0; b0 < x.all_kept; b0 += x.block) {
    const long n = least(x.block, x.all_kept - b0);
    for (long k0 = 0; k0 < p->k; k0 += kstep) {
      const long kc = least(kstep, p->k - k0);
      for (long i = begin(team, pieces); i >= 0; i = next(team)) {
        const long lo = from(i, pieces, n, x.kept_width), hi = from(i + 1, pieces, n, x.kept_width);
        if (lo < hi) dg_pack(x.kept, b, z, b0 + lo, hi - lo, k0, kc, x.kept_width, kept + lo * kc);
      }
      for (long i = begin(team, strips); i >= 0; i = next(team)) {
        const long s0 = from(i, strips, x.all_strips, x.strip_width), s1 = from(i + 1, strips, x.all_strips, x.strip_width);
        if (s0 >= s1) continue;
        float *to = wait ? all + s0 * (x.rows_kept ? 1 : ld) : all;
        const int last = k0 + kc >= p->k;
        const long tiles = ((n + x.kept_width - 1) / x.kept_width) * ((s1 - s0 + x.strip_width - 1) / x.strip_width);
        Owned o = !last ? (Owned){.end = 0} : x.across ? owned(p, b, z, b0, n, s0, s1 - s0, tiles) : owned(p, b, z, s0, s1 - s0, b0, n, tiles);
        strip_sums(&x, b, z, kept, n, s0, s1, k0, kc, packed, to, ld, &o);
        if (!last) continue;
        const long rows = x.rows_kept ? n : s1 - s0, columns = x.rows_kept ? s1 - s0 : n;
        for (long c = 0; x.turned && c < columns; c++)
          for (long r = 0; r < rows; r++) turned[c * rows + r] = to[r * ld + c];
        if (x.across) p->store(b, z, x.turned ? turned : to, x.turned ? rows : ld, b0, n, s0, s1 - s0);
        else p->store(b, z, x.turned ? turned : to, x.turned ? rows : ld, s0, s1 - s0, b0, n);
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
