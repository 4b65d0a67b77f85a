/** Lengths within a run: a whole number is so many steps, a number between 0 and 1 a share of them. */

/** Whether a length follows that of the run. */
export const isShare = (length: number): boolean => length > 0 && length < 1

/** Steps of a length within a run of so many: 0.1 of 1000 are 100. */
export const stepsOf =
  (run: number) =>
  (length: number): number =>
    isShare(length) ? Math.round(length * run) : length
