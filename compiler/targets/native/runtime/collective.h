/* What a step says to other ranks: the same on all of them. The axis of a tensor [before, axis, after] is a row of blocks, of each of which rank r has the r-th share. */
#pragma once

enum { ALL_REDUCE_SUM, ALL_REDUCE_MAX, ALL_GATHER, REDUCE_SCATTER, SHARD, PLACE, VARY };
enum { F32, F16, BF16, I32, BOOL };

typedef struct {
  int kind, type;
  /* elements of the argument */
  long length;
  long before, after;
  int count;
  const long *blocks;
} Collective;
