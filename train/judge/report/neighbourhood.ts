/** Which images are alike to the network: nearest neighbours of some, and a map of all. */
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { TopLevelSpec } from 'vega-lite'
import type { Fault } from '../../../core/fault.ts'
import type { Dataset } from '../../../data/readers/dataset.ts'
import type { Rows } from '../evaluate/neighbours.ts'
import { nearestOf } from '../evaluate/neighbours.ts'
import { trustworthiness } from '../interpret/trust.ts'
import { umap } from '../interpret/umap.ts'
import { classColours, draw } from './chart.ts'
import type { Eye } from '../interpret/eye.ts'
import type { Html } from './html.ts'
import { fold, html, raw, when } from './html.ts'
import { shrunk } from '../interpret/pictures.ts'
import { pictured } from './picture.ts'
import { labelOf } from '../interpret/subject.ts'
import { byTurns } from './sample.ts'
import type { Section } from './sections.ts'

/** Images that are asked for, and neighbours of each. */
const asked = 8
const near = 6

/** Pixels of a neighbour's picture along its longer side. */
const thumbnail = 96

/** Cosines of a row: two digits, and five where two show 1.00 for all of them, which tell no neighbour from another. */
export const showCosines = (similarity: ReadonlyArray<number>): ReadonlyArray<string> => {
  const digits = similarity.every((s) => s.toFixed(2) === '1.00') ? 5 : 2
  return similarity.map((s) => s.toFixed(digits))
}

const neighbourRow = (eye: Eye, d: Dataset, row: ReadonlyArray<number>, similarity: ReadonlyArray<number>): TaskEither<Fault, Html> =>
  pipe(
    row.map((i, k) =>
      pipe(
        eye.subjects(d, [i]),
        TE.chain((found): TaskEither<Fault, Html> =>
          found.length === 0
            ? TE.right(html`<figure><figcaption>cannot be read</figcaption></figure>`)
            : pipe(
                pictured(shrunk(thumbnail)(found[0].image), found[0].source),
                TE.map((img) => {
                  const [own, label] = [labelOf(d, row[0]), labelOf(d, i)]
                  const kind = k === 0 || own === undefined || label === undefined ? '' : own === label ? 'same' : 'other'
                  return html`<figure class="${kind}" title="${found[0].source}">
                    ${img}
                    <figcaption>
                      ${[label, k === 0 ? undefined : showCosines(similarity)[k - 1]].filter((t) => t !== undefined).join(' · ') || 'asked'}
                    </figcaption>
                  </figure>`
                }),
              ),
        ),
      ),
    ),
    TE.sequenceSeqArray,
    TE.map((all) => html`<div class="near">${all}</div>`),
  )

/**
 * Some images, each with those whose class tokens have the largest cosine with its own, and, where it is known what they were `before`
 * training, with those that were nearest then.
 */
export const neighbourSection = (eye: Eye, d: Dataset, rows: Rows, before: Rows | undefined): TaskEither<Fault, ReadonlyArray<Section>> => {
  const k = Math.min(near, d.length - 1)
  if (k < 1) return TE.right([])
  const found = [rows, ...(before === undefined ? [] : [before])].map((r) => nearestOf(r, r, { k, normalise: true, leaveOneOut: true }))
  const labelled = O.isSome(d.label(0))
  return pipe(
    byTurns(d).slice(0, asked),
    TE.traverseSeqArray((q) =>
      pipe(
        found,
        TE.traverseSeqArray(({ index, similarity }) => {
          const row = <A>(all: { readonly subarray: (from: number, to: number) => Iterable<A> }): ReadonlyArray<A> => [
            ...all.subarray(q * k, (q + 1) * k),
          ]
          return neighbourRow(eye, d, [q, ...row(index)], row(similarity))
        }),
        TE.map((both) => html`<div>${both}</div>`),
      ),
    ),
    TE.map((all): ReadonlyArray<Section> => [
      {
        id: 'neighbours',
        title: 'Nearest neighbours',
        body: html`<p class="note">
            First the image, then those of ${d.length} of ${d.name} whose class tokens have the largest cosine with its
            own${when(labelled, () => html`; green frames have its class, red ones another`)}.${when(before !== undefined, () => html` The second row shows who they were before training.`)}
          </p>
          ${fold(`${all.length} images, each with ${k} neighbours`, html`<div class="nears">${all}</div>`)}`,
      },
    ]),
  )
}

/** Classes that a map distinguishes by colour; the rest of them share one. */
interface Colouring {
  readonly names: ReadonlyArray<string>
  readonly others: number
  readonly of: (i: number) => number
}

const rest = 'var(--rest)'

/** Colours for the most frequent classes, in the classes' order. */
const colouring = (d: Dataset): Colouring => {
  const counts = new Map<string, number>()
  const labels = Array.from({ length: d.length }, (_, i) => labelOf(d, i))
  for (const l of labels) if (l !== undefined) counts.set(l, (counts.get(l) ?? 0) + 1)
  const most = [...counts]
    .sort((a, b) => b[1] - a[1])
    .slice(0, classColours.length)
    .map(([l]) => l)
  const names = d.classes.filter((c) => most.includes(c))
  return { names, others: counts.size - names.length, of: (i) => names.indexOf(labels[i] ?? '') }
}

/** Neighbours that a map is made by, and that its trustworthiness is reported for. */
const around = 15

const scatter = (places: Float64Array, c: Colouring): TopLevelSpec => ({
  data: { values: Array.from({ length: places.length / 2 }, (_, i) => ({ x: places[2 * i], y: places[2 * i + 1], colour: c.of(i) })) },
  width: 420,
  height: 340,
  mark: { type: 'point', filled: true, size: 34, opacity: 0.85, strokeWidth: 0 },
  encoding: {
    x: { field: 'x', type: 'quantitative', axis: null, scale: { zero: false, nice: false, padding: 8 } },
    y: { field: 'y', type: 'quantitative', axis: null, scale: { zero: false, nice: false, padding: 8 } },
    color: {
      field: 'colour',
      type: 'ordinal',
      legend: null,
      scale: {
        domain: [-1, ...c.names.keys()],
        range: [c.names.length === 0 ? 'var(--accent)' : rest, ...classColours.slice(0, c.names.length)],
      },
    },
  },
})

const key = (c: Colouring): Html =>
  html`<p class="key">
    ${c.names.map((n, i) => html`<span><i style="background:${raw(classColours[i])}"></i>${n}</span>`)}${when(c.others > 0, () => html`<span><i style="background:${raw(rest)}"></i>${c.others} other classes</span>`)}
  </p>`

/** UMAP of class tokens, by the colours of their classes where there are labels. Left out where there are too few images for a map. */
export const mapSection = (d: Dataset, rows: Rows, seed: number): TaskEither<Fault, ReadonlyArray<Section>> => {
  if (d.length < 3 * around) return TE.right([])
  const c = colouring(d)
  return pipe(
    TE.fromEither(umap({ seed, neighbours: around })(rows)),
    TE.bindTo('places'),
    TE.bind('svg', ({ places }) => draw([{ name: 'map', label: 'UMAP of class tokens', chart: scatter(places, c) }])),
    TE.map(({ places, svg }): ReadonlyArray<Section> => [
      {
        id: 'map',
        title: 'Map of features',
        body: html`<p class="note">
            UMAP of the class tokens of ${d.length} images of ${d.name}. Trustworthiness at ${around} neighbours:
            ${trustworthiness(rows.data, rows.dim, places, around).toFixed(3)}; at 1 all neighbours on the map are neighbours in truth.
          </p>
          ${when(c.names.length > 0, () => key(c))}
          <figure class="wide">${svg.get('map') ?? html``}</figure>`,
      },
    ]),
  )
}
