/** Several runs on one page: their numbers beside each other, the settings in which they differ, and their curves over one another. */
import { basename, dirname, join, resolve } from 'node:path'
import { pipe } from 'fp-ts/lib/function.js'
import * as O from 'fp-ts/lib/Option.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import type { Fault } from '../../../core/fault.ts'
import { join as joinPath } from '../../../core/tree.ts'
import { isRecord } from '../../../data/formats/codec.ts'
import { writeText } from '../../../data/formats/file.ts'
import { showNumber } from '../../run/log/numbers.ts'
import { classColours, comparedChart, draw } from './chart.ts'
import type { Curve } from './curves.ts'
import { isConstant } from './curves.ts'
import type { Html } from './html.ts'
import { html, raw, table } from './html.ts'
import { document, writtenNow } from './page.ts'
import type { RunRecord } from './record.ts'
import { readRecord } from './record.ts'
import type { Section } from './sections.ts'
import { groupsOf, isShare, meaningOf, neighboursOf, speedOf, stateOf, valueOf } from './sections.ts'

/** Runs on one page at most: as many as there are colours that tell them apart. */
export const mostRuns = classColours.length

/** A run as the page names it. */
interface Named {
  readonly name: string
  readonly colour: string
  readonly record: RunRecord
}

/** Folders by their last names, or by their whole paths where two have one. */
export const namesOf = (folders: ReadonlyArray<string>): ReadonlyArray<string> => {
  const short = folders.map((f) => basename(resolve(f)))
  return new Set(short).size === short.length ? short : folders.map((f) => resolve(f))
}

/** All settings by path; a list is one value. */
const flat = (u: unknown, at = ''): ReadonlyArray<readonly [string, string]> =>
  isRecord(u) && Object.keys(u).length > 0
    ? Object.entries(u).flatMap(([k, v]) => flat(v, joinPath(at, k)))
    : [[at, JSON.stringify(u) ?? '']]

/** A text without its quotes, where it is no number or other value then. */
const unquoted = (json: string): string =>
  /^"[^"\\]*[a-z][^"\\]*"$/i.test(json) && !/^"(true|false|null)"$/.test(json) ? json.slice(1, -1) : json

/** The settings in which configurations differ, each with its value in all of them; a dash where one does not have it. */
export const differences = (configs: ReadonlyArray<unknown>): ReadonlyArray<readonly [path: string, values: ReadonlyArray<string>]> => {
  const all = configs.map((c) => new Map(flat(c)))
  return [...new Set(all.flatMap((m) => [...m.keys()]))]
    .map((path) => [path, all.map((m) => m.get(path) ?? '-')] as const)
    .filter(([, values]) => new Set(values).size > 1)
    .map(([path, values]) => [path, values.map(unquoted)] as const)
}

type Row = readonly [what: string, values: ReadonlyArray<string>]

const rowsTable = (runs: ReadonlyArray<Named>, head: string, rows: ReadonlyArray<Row>): Html =>
  table(
    rows.map(([what, values]) => Object.fromEntries([[head, what], ...values.map((v, i) => [runs[i].name, v] as const)])),
    [head, ...runs.map((r) => r.name)],
  )

const lastOf = (r: RunRecord, name: string): string =>
  pipe(
    O.fromNullable(r.curves.curves.find((c) => c.name === name)),
    O.match(
      () => '-',
      (c) => showNumber(c.last),
    ),
  )

/** The neighbours that judge all of the runs; where these differ, they are among the settings that do. */
const sharedNeighbours = (runs: ReadonlyArray<Named>): number | undefined => {
  const all = new Set(runs.map((r) => neighboursOf(r.record)))
  return all.size === 1 ? [...all][0] : undefined
}

/** How the runs ended: their numbers beside each other. */
const results = (runs: ReadonlyArray<Named>): Section => {
  const records = runs.map((r) => r.record)
  const ends = records.map((r) => O.toUndefined(r.summary))
  const k = sharedNeighbours(runs)
  const numbers = new Set(ends.flatMap((s) => Object.keys(s?.metrics ?? {})))
  const rows: ReadonlyArray<Row> = [
    ['state', records.map((r) => stateOf(r).text)],
    ['steps', records.map((r) => String(r.curves.step))],
    ['loss of the last step', records.map((r) => lastOf(r, 'loss'))],
    ['images/s, mean of all steps', records.map((r) => pipe(speedOf(r), (v) => (v === undefined ? '-' : showNumber(v))))],
    ...[...numbers].map((n): Row => [
      meaningOf(n, k),
      ends.map((s) => pipe(s?.metrics[n], (v) => (v === undefined ? '-' : valueOf(n, v)))),
    ]),
    ...(ends.every((s) => s?.best === undefined)
      ? []
      : [
          [
            'best checkpoint',
            ends.map((s) =>
              s?.best === undefined ? '-' : `${s.best.metric} ${valueOf(s.best.metric, s.best.value)} at step ${s.best.step}`,
            ),
          ] as const,
        ]),
  ]
  return { id: 'results', title: 'Results', body: rowsTable(runs, 'number', rows) }
}

const settings = (runs: ReadonlyArray<Named>): Section => {
  const rows = differences(runs.map((r) => r.record.config))
  return {
    id: 'settings',
    title: 'Settings that differ',
    body: rows.length === 0 ? html`<p class="note">None: the runs have one configuration.</p>` : rowsTable(runs, 'setting', rows),
  }
}

/** A number that some of the runs have. */
interface Compared {
  readonly name: string
  readonly curves: ReadonlyArray<{ readonly run: Named; readonly curve: Curve }>
}

const compared = (runs: ReadonlyArray<Named>): ReadonlyArray<Compared> => {
  const names = new Set(runs.flatMap((r) => r.record.curves.curves.map((c) => c.name)))
  return [...names]
    .map((name) => ({
      name,
      curves: runs.flatMap((run) => {
        const curve = run.record.curves.curves.find((c) => c.name === name)
        return curve === undefined ? [] : [{ run, curve }]
      }),
    }))
    .filter(
      ({ curves: [first, ...others] }) =>
        !isConstant(first.curve) || others.some((o) => !isConstant(o.curve) || o.curve.last !== first.curve.last),
    )
}

const curves = (runs: ReadonlyArray<Named>): TaskEither<Fault, ReadonlyArray<Section>> => {
  const all = compared(runs)
  if (all.length === 0) return TE.right([])
  const to = Math.max(...runs.map((r) => r.record.curves.step))
  const k = sharedNeighbours(runs)
  return pipe(
    all.map(({ name, curves: of }, i) => ({
      name: `curve-${i}`,
      label: `${meaningOf(name, k)} over steps of ${of.map((c) => c.run.name).join(', ')}`,
      chart: comparedChart(
        of.map(({ run, curve }) => ({ colour: run.colour, curve })),
        to,
        isShare(name),
      ),
    })),
    draw,
    TE.map((drawn) => [
      {
        id: 'curves',
        title: 'Curves',
        body: html`<p class="note">Steps run to the right; lines are means of steps that lie together.</p>
          ${groupsOf(all, (c) => c.name).map(
            ({ title, of }) =>
              html`<h3>${title}</h3>
                <div class="charts">
                  ${of.map(
                    (c) =>
                      html`<figure>
                        <figcaption><b>${meaningOf(c.name, k)}</b></figcaption>
                        ${drawn.get(`curve-${all.indexOf(c)}`) ?? html``}
                      </figure>`,
                  )}
                </div>`,
          )}`,
      },
    ]),
  )
}

const key = (runs: ReadonlyArray<Named>): Html =>
  html`<p class="key">
    ${runs.map((r) => html`<span><i${raw(` style="background: ${r.colour}"`)}></i>${r.name} <span class="badge ${stateOf(r.record).kind}">${stateOf(r.record).text}</span></span>`)}
  </p>`

/** The page of several runs, in the order in which they are given. */
export const comparison = (records: ReadonlyArray<RunRecord>): TaskEither<Fault, string> => {
  const names = namesOf(records.map((r) => r.folder))
  const runs = records.map((record, i): Named => ({ record, name: names[i], colour: classColours[i % mostRuns] }))
  return pipe(
    curves(runs),
    TE.map((drawn) =>
      document({
        title: `${names.join(', ')}: runs compared`,
        heading: `${runs.length} runs compared`,
        above: key(runs),
        sections: [results(runs), settings(runs), ...drawn],
        written: writtenNow(),
      }),
    ),
  )
}

/** Where the page goes where nothing else is said: beside the first run. */
export const comparedIn = ([first]: ReadonlyArray<string>): string => join(dirname(resolve(first)), 'compare.html')

/** Writes the page of several runs; gives its path. Faults: no run in one of the folders; what the system refuses. */
export const writeComparison = (folders: ReadonlyArray<string>, path: string): TaskEither<Fault, string> =>
  pipe(
    folders,
    TE.traverseSeqArray(readRecord),
    TE.chain(comparison),
    TE.chain((text) => writeText(path, text)),
    TE.map(() => path),
  )
