/** The programs that docs/ shows: each is taken out of its page, type-checked as a user's file is, and trained for two steps. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as t from 'io-ts'
import ts from 'typescript'
import { afterAll, describe, expect, it, test } from 'vitest'
import { decodeAs } from '../../data/formats/codec.ts'
import { right } from '../data/either.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
// within the repository, where `dinograph` is found as an installed package is
mkdirSync(join(root, '.cache'), { recursive: true })
const folder = mkdtempSync(join(root, '.cache/docs-'))
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

/** A program of a page, as a file. */
interface Shown {
  readonly title: string
  readonly file: string
}

/** Blocks of TypeScript, each under the heading that it stands below. */
const programsIn = (page: string): ReadonlyArray<Shown> => {
  const sections = readFileSync(join(root, 'docs', page), 'utf8').split(/^## /m)
  return sections.flatMap((section) =>
    [...section.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code], i) => {
      const title = section.split('\n')[0]
      const file = join(folder, `${basename(page, '.md')}-${title.toLowerCase().replaceAll(/\W+/g, '-')}-${i}.ts`)
      writeFileSync(file, code)
      return { title, file }
    }),
  )
}

const shown = ['methods.md', 'strategies.md'].flatMap(programsIn)

test('there is a loss, a backbone and a strategy', () => {
  expect(shown.map((s) => s.title)).toEqual(['A loss of your own', 'A backbone of your own', 'A strategy of your own'])
})

test('they type-check', { timeout: 300_000 }, () => {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined }
  const config = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), {}, host)
  const program = ts.createProgram(
    shown.map((s) => s.file),
    config?.options ?? {},
  )
  const wrong = shown.flatMap((s) => ts.getPreEmitDiagnostics(program, program.getSourceFile(s.file)))
  expect(wrong.map((d) => `${basename(d.file?.fileName ?? '')}: ${ts.flattenDiagnosticMessageText(d.messageText, '\n')}`)).toEqual([])
})

/** What the last line of every program holds. */
const final = t.type({ steps: t.number, loss: t.number, metrics: t.record(t.string, t.number) })

const settings = [
  'batch=4',
  'data.train=12',
  'data.test=6',
  'evaluation.k=3',
  'evaluation.during=0',
  'head.hidden=8',
  'head.bottleneck=4',
  'head.prototypes=8',
  'model.width=8',
  'augmentation.locals=1',
]

describe('they train', { timeout: 300_000 }, () => {
  const terms: Readonly<Record<string, ReadonlyArray<string>>> = { 'A loss of your own': ['loss.dino', 'loss.variance'] }
  it.each(shown)('$title', ({ title, file }) => {
    const words = ['--steps', '2', '--target', 'reference', '--json', '--out', `${file}.run`, ...settings.flatMap((s) => ['--set', s])]
    const done = spawnSync(process.execPath, ['--import', 'tsx', file, ...words], { cwd: root, encoding: 'utf8' })
    expect(done.status, done.stderr).toBe(0)
    const report = right(decodeAs(final, 'data', 'the last line', 'none')(JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '')))
    expect(report.steps).toBe(2)
    for (const name of [...(terms[title] ?? ['loss.dino']), 'knn_after']) expect(report.metrics[name], name).toBeGreaterThanOrEqual(0)
  })
})
