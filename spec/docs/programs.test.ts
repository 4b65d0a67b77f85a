/**
 * The code that README and docs/ show: programs are taken out of their pages, type-checked as a user's file is, and run; commands are
 * typed.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as t from 'io-ts'
import ts from 'typescript'
import { beforeAll, describe, expect, it, test } from 'vitest'
import { evaluate } from '../../compiler/targets/reference.ts'
import { input } from '../../core/leaves.ts'
import { decodeAs, isRecord } from '../../data/formats/codec.ts'
import type { ClassTokens, Features } from '../../losses/features.ts'
import type { Loss } from '../../losses/loss.ts'
import { total } from '../../losses/loss.ts'
import { right } from '../data/either.ts'
import { dinograph } from '../support/command.ts'
import { folderWithin } from '../support/within.ts'
import { callsProgram } from './ops.ts'
import { started } from '../support/built.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = folderWithin('docs')

/** A program of a page, as a file. */
interface Shown {
  readonly title: string
  readonly file: string
}

/** Blocks of TypeScript, each under the heading that it stands below. */
const programsIn = (page: string): ReadonlyArray<Shown> => {
  const sections = readFileSync(join(root, page), 'utf8').split(/^## /m)
  return sections.flatMap((section) =>
    [...section.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code], i) => {
      const title = section.split('\n')[0]
      const file = join(folder, `${basename(page, '.md')}-${title.toLowerCase().replaceAll(/\W+/g, '-')}-${i}.ts`)
      writeFileSync(file, code)
      return { title, file }
    }),
  )
}

const written = ['docs/methods.md', 'docs/strategies.md'].flatMap(programsIn)
const isRun = ({ file }: Shown): boolean => readFileSync(file, 'utf8').includes('export default command(')
const shown = written.filter(isRun)
const parts = written.filter((s) => !isRun(s))
const [language] = programsIn('docs/language.md')
const [, called] = programsIn('README.md')
const [data] = programsIn('docs/data.md')
const extending = programsIn('docs/extending.md')
// spec/train/plugins.test.ts trains with it
const plugins = programsIn('docs/plugins.md')

/** What `dinograph new` writes, and what it says is typed next. */
const begun = (['experiment', 'loss', 'backbone'] as const).map((what) => {
  const { code, out, err } = dinograph('new', what, `my-${what}`, '--out', join(folder, 'new'))
  const [program, test] = [`my-${what}.ts`, `my-${what}.test.ts`].map((name) => join(folder, 'new', name))
  return { what, code, out, err, program, test }
})
const begunFiles = begun.flatMap(({ what, program, test }) => [program, test].map((file): Shown => ({ title: what, file })))

// spec/docs/ops.test.ts runs it
const ops: Shown = { title: 'the calls of docs/ops.md', file: join(folder, 'ops.ts') }
writeFileSync(ops.file, callsProgram)

const programs = [...written, ops, language, called, data, ...extending, ...plugins, ...begunFiles]

test('there is a loss, a backbone and a strategy', () => {
  expect(shown.map((s) => s.title)).toEqual(['A loss of your own', 'A backbone of your own', 'A strategy of your own'])
})

test('they type-check', { timeout: 300_000 }, () => {
  const host = { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined }
  const config = ts.getParsedCommandLineOfConfigFile(join(root, 'tsconfig.json'), {}, host)
  const program = ts.createProgram(
    programs.map((s) => s.file),
    config?.options ?? {},
  )
  const wrong = programs.flatMap((s) => ts.getPreEmitDiagnostics(program, program.getSourceFile(s.file)))
  expect(wrong.map((d) => `${basename(d.file?.fileName ?? '')}: ${ts.flattenDiagnosticMessageText(d.messageText, '\n')}`)).toEqual([])
})

describe('what `dinograph new` writes', { timeout: 300_000 }, () => {
  const shared = settings.filter((name) => !name.startsWith('model')).concat('evaluation.report=false')

  it.each(begun)(
    '$what: 20 to 40 lines, whose test passes, and which trains by the line that is said',
    ({ what, code, out, err, program, test: its }) => {
      expect(code, err).toBe(0)
      const lines = readFileSync(program, 'utf8').trimEnd().split('\n').length
      expect(lines).toBeGreaterThanOrEqual(20)
      expect(lines).toBeLessThanOrEqual(40)
      const tested = spawnSync(process.execPath, ['--import', 'tsx', '--test', its], { cwd: root, encoding: 'utf8' })
      expect(tested.status, tested.stdout).toBe(0)
      expect(tested.stdout).toContain('# pass 2')
      const [, line = ''] = /^to train it: (.*)$/m.exec(out) ?? []
      const words = line
        .replace(/^npx tsx /, '')
        .replace(/^npx dinograph /, 'train/cli/dinograph.ts ')
        .split(' ')
      const small = what === 'backbone' ? ['model.width=8'] : ['model.width=8', 'model.depth=1', 'model.heads=2']
      const set = [...shared, ...small].flatMap((s) => ['--set', s])
      const end = ['--steps', '3', '--target', 'reference', '--out', `${program}.run`, '--json']
      // a plugin imports this checkout as it is
      const done = spawnSync(process.execPath, ['--import', 'tsx', ...words, ...set, ...end], { cwd: root, encoding: 'utf8' })
      expect(done.status, done.stderr).toBe(0)
      const report = right(decodeAs(final, 'data', 'the last line', 'none')(JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '')))
      expect(report.steps).toBe(3)
      if (what === 'loss') expect(report.metrics['loss.my-loss']).toBeGreaterThanOrEqual(0)
    },
  )

  it('has a tsconfig.json beside it where there is none, and says what the compiler still needs', () => {
    const alone = mkdtempSync(join(tmpdir(), 'dinograph-new-'))
    const write = (what: string, name: string, out: string): string => {
      const { code, out: said, err } = dinograph('new', what, name, '--out', out)
      expect(code, err).toBe(0)
      return said
    }
    const first = write('backbone', 'one', join(alone, 'sub'))
    expect(first).toContain('tsconfig.json: how types are checked')
    expect(first).toContain('npm pkg set type=module && npm install --save-dev typescript @types/node && npx tsc --noEmit -p ')
    const written = join(alone, 'sub/tsconfig.json')
    const parsed = ts.getParsedCommandLineOfConfigFile(written, {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => undefined })
    expect([parsed?.errors, parsed?.options.strict, parsed?.options.noEmit, parsed?.options.types]).toEqual([[], true, true, ['node']])
    expect(parsed?.fileNames.map((name) => basename(name))).toEqual(['one.test.ts', 'one.ts'])
    // what is there stays, also where it lies above; what is installed is not asked for
    writeFileSync(written, '{}')
    writeFileSync(join(alone, 'package.json'), '{ "type": "module" }')
    for (const name of ['typescript', '@types/node']) mkdirSync(join(alone, 'node_modules', name), { recursive: true })
    const second = write('loss', 'two', join(alone, 'sub/deeper'))
    expect(second).not.toContain('tsconfig.json')
    expect(second).toMatch(/to check its types: npx tsc --noEmit -p \S+sub$/m)
    expect(readFileSync(written, 'utf8')).toBe('{}')
    expect(existsSync(join(alone, 'sub/deeper/tsconfig.json'))).toBe(false)
    rmSync(alone, { recursive: true })
  })

  it('is never written over, and has no name that there is', () => {
    const again = dinograph('new', 'loss', 'my-loss', '--out', join(folder, 'new'))
    expect([again.code, again.err]).toEqual([2, expect.stringContaining('found:   a file that is there already')])
    rmSync(join(folder, 'new/my-loss.ts'))
    expect(dinograph('new', 'loss', 'my-loss', '--out', join(folder, 'new')).err).toContain('my-loss.test.ts')
    expect(existsSync(join(folder, 'new/my-loss.ts'))).toBe(false)
    expect(dinograph('new', 'backbone', 'vit').err).toContain('vit, which there is already')
    expect(dinograph('new', 'loss', '../x').code).toBe(2)
  })
})

const isLoss = (u: unknown): u is Loss<Features<ClassTokens>> => isRecord(u) && typeof u['run'] === 'function'

test('the loss of "What a loss is given" is small where crops of one image are alike, by the order of rows that the page says', async () => {
  expect(parts.map((s) => s.title)).toEqual(['What a loss is given'])
  const page: unknown = await import(parts[0].file)
  const contrast = isRecord(page) ? page['contrast'] : undefined
  if (!isLoss(contrast)) throw new Error('no loss')
  const [s, t] = ['student', 'teacher'].map((name) => input(name, [4, 2]))
  const [outcome] = contrast.run({ images: 2, student: { global: { cls: s } }, teacher: { global: { cls: t } } })(new Map())
  const at = (...teacher: ReadonlyArray<number>): number => {
    // crop 0 of both images, then crop 1, which is not read
    const student = Float64Array.of(1, 0, 0, 1, 9, 9, 9, 9)
    const values = new Map([['student', student] as const, ['teacher', Float64Array.from(teacher)] as const])
    return evaluate([total(outcome)], values)[0][0]
  }
  expect(at(9, 9, 9, 9, 1, 0, 0, 1)).toBeLessThan(0.01)
  expect(at(9, 9, 9, 9, 0, 1, 1, 0)).toBeGreaterThan(4)
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

const ranFrom = (file: string): ReturnType<typeof spawnSync> & { readonly stdout: string; readonly stderr: string } =>
  spawnSync(process.execPath, ['--import', 'tsx', file], { cwd: folder, encoding: 'utf8' })

describe('they run', { timeout: 300_000 }, () => {
  it("the language's prints what its page shows", () => {
    const done = ranFrom(language.file)
    expect(done.status, done.stderr).toBe(0)
    const [, printed = ''] = /^```\n(graph regression\n.*?)^```$/ms.exec(readFileSync(join(root, 'docs/language.md'), 'utf8')) ?? []
    // what the page leaves out stands as dots
    for (const part of printed.split(/^ +…\n/m)) expect(done.stdout).toContain(part)
  })
  it.each(extending)("what extending.md's print: $title", ({ title, file }) => {
    const done = ranFrom(file)
    expect(done.status, done.stderr).toBe(0)
    const [, section = ''] = readFileSync(join(root, 'docs/extending.md'), 'utf8').split(`## ${title}\n`)
    // what closes the program, what opens the text
    const [, , printed = 'nothing'] = section.split(/^```\n/m)
    expect(done.stdout.trim()).toBe(printed.trim())
  })
  it("README's second program", () => {
    const file = join(folder, 'called.ts')
    const code = readFileSync(called.file, 'utf8')
    expect(code).toContain('steps: 300')
    writeFileSync(file, code.replace('steps: 300', 'steps: 2, data: { train: 200, test: 50 }'))
    const done = ranFrom(file)
    expect(done.status, done.stderr).toBe(0)
    expect(done.stdout).toContain('results in ')
  })
})

describe('they are read by threads', { timeout: 300_000 }, () => {
  const raw = join(folder, 'raw')
  const train = (file: string, out: string, workers: number) => {
    const set = [`data.workers=${workers}`, ...settings.filter((s) => !/^data/.test(s)), 'model.depth=1', 'model.heads=2', 'data.share=0.5']
    const line = ['--data', raw, '--steps', '2', '--target', 'gpujs:cpu', '--out', join(folder, out), ...set.flatMap((s) => ['--set', s])]
    return spawnSync(process.execPath, ['--import', 'tsx', file, ...line], { cwd: root, encoding: 'utf8' })
  }
  const lossesOf = (out: string): ReadonlyArray<string> =>
    readFileSync(join(folder, out, 'metrics.jsonl'), 'utf8').match(/"loss":[\d.]+/g) ?? []

  beforeAll(() => {
    mkdirSync(raw)
    for (const n of Array.from({ length: 12 }, (_, i) => i)) {
      const values = Float32Array.from({ length: 28 * 28 }, (_, i) => -1000 + ((i * (n + 3)) % 29) * 60)
      writeFileSync(join(raw, `${n}.f32`), new Uint8Array(values.buffer))
      writeFileSync(join(raw, `${n}.json`), JSON.stringify({ height: 28, width: 28, label: n % 2 === 0 ? 'even' : 'odd' }))
    }
  })
  it('data of your own: a name that the file does not export is a fault; by its remedy they give the losses of no threads', () => {
    const other = data.file.replace(/\.ts$/, '-other.ts')
    writeFileSync(other, readFileSync(data.file, 'utf8').replace("'openRaw', (dir", "'openRow', (dir"))
    const wrong = train(other, 'threads', 2)
    expect(wrong.status).toBe(1)
    expect(wrong.stderr).toContain('found:   no function openRow among its exports')
    expect(wrong.stderr).toContain("remedy:  export const openRow = threaded(import.meta.url, 'openRow', …)")
    writeFileSync(other, readFileSync(data.file, 'utf8').replaceAll('openRaw', 'openRow'))
    for (const [file, out, workers] of [[data.file, 'none', 0] as const, [other, 'threads', 2] as const]) {
      const done = train(file, out, workers)
      expect(done.status, done.stderr).toBe(0)
      expect(done.stderr).toContain('intensity: window')
    }
    expect(lossesOf('none')).toHaveLength(2)
    expect(lossesOf('threads')).toEqual(lossesOf('none'))
  })
})

/** Command lines of a page that need no network of the reader's own to be understood. */
const linesIn = (page: string): ReadonlyArray<string> =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/^```sh\n(.*?)^```$/gms)]
    .flatMap(([, block]) => block.split('\n'))
    .map((line) => line.replace(/ {2,}#.*$/, '').trim())
    .filter((line) => /^npm run (data|evaluate|features|attention|hf|report|ir) |^npx tsx examples.* --data /.test(line))

const typed = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
].flatMap(linesIn)

describe('commands are understood: what is not there is what stops them', { timeout: 300_000 }, () => {
  it('there are some', () => {
    expect(typed.length).toBeGreaterThan(10)
  })
  it.each(typed)('%s', (line) => {
    const words = line
      .replace(/^npm run (\w+)/, 'npx tsx train/cli/dinograph.ts $1')
      .replace(' -- ', ' ')
      .split(' ')
      .slice(2)
    const done = spawnSync(process.execPath, started(words), { cwd: root, encoding: 'utf8' })
    if (done.status !== 0) expect(done.stderr).toMatch(/^(io|data|model|format|graph) fault at /m)
    expect(done.stderr).not.toMatch(/^(usage|config) fault/m)
  })
})
