/** What the folder of a run alone can tell: numbers, curves, configuration, environment. */
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { valueAt } from '../../../data/formats/codec.ts'
import { endingText } from '../../run/ending.ts'
import { knnName, percent, showBytes, showNumber } from '../../run/log/numbers.ts'
import { curveChart, draw } from './chart.ts'
import type { Curve } from './curves.ts'
import { isConstant } from './curves.ts'
import type { Html } from './html.ts'
import { facts, html, nothing, typed, when } from './html.ts'
import type { RunRecord } from './record.ts'
import { stepsOf } from './record.ts'
import { verdict } from './verdict.ts'

/** A part of the page. */
export interface Section {
  readonly id: string
  readonly title: string
  readonly body: Html
  /** What is said of it on the way, and numbers that join those of the run. */
  readonly found?: { readonly text: string; readonly metrics: Readonly<Record<string, number>> }
}

/** Numbers by name that are shares of a whole. */
export const isShare = (name: string): boolean => /^(knn|guided|waiting|skipped|pointing)/.test(name)

/** A number as it is shown. */
export const valueOf = (name: string, v: number): string => (isShare(name) ? percent(v) : showNumber(v))

/** Groups of curves by what they tell; the first that a name fits has it. */
const groups: ReadonlyArray<{ readonly title: string; readonly fits: (name: string) => boolean }> = [
  { title: 'Loss and its terms', fits: (n) => n === 'loss' || n.startsWith('loss.') },
  { title: 'What is learned: k-NN, entropy, spread, rank', fits: (n) => n === 'knn' || /entropy|spread|^rank$|^kl$/.test(n) },
  { title: 'Schedules', fits: (n) => /^(lr|wd|momentum|last_layer|temp\w*|\w+_temp|loss_scale|gram\w*)$/.test(n) },
  { title: 'Speed', fits: (n) => n === 'images_per_s' || n === 'waiting' },
  { title: 'Others', fits: () => true },
]

/** Things in the groups of their names, those without any left out. */
export const groupsOf = <A>(
  all: ReadonlyArray<A>,
  nameOf: (a: A) => string,
): ReadonlyArray<{ readonly title: string; readonly of: ReadonlyArray<A> }> =>
  groups.map((g) => ({ title: g.title, of: all.filter((a) => groups.find((x) => x.fits(nameOf(a))) === g) })).filter((g) => g.of.length > 0)

/** What a number is, where its name alone does not say it. */
const meanings: Readonly<Record<string, string>> = {
  knn: 'k-NN accuracy',
  knn_before: 'k-NN before training',
  knn_after: 'k-NN after training',
  iou: 'boxes of attention: mean best IoU',
  pointing: 'boxes of attention: pointing game',
  ap50: 'boxes of attention: AP50',
  box_patches: 'patches that a true box covers',
  knn_pixels: 'k-NN of raw pixels',
  lr: 'learning rate',
  wd: 'weight decay',
  momentum: 'teacher momentum',
  teacher_temp: 'teacher temperature',
  last_layer: 'share of the rate of the last layer',
  entropy: 'entropy of targets',
  ibot_entropy: 'entropy of targets of patches',
  kl: 'KL(teacher, student)',
  spread: 'spread of features',
  rank: 'directions in which features differ',
  images_per_s: 'images/s',
  waiting: 'share of time waiting for images',
  guided: 'guided crops',
}

/** A number's meaning; `k` neighbours have voted, where it is of k-NN. */
export const meaningOf = (name: string, k?: number): string =>
  `${meanings[name] ?? name}${k !== undefined && /^knn/.test(name) ? ` (k = ${k})` : ''}`

/** How many neighbours judge a run, where its configuration says so. */
export const neighboursOf = ({ config }: Pick<RunRecord, 'config'>): number | undefined => {
  const k = valueAt(config, 'evaluation', 'k')
  return typeof k === 'number' ? k : undefined
}

const figure = (c: Curve, svg: Html, k: number | undefined): Html =>
  html`<figure>
    <figcaption><b>${meaningOf(c.name, k)}</b><span>${valueOf(c.name, c.last)}</span></figcaption>
    ${svg}
  </figure>`

/** Curves of all numbers, by groups; those that never change as one line. */
export const curveSection = (r: RunRecord): TaskEither<Fault, ReadonlyArray<Section>> => {
  const { curves, step, span } = r.curves
  const k = neighboursOf(r)
  if (curves.length === 0) return TE.right([])
  const [still, moving] = [curves.filter(isConstant), curves.filter((c) => !isConstant(c) || c.count === 1)]
  return pipe(
    moving.map((c, i) => ({ name: `curve-${i}`, label: `${meaningOf(c.name)} over steps`, chart: curveChart(c, step, isShare(c.name)) })),
    draw,
    TE.map((drawn) => [
      {
        id: 'curves',
        title: 'Curves',
        body: html`<p class="note">
            ${span === 1 ? 'Every step is shown.' : `Lines are means of ${span} steps, bands reach from the least to the largest of them.`}
            Steps run to the right; the number beside a name is the last one.
          </p>
          ${groupsOf(moving, (c) => c.name).map(
            ({ title, of }) =>
              html`<h3>${title}</h3>
                <div class="charts">${of.map((c) => figure(c, drawn.get(`curve-${moving.indexOf(c)}`) ?? html``, k))}</div>`,
          )}${when(
            still.some((c) => !moving.includes(c)),
            () =>
              html`<p class="note">
                Without change:
                ${still
                  .filter((c) => !moving.includes(c))
                  .map((c) => `${meaningOf(c.name, k)} ${valueOf(c.name, c.last)}`)
                  .join(', ')}.
              </p>`,
          )}`,
      },
    ]),
  )
}

const tile = (name: string, value: string): Html => html`<div class="tile"><b>${value}</b><span>${name}</span></div>`

/** The curve of a name. */
const curveOf = (r: RunRecord, name: string): Curve | undefined => r.curves.curves.find((c) => c.name === name)

const metric = (r: RunRecord, name: string): number | undefined =>
  pipe(
    r.summary,
    O.match(
      () => undefined,
      (s) => s.metrics[name],
    ),
  )

/** How far the run came. */
export const stateOf = (r: RunRecord): { readonly text: string; readonly kind: 'good' | 'warn' | 'bad' } => {
  const [done, steps] = [r.curves.step, stepsOf(r) ?? r.curves.step]
  if (O.isSome(r.summary)) {
    const { ending } = r.summary.value
    const kind = ending === 'finished' ? 'good' : ending === 'collapsed' ? 'bad' : 'warn'
    return { text: endingText(ending, done, steps), kind }
  }
  return done >= steps && steps > 0
    ? { text: 'all steps done', kind: 'good' }
    : { text: `at step ${done} of ${steps}: not finished`, kind: 'warn' }
}

/** Images a second, the mean of all steps. */
export const speedOf = (r: RunRecord): number | undefined => {
  const { sum, count } = (curveOf(r, 'images_per_s')?.bins ?? []).reduce(
    (a, b) => ({ sum: a.sum + b.mean * b.count, count: a.count + b.count }),
    { sum: 0, count: 0 },
  )
  return count === 0 ? undefined : sum / count
}

/** The numbers that a run is remembered by. */
export const tiles = (r: RunRecord): Html => {
  const [loss, speed, knn] = [curveOf(r, 'loss'), speedOf(r), curveOf(r, 'knn')]
  const after = metric(r, 'knn_after') ?? knn?.last
  const [before, pixels] = [metric(r, 'knn_before'), metric(r, 'knn_pixels')]
  const best = O.toUndefined(r.summary)?.best
  const k = neighboursOf(r)
  const name = k === undefined ? 'k-NN' : knnName(k)
  const said = after === undefined ? undefined : verdict(name, { after, before, pixels })
  return html`${said === undefined ? nothing : html`<p class="verdict">${said}</p>`}
    <div class="tiles">
      ${[
        tile(`of ${stepsOf(r) ?? '?'} steps`, String(r.curves.step)),
        ...(loss === undefined ? [] : [tile('loss of the last step', showNumber(loss.last))]),
        ...(after === undefined ? [] : [tile(name, percent(after))]),
        ...(before === undefined ? [] : [tile(`${name} before training`, percent(before))]),
        ...(pixels === undefined ? [] : [tile(`${name} of raw pixels`, percent(pixels))]),
        ...(best === undefined
          ? []
          : [tile(`best ${meaningOf(best.metric, k)}, at step ${best.step}: ${best.checkpoint}`, valueOf(best.metric, best.value))]),
        ...(speed === undefined ? [] : [tile('images/s, mean of all steps', showNumber(speed))]),
        ...(r.sessions.length === 0 ? [] : [tile('target', r.sessions[r.sessions.length - 1].target)]),
      ]}
    </div>`
}

/** All numbers of the summary, the configuration, and every start. */
export const runSections = (r: RunRecord): ReadonlyArray<Section> => {
  const numbers = pipe(
    r.summary,
    O.match(
      () => [],
      (s) => Object.entries(s.metrics),
    ),
  )
  return [
    ...(numbers.length === 0
      ? []
      : [
          {
            id: 'numbers',
            title: 'Numbers at the end',
            body: html`<div class="columns">
              ${[numbers.slice(0, Math.ceil(numbers.length / 2)), numbers.slice(Math.ceil(numbers.length / 2))].map((half) => facts(half.map(([n, v]) => [meaningOf(n, neighboursOf(r)), valueOf(n, v)])))}
            </div>`,
          },
        ]),
    {
      id: 'configuration',
      title: 'Configuration',
      body: html`<p class="note">Everything decided: with ${typed('--config')} it gives the same run again.</p>
        <details>
          <summary>config.yaml</summary>
          <pre>${r.configText}</pre>
        </details>`,
    },
    {
      id: 'environment',
      title: 'Environment',
      body:
        r.sessions.length === 0
          ? html`<p class="note">The run has not recorded where it was computed.</p>`
          : html`${r.sessions.map(
              (s, i) =>
                html`${when(r.sessions.length > 1, () => html`<h3>${i === 0 ? 'Begun' : 'Continued'}</h3>`)}${facts([
                    ['started', s.started.replace('T', ' ').replace(/\.\d+Z$/, ' UTC')],
                    ['command', typed(s.command.join(' '))],
                    ['target', s.target],
                    ['device', s.device],
                    ['processor', `${s.processor}, ${s.cores} cores, ${showBytes(s.memory)}`],
                    ['system', s.system],
                    ['node', s.node],
                  ])}
                  <details>
                    <summary>versions</summary>
                    ${facts(Object.entries(s.versions))}
                  </details>`,
            )}`,
    },
  ]
}
