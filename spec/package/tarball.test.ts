/**
 * The package as users have it: packed, installed into empty folders, and used there as README says, by tsx and compiled. Nothing of this
 * repository is reached but the compiler of TypeScript, whose version users choose.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root } from '../rooms/rooms.ts'
import { runIn } from './shell.ts'

const work = mkdtempSync(join(tmpdir(), 'dinograph-package-'))
afterAll(() => {
  rmSync(work, { recursive: true, force: true })
})

/** What each file of the package is for. */
const purposes: Readonly<Record<string, RegExp>> = {
  'what npm reads': /^package\.json$/,
  'what people read': /^(README|CHANGELOG|CONTRIBUTING|docs\/[\w-]+)\.md$|^LICENSE$/,
  code: /^dist\/.+\.js$/,
  types: /^dist\/.+\.d\.ts$/,
  'lines of the sources, for debuggers and stacks': /^dist\/.+\.js\.map$/,
  "C, compiled on the user's machine": /^dist\/compiler\/targets\/(native\/runtime\/\w+\.[ch]|native\/ranks\/mpi\.c|pjrt\/rendezvous\.c)$/,
  'the licences of what is bundled': /^dist\/compiler\/targets\/gpujs\/inside\.LICENSE$/,
  'examples, to be copied': /^examples\/\w+\.ts$|^examples\/ct\/boxes\.csv$/,
  'configurations, to be named by --config and extends': /^examples\/recipes\/.+\.yaml$/,
}

interface Packed {
  readonly filename: string
  readonly size: number
  readonly files: ReadonlyArray<{ readonly path: string }>
}

const isPacked = (u: unknown): u is Packed => typeof u === 'object' && u !== null && 'filename' in u && 'size' in u && 'files' in u

/** The JSON that npm prints comes after what the build says. */
const packedOf = (out: string): Packed => {
  const all: unknown = JSON.parse(out.slice(out.search(/^[[{]$/m)))
  const found = typeof all === 'object' && all !== null ? Object.values(all).find(isPacked) : undefined
  if (found === undefined) throw new Error(out)
  return found
}

const packing = async (): Promise<Packed> => packedOf((await runIn(root)('npm', 'pack', '--json', '--pack-destination', work)).out)

/** README's first program. */
const program = /^```ts\n(import [^`]*command\(import\.meta\.url,[^`]*)```$/m.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1] ?? ''

const faces = ['core', 'ops', 'models', 'losses', 'compiler', 'data', 'train']

/** Twenty steps that take seconds, with threads that load. */
const small = [
  '--steps',
  '20',
  '--target',
  'native',
  '--set',
  'data.workers=2',
  '--set',
  'data.train=200',
  '--set',
  'data.test=50',
  '--set',
  'model.width=32',
  '--set',
  'model.depth=1',
  '--set',
  'model.heads=2',
]

const compiler = [
  createRequire(import.meta.url).resolve('typescript/bin/tsc'),
  '--strict',
  '--skipLibCheck',
  'false',
  '--target',
  'es2023',
  '--module',
  'nodenext',
  '--typeRoots',
  join(root, 'node_modules/@types'),
  '--types',
  'node',
  '--outDir',
  'built',
]

const losses = (folder: string): ReadonlyArray<unknown> =>
  readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line): unknown => JSON.parse(line))
    .map((x) => (typeof x === 'object' && x !== null && 'loss' in x ? x.loss : undefined))

const state: { packed: Packed; losses: ReadonlyArray<unknown> } = { packed: { filename: '', size: 0, files: [] }, losses: [] }
beforeAll(async () => {
  state.packed = await packing()
}, 600_000)

describe('the tarball', () => {
  test('is under 2 MB, and each file in it is for something', () => {
    const paths = state.packed.files.map((f) => f.path)
    expect(paths.filter((p) => !Object.values(purposes).some((r) => r.test(p)))).toEqual([])
    expect(
      Object.entries(purposes)
        .filter(([, r]) => !paths.some((p) => r.test(p)))
        .map(([purpose]) => purpose),
    ).toEqual([])
    expect(state.packed.size).toBeLessThan(2e6)
  })

  test('has what is read beside the code: C, and programs of threads', () => {
    const paths = new Set(state.packed.files.map((f) => f.path))
    const runtime = readdirSync(join(root, 'compiler/targets/native/runtime')).map((name) => `compiler/targets/native/runtime/${name}`)
    expect(runtime.length).toBeGreaterThan(5)
    const threads = ['compiler/targets/gpujs/webasm-worker.js', 'data/loading/thread.js']
    const beside = [
      ...runtime,
      'compiler/targets/native/ranks/mpi.c',
      'compiler/targets/pjrt/rendezvous.c',
      ...threads,
      'train/cli/dinograph.js',
      ...faces.map((f) => `${f}/index.d.ts`),
    ]
    expect(beside.filter((path) => !paths.has(`dist/${path}`))).toEqual([])
  })
})

describe.each(['module', 'commonjs'])('in a project of type %s', (type) => {
  const folder = join(work, type)
  const run = runIn(folder)
  /** What stands for the place of a module in code that is compiled to CommonJS. */
  const checked = type === 'module' ? program : program.replace('import.meta.url', '__filename')

  beforeAll(async () => {
    mkdirSync(folder)
    await run('npm', 'init', '-y')
    await run('npm', 'pkg', 'set', `type=${type}`)
    const tarball = join(work, basename(state.packed.filename))
    const installed = await run('npm', 'install', '--prefer-offline', '--no-audit', '--no-fund', tarball)
    expect(installed.code, installed.err).toBe(0)
    writeFileSync(join(folder, 'experiment.ts'), program)
    writeFileSync(join(folder, 'checked.ts'), checked)
    writeFileSync(join(folder, 'faces.ts'), faces.map((f) => `export * as ${f} from 'dinograph/${f}'\n`).join(''))
  }, 600_000)

  test('a program type-checks with the declarations of all faces, and compiles', async () => {
    const { code, out } = await run(process.execPath, ...compiler, 'checked.ts', 'faces.ts')
    expect(out).toBe('')
    expect(code).toBe(0)
  })

  test.each([
    ['by tsx', 'npx', ['tsx', 'experiment.ts'], 'npx tsx experiment.ts'],
    ['compiled, by Node alone', process.execPath, ['built/checked.js'], 'node built/checked.js'],
  ])('it trains %s', async (_, command, words, typed) => {
    const help = await run(command, ...words, '--help')
    expect(help.out, help.err).toContain(`usage: ${typed} [options]`)
    const { code, err } = await run(command, ...words, ...small, '--out', 'runs/new')
    expect(code, err).toBe(0)
    expect(err).toContain('mine on native')
    expect(existsSync(join(folder, 'runs/new/report.html'))).toBe(true)
    const now = losses(join(folder, 'runs/new'))
    rmSync(join(folder, 'runs'), { recursive: true })
    expect(now.length).toBe(20)
    // the same run, whoever loads it
    state.losses = state.losses.length === 0 ? now : state.losses
    expect(now).toEqual(state.losses)
  })

  test('commands are there by npx', async () => {
    const help = await run('npx', 'dinograph', '--help')
    expect(help.out, help.err).toMatch(/^usage: dinograph COMMAND/)
    const ir = await run('npx', 'dinograph', 'ir', 'experiment.ts', '--target', 'native', '--stage', 'fused')
    expect(ir.out, ir.err).toMatch(/^# .* in \d+ kernels/m)
    const wrong = await run('npx', 'dinograph', 'train', '--sett', 'x')
    expect(wrong.err).toContain('did you mean --set?')
    const trained = await run('npx', 'dinograph', 'train', ...small, '--target', 'gpujs:webasm', '--steps', '2', '--out', 'runs/webasm')
    expect(trained.code, trained.err).toBe(0)
    expect(existsSync(join(folder, 'runs/webasm/report.html'))).toBe(true)
  })
})

describe('what is not installed', () => {
  test('is named with what installs it', async () => {
    const { code, err } = await runIn(join(work, 'module'))('npx', 'dinograph', 'train', '--target', 'gpujs:headlessgl', '--steps', '1')
    expect(code).not.toBe(0)
    expect(err).toContain('npm install gpu.js@2.24.1 gl@8.1.6')
  })
})
