/**
 * Signs of collapse while training, from the metrics that losses hand back anyway (losses/collapse.ts, losses/dino.ts). A cause is reported
 * once in a run, with what to change. Small batches and few prototypes are where this happens first.
 */
import { valueAt } from '../../data/formats/codec.ts'
import { showDefault } from '../config/field.ts'

/** What a run's networks are like, as far as signs of collapse depend on it. */
export interface Watched {
  /** K, prototypes of the head on class tokens; undefined where there is no such head. */
  readonly prototypes: number | undefined
  /** D, the width of features. */
  readonly width: number
  readonly steps: number
  /** Of the program, all of them: advice names those that it has, and their present values. */
  readonly settings: unknown
}

export type Cause = 'uniform' | 'certain' | 'alike' | 'flat'

/** Shares of what is largest: entropy of ln K, spread of 1 / sqrt D. Of the rank, directions. */
const limits = { uniform: 0.995, certain: 0.02, alike: 0.1, flat: 1.5 }

/** Steps in a row at which a sign must show: a tenth of a run, and no more than long runs need. */
const patienceOf = ({ steps }: Watched): number => Math.min(50, Math.max(20, Math.round(steps / 10)))

/** Untrained networks look collapsed: nothing is said in a run's first tenth, of uniform targets and few directions in its first third. */
const grace = { uniform: 1 / 3, certain: 0.1, alike: 0.1, flat: 1 / 3 }

/** The causes whose sign a step shows. */
export const signs = (w: Watched, step: number, values: ReadonlyMap<string, number>): ReadonlyArray<Cause> => {
  const [entropy, spread, rank] = ['entropy', 'spread', 'rank'].map((name) => values.get(name))
  const most = w.prototypes === undefined ? undefined : Math.log(w.prototypes)
  const shown: Readonly<Record<Cause, boolean>> = {
    uniform: entropy !== undefined && most !== undefined && entropy > limits.uniform * most,
    certain: entropy !== undefined && most !== undefined && entropy < limits.certain * most,
    alike: spread !== undefined && spread * Math.sqrt(w.width) < limits.alike,
    flat: rank !== undefined && rank < limits.flat,
  }
  return (['uniform', 'certain', 'alike', 'flat'] as const).filter((c) => shown[c] && step >= Math.max(patienceOf(w), grace[c] * w.steps))
}

/** A setting that may help. */
interface Advice {
  /** Of the setting. */
  readonly path: string
  /** What to do about it, around its path: `lower … to 0.98`. */
  readonly before: string
  readonly after?: string
  /** Whether a value is worth changing so; always, where nothing is said. */
  readonly from?: (value: unknown) => boolean
}

const above =
  (n: number) =>
  (v: unknown): boolean =>
    typeof v === 'number' && v > n

const below =
  (n: number) =>
  (v: unknown): boolean =>
    typeof v === 'number' && v < n

/** What holds features apart, in a configuration. */
const koleo: ReadonlyArray<Advice> = [
  { path: 'objective.koleo', before: 'raise', after: 'to 0.1, which holds features apart', from: below(0.1) },
  { path: 'objective.koleo', before: 'raise', from: (v) => !below(0.1)(v) },
]

const advice: Readonly<Record<Cause, ReadonlyArray<Advice>>> = {
  uniform: [
    { path: 'schedule.momentum', before: 'lower', after: 'to 0.98, as suits short runs', from: above(0.98) },
    { path: 'schedule.temperature', before: 'lower', after: 'to 0.015', from: above(0.015) },
    { path: 'head.prototypes', before: 'take fewer', from: above(64) },
    { path: 'optimizer.lr', before: 'raise', from: below(2e-3) },
    { path: 'optimizer.lr', before: 'lower', after: 'to 0.001', from: above(1e-2) },
  ],
  certain: [
    { path: 'schedule.temperature', before: 'raise', after: 'to 0.04', from: below(0.04) },
    { path: 'schedule.freezeLastLayer', before: 'raise', after: 'to a tenth of the run, so that prototypes are trained later' },
    { path: 'optimizer.lr', before: 'lower', after: 'to 0.001', from: above(1e-3) },
    { path: 'objective.centring', before: 'set', after: 'to sinkhorn, which balances targets', from: (v) => v !== 'sinkhorn' },
  ],
  alike: [
    { path: 'batch', before: 'raise', from: below(512) },
    { path: 'optimizer.lr', before: 'lower', after: 'to 0.001', from: above(1e-3) },
    { path: 'optimizer.lr', before: 'lower', from: (v) => !above(1e-3)(v) },
    { path: 'augmentation.globalScale', before: 'widen' },
    ...koleo,
  ],
  flat: [...koleo, { path: 'head.prototypes', before: 'take more', from: below(64) }],
}

/**
 * What to change in a program: of the advice, what it has a setting for that is not there already, with the present value; and in one that
 * has its losses in its code, `terms` of them, the one that is missing.
 */
export const advised = (cause: Cause, settings: unknown, terms: ReadonlyArray<string> = []): ReadonlyArray<string> => {
  const isMissing = (cause === 'alike' || cause === 'flat') && valueAt(settings, 'objective') === undefined
  return [
    ...(isMissing && terms.some((t) => t.startsWith('loss.dino')) && !terms.includes('loss.koleo')
      ? ['add weighted(0.1)(koleo()) to the loss, which holds features apart']
      : []),
    ...advice[cause].flatMap(({ path, before, after, from }) => {
      const value = valueAt(settings, ...path.split('.'))
      if (value === undefined || from?.(value) === false) return []
      return [`${before} ${path}${after === undefined ? '' : ` ${after}`} (it is ${showDefault(value)})`]
    }),
  ]
}

const text = (cause: Cause, w: Watched, values: ReadonlyMap<string, number>): string => {
  const number = (name: string): string => (values.get(name) ?? NaN).toPrecision(3)
  const most = Math.log(w.prototypes ?? 1).toPrecision(3)
  const found: Readonly<Record<Cause, string>> = {
    uniform: `the teacher still finds all ${w.prototypes ?? 0} prototypes equally likely (entropy ${number('entropy')}, ln K is ${most}), so nothing is learned`,
    certain: `the teacher is certain of one prototype for every crop (entropy ${number('entropy')} of at most ${most})`,
    alike: `the features of different images are nearly the same (spread ${number('spread')} of at most ${(1 / Math.sqrt(w.width)).toPrecision(3)})`,
    flat: `the features of all images lie nearly on a line (they differ in ${number('rank')} directions)`,
  }
  const change = advised(cause, w.settings, [...values.keys()])
  return change.length === 0 ? found[cause] : `${found[cause]}: ${change.join(', or ')}`
}

/** How long each sign has shown by now, which last, and which causes were reported. */
export interface Watching {
  readonly inRow: ReadonlyMap<Cause, number>
  readonly lasting: ReadonlySet<Cause>
  readonly reported: ReadonlySet<Cause>
}

export const calm: Watching = { inRow: new Map(), lasting: new Set(), reported: new Set() }

/** Whether a sign lasts, which then was reported. */
export const isCollapsed = ({ lasting }: Watching): boolean => lasting.size > 0

/** After one more step: what to remember, and what to report. Law, tested: no cause is reported twice. */
export const watch =
  (w: Watched, step: number, values: ReadonlyMap<string, number>) =>
  (before: Watching): readonly [Watching, ReadonlyArray<string>] => {
    const inRow = new Map(signs(w, step, values).map((c) => [c, (before.inRow.get(c) ?? 0) + 1] as const))
    const lasting = new Set([...inRow].filter(([, n]) => n >= patienceOf(w)).map(([c]) => c))
    const now = [...lasting].filter((c) => !before.reported.has(c))
    return [
      { inRow, lasting, reported: new Set([...before.reported, ...now]) },
      now.map((c) => `warning at step ${step}: ${text(c, w, values)}`),
    ]
  }
