/** Runs of seconds, as words of `npm run train`: on the default target, whose kernels are compiled once for all of them. */
export const set = (settings: Readonly<Record<string, string | number>>): ReadonlyArray<string> =>
  Object.entries(settings).flatMap(([path, value]) => ['--set', `${path}=${value}`])

/** A network of a few numbers, which a few steps train. */
export const small = {
  batch: 4,
  'evaluation.during': 0,
  'model.width': 16,
  'model.depth': 1,
  'model.heads': 2,
  'head.hidden': 16,
  'head.bottleneck': 8,
  'head.prototypes': 16,
  'augmentation.locals': 1,
}

export const quick: ReadonlyArray<string> = [
  '--config',
  'examples/recipes/v1.yaml',
  '--target',
  'native',
  ...set({
    'data.train': 32,
    'data.test': 16,
    'evaluation.k': 3,
    'runtime.checkpoints.every': 2,
    ...small,
  }),
]

/** The same on pictures of one's own that no thread reads, into a folder. */
export const quickOn = (
  data: string,
  out: string,
  steps: number,
  settings: Readonly<Record<string, string | number>> = {},
): ReadonlyArray<string> => [...quick, '--data', data, ...set({ 'data.workers': 0, ...settings }), '--steps', `${steps}`, '--out', out]
