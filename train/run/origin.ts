/** What a run goes on from, where it makes that itself: folders within its own. */

export const made = {
  /** A run that comes before it. */
  before: 'before',
  /** A model with random weights. */
  model: 'model',
} as const
