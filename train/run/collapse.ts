/**
 * Signs of collapse while training, from the metrics that losses hand back anyway (losses/collapse.ts, losses/dino.ts). A cause is reported
 * once in a run, with what to change. Small batches and few prototypes are where this happens first.
 */

/** What a run's networks are like, as far as signs of collapse depend on it. */
export interface Watched {
  /** K, prototypes of the head on class tokens; undefined where there is no such head. */
  readonly prototypes: number | undefined
  /** D, the width of features. */
  readonly width: number
  readonly steps: number
}

export type Cause = 'uniform' | 'certain' | 'alike'

/** Shares of what is largest: entropy of ln K, spread of 1 / sqrt D. */
const limits = { uniform: 0.995, certain: 0.02, alike: 0.1 }

/** Steps in a row at which a sign must show. */
const patience = 50

/** Untrained networks look collapsed: nothing is said in a run's first tenth, and not of uniform targets in its first third. */
const grace = { uniform: 1 / 3, certain: 0.1, alike: 0.1 }

/** The causes whose sign a step shows. */
export const signs = (w: Watched, step: number, values: ReadonlyMap<string, number>): ReadonlyArray<Cause> => {
  const [entropy, spread] = [values.get('entropy'), values.get('spread')]
  const most = w.prototypes === undefined ? undefined : Math.log(w.prototypes)
  const shown: Readonly<Record<Cause, boolean>> = {
    uniform: entropy !== undefined && most !== undefined && entropy > limits.uniform * most,
    certain: entropy !== undefined && most !== undefined && entropy < limits.certain * most,
    alike: spread !== undefined && spread * Math.sqrt(w.width) < limits.alike,
  }
  return (['uniform', 'certain', 'alike'] as const).filter((c) => shown[c] && step >= Math.max(patience, grace[c] * w.steps))
}

const text = (cause: Cause, w: Watched, values: ReadonlyMap<string, number>): string => {
  const number = (name: string): string => (values.get(name) ?? NaN).toPrecision(3)
  switch (cause) {
    case 'uniform':
      return `the teacher still finds all ${w.prototypes ?? 0} prototypes equally likely (entropy ${number('entropy')}, ln K is ${Math.log(w.prototypes ?? 1).toPrecision(3)}), so nothing is learned: lower schedule.momentum (0.98 for short runs) or schedule.temperature, take fewer head.prototypes, or raise optimizer.lr`
    case 'certain':
      return `the teacher is certain of one prototype for every crop (entropy ${number('entropy')} of at most ${Math.log(w.prototypes ?? 1).toPrecision(3)}): raise schedule.temperature, train the prototypes later (schedule.freezeLastLayer), lower optimizer.lr, or balance targets with objective.centring: sinkhorn`
    case 'alike':
      return `the features of different images are nearly the same (spread ${number('spread')} of at most ${(1 / Math.sqrt(w.width)).toPrecision(3)}): enlarge the batch, lower optimizer.lr, widen the crops (augmentation.globalScale), or add KoLeo (objective.kind: dinov2)`
  }
}

/** How long each sign has shown by now, and which causes were reported. */
export interface Watching {
  readonly inRow: ReadonlyMap<Cause, number>
  readonly reported: ReadonlySet<Cause>
}

export const calm: Watching = { inRow: new Map(), reported: new Set() }

/** Whether a sign that was reported still shows. */
export const isCollapsed = ({ inRow, reported }: Watching): boolean => [...inRow].some(([c, n]) => n >= patience && reported.has(c))

/** After one more step: what to remember, and what to report. Law, tested: no cause is reported twice. */
export const watch =
  (w: Watched, step: number, values: ReadonlyMap<string, number>) =>
  (before: Watching): readonly [Watching, ReadonlyArray<string>] => {
    const inRow = new Map(signs(w, step, values).map((c) => [c, (before.inRow.get(c) ?? 0) + 1] as const))
    const now = [...inRow].filter(([c, n]) => n >= patience && !before.reported.has(c)).map(([c]) => c)
    return [{ inRow, reported: new Set([...before.reported, ...now]) }, now.map((c) => `warning at step ${step}: ${text(c, w, values)}`)]
  }
