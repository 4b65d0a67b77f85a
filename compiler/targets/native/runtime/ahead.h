/*
 * Rows that the next head needs, asked of memory a few at a time while this one is computed: they lie apart, so that the
 * processor does not guess them, and where tokens are few they take longer to come than a head's products.
 */
#pragma once

typedef struct {
  /* `sets` of rows, `step` apart, each `width` floats */
  struct { const float *p; long step; } set[8];
  int sets, at;
  long rows, row, width;
} Ahead;

/* at most `rows` rows: into the second cache, where they do not push out what is used now */
static inline void ask(Ahead *x, long rows) {
  for (; rows > 0 && x->at < x->sets; rows--) {
    const float *p = x->set[x->at].p;
    for (long c = 0; c < x->width; c += 16) __builtin_prefetch(p + c, 0, 2);
    x->set[x->at].p = p + x->set[x->at].step;
    if (++x->row == x->rows) x->row = 0, x->at++;
  }
}
