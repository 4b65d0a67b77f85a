/** Tables of evaluations. */
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { TaskEither } from 'fp-ts/lib/TaskEither.js'
import { commandLine } from '../../../core/command.ts'
import type { Fault } from '../../../core/fault.ts'
import type { Evaluated, Result } from '../evaluate/evaluation.ts'
import type { EvaluationName } from '../evaluate/evaluations.ts'
import { evaluations } from '../evaluate/evaluations.ts'
import { percent, showNumber } from '../../run/log/numbers.ts'
import type { Html } from './html.ts'
import { html, table, typed, when } from './html.ts'
import type { Section } from './sections.ts'

const titles: Readonly<Record<EvaluationName, string>> = {
  knn: 'k nearest neighbours',
  linear: 'Linear classifiers',
  logistic: 'Logistic regression',
  medmnist: 'ACC and AUC as MedMNIST reports them',
}

const isShare = (column: string): boolean => /top|acc/i.test(column)

/** Long tables show the best of their rows. */
const longest = 12

const shortened = (rows: Result['table']): Result['table'] => {
  if (rows.length <= longest) return rows
  const worth = (r: Result['table'][number]): number => (typeof r['val ACC'] === 'number' ? r['val ACC'] : 0)
  const best = new Set([...rows].sort((a, b) => worth(b) - worth(a)).slice(0, longest))
  return rows.filter((r) => best.has(r))
}

const shown = (name: string, v: number): string =>
  !Number.isFinite(v) ? '-' : isShare(name) ? percent(v) : /auc/i.test(name) ? v.toFixed(3) : showNumber(v)

const cell = (column: string, v: string | number): string => (typeof v === 'string' ? v : shown(column, v))

const resultOf = (name: EvaluationName, r: Result): Html =>
  html`<div>
    <h3>${titles[name]}</h3>
    <p>
      <b
        >${Object.entries(r.metrics)
          .filter(([n]) => !/^knn_|^val/.test(n))
          .map(([n, v]) => `${n} ${shown(n, v)}`)
          .join(', ')}</b
      >${r.of === undefined ? '' : ` at ${r.of}`}
    </p>
    ${table(
      shortened(r.table).map((row) => Object.fromEntries(Object.entries(row).map(([n, v]) => [n, cell(n, v)]))),
    )}${r.table.length > longest ? html`<p class="note">The best ${longest} of ${r.table.length}.</p>` : html``}
  </div>`

/** One that cannot be made of these data is reported; the others stand. */
export const evaluationSection =
  (e: Evaluated, names: ReadonlyArray<EvaluationName>, whole: boolean): TaskEither<Fault, ReadonlyArray<Section>> =>
  async () => {
    const bodies: Array<Html> = []
    for (const name of names) {
      const result = await evaluations[name](e)()
      bodies.push(
        E.isRight(result)
          ? resultOf(name, result.right)
          : html`<div>
              <h3>${titles[name]}</h3>
              <p class="note">Not evaluated: ${result.left.place}: ${result.left.found}.</p>
            </div>`,
      )
    }
    const { train, test, val } = e.parts
    return pipe(
      names.length === 0
        ? []
        : [
            {
              id: 'evaluations',
              title: 'Evaluations of frozen features',
              body: html`<p class="note">
                  ${whole ? 'On' : 'On a sample of'} ${train.length} images to learn
                  from${val === undefined ? '' : `, ${val.length} to choose by`} and ${test.length} to test
                  with${when(!whole, () => html`; on all of them: ${typed(`${commandLine('report')} --run DIR --whole`)}`)}.
                </p>
                <div class="columns">${bodies}</div>`,
            },
          ],
      E.right,
    )
  }
