/* Softmax of scores that are kept by key: the exponentials of a vector of queries, or of one query, less their maximum. */
#pragma once
#include "lanes.h"

/* room between the scores of one key and those of the next: a block of queries and a vector more, which spreads them over the sets of a cache */
enum { BLOCK = 64, SCORES = BLOCK + VW };

/*
 * exp(x) as powers of two, 2^n 2^r, n the nearest whole number: cheaper than v_exp, as what is below 2^-126, which adds
 * nothing to a sum with 1 in it, is 0, and as its relative error, 2^-23 near 0, grows to |x| 2^-23, as much as rounded
 * scores make anyway. 2^n is made by moving the low bits of x / log 2 + 1.5 2^23 + 127 to where exponents are: 0 for
 * n = -127 and infinity for n = 128. NaN passes the clamps.
 */
INLINE vf exponential(vf x) {
  x = LESS(bcf(128.0f), GREATER(bcf(-127.0f), x * 1.44269504088896341f));
  const vf t = x + 12583039.0f, r = x - (t - 12583039.0f);
  vf p = bcf(1.5353362e-4f);
  p = p * r + 1.3398874e-3f;
  p = p * r + 9.6184374e-3f;
  p = p * r + 5.5503325e-2f;
  p = p * r + 2.4022648e-1f;
  p = p * r + 6.9314720e-1f;
  p = p * r + 1.0f;
  return p * (vf)((vi)t << 23);
}

/* s becomes exp(s - max); the maxima and sums of a vector of queries */
static void exponentials(float *s, long n, float *tops, float *masses) {
  /* a NaN may be passed over here: its exponential makes the sum one */
  vf top = v_ldf(s), other = top, mass = {0}, more = {0};
  long j = 1;
  for (; j + 2 <= n; j += 2) {
    top = GREATER(top, v_ldf(s + j * SCORES));
    other = GREATER(other, v_ldf(s + (j + 1) * SCORES));
  }
  if (j < n) top = GREATER(top, v_ldf(s + j * SCORES));
  top = GREATER(top, other);
  for (j = 0; j + 2 <= n; j += 2) {
    const vf x = exponential(v_ldf(s + j * SCORES) - top), y = exponential(v_ldf(s + (j + 1) * SCORES) - top);
    v_stf(s + j * SCORES, x);
    v_stf(s + (j + 1) * SCORES, y);
    mass += x;
    more += y;
  }
  if (j < n) {
    const vf x = exponential(v_ldf(s + j * SCORES) - top);
    v_stf(s + j * SCORES, x);
    mass += x;
  }
  v_stf(tops, top);
  v_stf(masses, mass + more);
}

/* the same of one query, whose scores times a factor lie in a row; keys behind the last count for nothing */
static void row_exponentials(float *row, long n, float factor, float *top, float *mass) {
  for (long j = 0; j < n; j += VW) v_stf(row + j, v_ldf(row + j) * factor);
  for (long j = n; j % VW != 0; j++) row[j] = -INFINITY;
  vf most = v_ldf(row), sum = {0};
  for (long j = VW; j < n; j += VW) most = GREATER(most, v_ldf(row + j));
  most = max_lanes(most);
  for (long j = 0; j < n; j += VW) {
    const vf x = exponential(v_ldf(row + j) - most);
    v_stf(row + j, x);
    sum += x;
  }
  *top = most[0];
  *mass = sum_lanes(sum)[0];
}

/* of n queries' maxima and sums the natural log-sum-exps and the reciprocals of the sums */
static void finish(float *tops, float *masses, long n) {
  for (long i = 0; i < n; i += VW) {
    const vf mass = v_ldf(masses + i);
    v_stf(tops + i, v_ldf(tops + i) + v_log(mass));
    v_stf(masses + i, 1.0f / mass);
  }
}
