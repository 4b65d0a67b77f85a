/** Plugins as users have them: the file that docs/plugins.md shows, named by YAML and on the command line, in runs as processes. */
import { appendFileSync, cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as t from 'io-ts'
import { beforeAll, describe, expect, test } from 'vitest'
import { decodeAs } from '../../data/formats/codec.ts'
import { digestsOf } from '../../train/cli/plugin-file.ts'
import { right } from '../data/either.ts'
import { root } from '../rooms/rooms.ts'
import { tsx } from '../support/command.ts'
import { noRanks, underMpi } from '../support/mpi.ts'
import { folderWithin } from '../support/within.ts'

const folder = folderWithin('plugins')
const at = (...names: ReadonlyArray<string>): string => join(folder, ...names)

const [, program = ''] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(join(root, 'docs/plugins.md'), 'utf8')) ?? []
const [, yaml = ''] = /^```yaml\n(.*?)^```$/ms.exec(readFileSync(join(root, 'docs/plugins.md'), 'utf8')) ?? []

const small = `
steps: 3
batch: 4
model: { patch: 7, width: 8, depth: 1, heads: 2 }
head: { hidden: 8, bottleneck: 4, prototypes: 8 }
evaluation: { k: 3, during: 0, before: false, report: false }
accelerator: { target: reference }
`

beforeAll(() => {
  writeFileSync(at('mine.ts'), program)
  writeFileSync(at('mine.yaml'), `${yaml}name: mine\ndata: { train: 12, test: 6 }\n${small}`)
})

// plugins import this checkout as it is
const dinograph = (...words: ReadonlyArray<string>) => tsx('train/cli/dinograph.ts', ...words)

const train = (...words: ReadonlyArray<string>) => dinograph('train', ...words)

const final = t.type({ steps: t.number, metrics: t.record(t.string, t.number) })

const finalOf = (out: string): t.TypeOf<typeof final> =>
  right(decodeAs(final, 'data', 'the last line', 'none')(JSON.parse(out.trim().split('\n').at(-1) ?? '')))

describe('a plugin that a configuration names', () => {
  test('trains: its objective, strategy and augmentation, with what was said of them; the run notes the file and its digest', async () => {
    const { code, out, err } = train('--config', at('mine.yaml'), '--out', at('run'), '--json')
    expect(code, err).toBe(0)
    const { steps, metrics } = finalOf(out)
    expect(steps).toBe(3)
    expect(Object.keys(metrics)).toEqual(expect.arrayContaining(['loss.dino', 'loss.variance', 'knn_after']))
    const config = readFileSync(at('run/config.yaml'), 'utf8')
    expect(config).toContain(`plugins:\n  - file: mine.ts\n    sha256: ${(await digestsOf(at('mine.ts'))).sha256}\n`)
    expect(config).toMatch(/kind: variance\n +weight: 0.3/)
    expect(config).toMatch(/bitfit:\n +norms: true/)
  })

  test('has its settings in help and schema, and a wrong one is a fault with its line and the nearest name', () => {
    const help = train('--help', '--plugin', at('mine.ts'))
    expect(help.code).toBe(0)
    for (const path of ['objective.weight', 'strategies.bitfit.norms', 'augmentation.noise.deviation', 'data.reader'])
      expect(help.out).toContain(`  ${path} `)
    // a kind of its own is a heading, with what it means, and its settings come below
    expect(help.out).toMatch(
      /^ {2}objective\.kind=variance +DINO, with features that differ between images\n {2}objective\.weight +weight of the variance/m,
    )
    expect(help.out).toMatch(/^ {2}model\.kind=squares +squares of pixels, each through one layer\n {2}model\.width +components \[48\]/m)
    const schema = train('--schema', '--config', at('mine.yaml')).out
    expect(schema).toContain('"const": "squares"')
    writeFileSync(
      at('wrong.yaml'),
      'plugins: ./mine.ts\nobjective:\n  kind: variance\n  wieght: 1\naugmentation: { noise: { deviation: -1 } }\n',
    )
    const wrong = train('--config', at('wrong.yaml'))
    expect(wrong.code).toBe(2)
    expect(wrong.err).toContain('wrong.yaml:4: objective.wieght')
    expect(wrong.err).toContain('did you mean objective.weight?')
    expect(wrong.err).toMatch(/wrong.yaml:5: augmentation.noise.deviation\n +found: +-1\n +allowed: a number of at least 0/)
  })

  test('that is not there, or exports something else, is a fault at its place', () => {
    writeFileSync(at('absent.yaml'), '# a line\nplugins: [./mien.ts]\n')
    const absent = train('--config', at('absent.yaml'))
    expect(absent.code).toBe(2)
    expect(absent.err).toContain('absent.yaml:2: plugins')
    expect(absent.err).toMatch(/did you mean .*mine\.ts\?/)
    writeFileSync(at('other.ts'), 'export default 1\n')
    expect(train('--plugin', at('other.ts')).err).toContain('found:   no plugin as its default export')
  })
})

test('a plugin that is CommonJS, and so has this package a second time, is told of mistakes in the same words', () => {
  mkdirSync(at('common'))
  writeFileSync(at('common/package.json'), '{ "type": "commonjs" }\n')
  writeFileSync(
    at('common/mine.ts'),
    `import { dino, dinov1, field, part, plugin, section } from 'dinograph'
const rule = { at: 'high', of: ['low', 'high'], holds: ({ low, high }) => low < high, allowed: ({ low }) => 'above low, ' + low, remedy: 'raise it' }
const settings = section('a range', { low: field.real(0, 'the low end'), high: field.real(1, 'the high end') }, [rule])
const range = part(settings, () => (networks) => dinov1({ ...networks, loss: ({ head }) => dino({ prototypes: head.prototypes }) }))
export default plugin({ name: 'common', objectives: { range } })
`,
  )
  writeFileSync(at('common/name.yaml'), 'plugins: ./mine.ts\nobjective:\n  kind: range\n  hihg: 2\n')
  const name = train('--config', at('common/name.yaml'))
  expect([name.code, name.err]).toEqual([
    2,
    expect.stringMatching(
      /4: objective\.hihg\n +found: +an unknown setting: 2\n +allowed: kind, low, high\n +remedy: +did you mean objective\.high\?/,
    ),
  ])
  const set = ['objective.kind=range', 'objective.low=3'].flatMap((x) => ['--set', x])
  expect(train('--plugin', at('common/mine.ts'), ...set).err).toMatch(
    /--set: objective\.high\n +found: +1\n +allowed: above low, 3\n +remedy: +raise it/,
  )
})

describe('what a run has noted', () => {
  const line = ['--resume', '--out', at('run'), '--steps', '4', '--json']

  test('loads nothing: the run goes on where the file is named, as the remedy says', () => {
    const bare = train(...line)
    expect(bare.code).toBe(2)
    expect(bare.err).toContain('found:   a run of the plugin mine.ts, which is not named')
    const [, remedy = ''] = /remedy: +name it: npm run train -- (.*)$/m.exec(bare.err) ?? []
    const named = train(...remedy.replace('PATH', folder).split(' '), '--steps', '4', '--json')
    expect(named.code, named.err).toBe(0)
    expect(finalOf(named.out)).toMatchObject({ steps: 4 })
  })

  test('is held against the file: another one is refused, and begins a run of its own by the remedy', () => {
    appendFileSync(at('mine.ts'), '// changed\n')
    const byFile = train(...line, '--config', at('mine.yaml'))
    expect(byFile.code).toBe(1)
    expect(byFile.err).toMatch(
      /found: +.*mine\.ts with the SHA-256 [0-9a-f]{64}: mine\.ts changed\n +allowed: [0-9a-f]{64}, as the run began/,
    )
    const { err } = train(...line, '--plugin', at('mine.ts'))
    const [, remedy = ''] = /restore mine\.ts; .*from the weights of this one: npm run train -- (.*)$/m.exec(err) ?? []
    const anew = train(...remedy.replace('NAME', at('anew')).split(' '))
    expect(anew.code, anew.err).toBe(0)
  })

  test('is held against what it imports: the fault names which file is another, of a run of before that noted one digest all that may be', () => {
    const bare = program.replace(/^const variance[^]*?\n\}\)\n/m, '')
    const [loss = ''] = /^const variance[^]*?\n\}\)\n/m.exec(program) ?? []
    mkdirSync(at('parts'))
    const heads = program.split('\n').filter((line) => line.startsWith('import '))
    writeFileSync(at('parts/loss.ts'), `${heads.join('\n')}\nexport ${loss}`)
    writeFileSync(at('parts/mine.ts'), `import { variance } from './loss.js'\n${bare}`)
    writeFileSync(at('parts/mine.yaml'), readFileSync(at('mine.yaml'), 'utf8').replace(/^plugins:.*\n/, ''))
    const own = ['--plugin', at('parts/mine.ts'), '--out', at('parts/run')]
    const begun = train('--config', at('parts/mine.yaml'), ...own, '--steps', '1')
    expect(begun.code, begun.err).toBe(0)
    const noted = readFileSync(at('parts/run/config.yaml'), 'utf8')
    expect(noted).toMatch(/ {4}files:\n {6}loss\.ts: [0-9a-f]{64}\n {6}mine\.ts: [0-9a-f]{64}\n/)
    // as it was written before files were noted, it goes on
    const before = noted.replace(/ {4}files:\n( {6}.*\n)+/, '')
    writeFileSync(at('parts/run/config.yaml'), before)
    const on = train('--resume', ...own, '--steps', '2')
    expect(on.code, on.err).toBe(0)
    appendFileSync(at('parts/loss.ts'), '// changed\n')
    const refused = train('--resume', ...own, '--steps', '3').err
    expect(refused).toMatch(/found: +.*mine\.ts with the SHA-256 [0-9a-f]{64}: loss\.ts changed\n/)
    expect(refused).toContain('restore loss.ts; or')
    writeFileSync(at('parts/run/config.yaml'), before)
    expect(train('--resume', ...own, '--steps', '3').err).toMatch(/: mine\.ts changed, or what it imports: loss\.ts\n/)
  })

  test('nor does a configuration that lies with a run or a model, or the environment', () => {
    cpSync(at('mine.ts'), at('run/mine.ts'))
    writeFileSync(at('run/own.yaml'), readFileSync(at('mine.yaml')))
    const beside = train('--config', at('run/own.yaml'), '--out', at('beside'))
    expect(beside.code).toBe(2)
    expect(beside.err).toMatch(/own\.yaml:1: plugins\n +found: +\.\/mine\.ts, named beside checkpoints/)
    expect(train('--config', at('run/config.yaml'), '--out', at('beside')).err).toContain('which is not named')
    // nor by way of another file
    writeFileSync(at('by-way.yaml'), 'accelerator: ./run/own.yaml\n')
    expect(train('--config', at('by-way.yaml'), '--out', at('beside')).err).toMatch(
      /own\.yaml:1: plugins\n +found: +\.\/mine\.ts, named beside/,
    )
    writeFileSync(at('mine.env.yaml'), 'name: env\n')
    process.env['DINOGRAPH__PLUGINS'] = at('mine.ts')
    try {
      expect(train('--config', at('mine.env.yaml')).err).toContain('plugins that the environment names')
    } finally {
      delete process.env['DINOGRAPH__PLUGINS']
    }
  })
})

test('a backbone and a reader of a plugin: patches are hidden from the one, threads read with the other, commands compute it', () => {
  mkdirSync(at('raw'))
  for (const i of Array.from({ length: 12 }, (_, n) => n))
    writeFileSync(
      at('raw', `${i % 2 === 0 ? 'a' : 'b'}${i}.f32`),
      new Uint8Array(Float32Array.from({ length: 784 }, (_, k) => ((k * (i + 1)) % 97) / 97).buffer),
    )
  const log = at('threads.log')
  // what reads says where it does
  writeFileSync(
    at('threads.ts'),
    program
      .replace(/^/, "import { appendFileSync } from 'node:fs'\nimport { isMainThread } from 'node:worker_threads'\n")
      .replace(
        'item: (i) => reading(names[i], async () => ({',
        `item: (i) => reading(names[i], async () => (appendFileSync(${JSON.stringify(log)}, isMainThread ? 'm' : 't'), {`,
      ),
  )
  writeFileSync(
    at('net.yaml'),
    `plugins: ./threads.ts\nname: net\nobjective: { kind: dinov2 }\ndata: { reader: raw, path: ${at('raw')}, workers: 1, share: 0.5 }\n${small.replace(/model:.*/, 'model: { kind: squares, width: 8 }')}`,
  )
  const run = train('--config', at('net.yaml'), '--out', at('net'), '--steps', '1', '--json')
  expect(run.code, run.err).toBe(0)
  expect(Object.keys(finalOf(run.out).metrics)).toContain('loss.ibot')
  expect(readFileSync(log, 'utf8')).toContain('t')
  const judged = dinograph(
    'evaluate',
    'knn',
    '--model',
    at('net'),
    '--program',
    at('threads.ts'),
    '--k',
    '3',
    '--target',
    'reference',
    '--json',
  )
  expect(judged.code, judged.err).toBe(0)
  expect(judged.err).toContain('features of 6 images')
})

test('other images of the format that a plugin reads are read by commands that name it: features, evaluate, attention, inspect', () => {
  mkdirSync(at('other'))
  for (const i of Array.from({ length: 5 }, (_, n) => n))
    writeFileSync(
      at('other', `${i % 2 === 0 ? 'a' : 'b'}${i}.f32`),
      new Uint8Array(Float32Array.from({ length: 784 }, (_, k) => (k % (i + 2)) / 7).buffer),
    )
  const on = (...words: ReadonlyArray<string>) => dinograph(...words, '--program', at('mine.ts'), '--target', 'reference', '--json')
  const features = on('features', '--model', at('net'), '--data', at('other'), '--no-patches', '--out', at('other.npz'))
  expect(features.code, features.err).toBe(0)
  expect(features.out).toContain('[5, 8]')
  const judged = on('evaluate', 'knn', '--model', at('net'), '--data', at('other'), '--k', '1')
  expect(judged.code, judged.err).toBe(0)
  expect(judged.err).toContain(at('other'))
  // a network that has attention
  const seen = small.replace('model: {', 'model: { kind: vit,')
  writeFileSync(
    at('seen.yaml'),
    `plugins: ./mine.ts\nname: seen\ndata: { reader: raw, path: ${at('raw')}, workers: 0, share: 0.5 }\n${seen}`,
  )
  const run = train('--config', at('seen.yaml'), '--out', at('seen'), '--steps', '1')
  expect(run.code, run.err).toBe(0)
  for (const image of [[], ['--image', at('other'), '--item', '4']]) {
    const looked = on('attention', '--model', at('seen'), ...image, '--out', at(`look${image.length}`))
    expect(looked.code, looked.err).toBe(0)
    expect(readFileSync(at(`look${image.length}`, 'overview.png')).length).toBeGreaterThan(100)
  }
  const inspected = dinograph('data', 'inspect', '--data', at('other'), '--plugin', at('mine.ts'), '--set', 'data.reader=raw')
  expect(inspected.code, inspected.err).toBe(0)
  const nothing = dinograph('evaluate', 'knn', '--model', at('net'))
  expect(nothing.code).toBe(2)
  expect(nothing.err).toContain('the program or plugin whose run this is')
  expect(inspected.out).toMatch(/all: 5 images\n {2}shapes {6}\[1, 28, 28\]/)
})

test('the page of a run whose images only a plugin reads is written by the remedy', () => {
  const refused = dinograph('report', '--run', at('net'))
  expect([refused.code, refused.err]).toEqual([1, expect.stringContaining('found:   "raw", a reader of a plugin')])
  expect(refused.err).toContain('with --no-network')
  expect(dinograph('report', '--run', at('net'), '--no-network').code).toBe(0)
})

test.skipIf(noRanks !== undefined)('ranks have it too, and its draws: two compute what one does', async () => {
  const line = [
    '--import',
    'tsx',
    'train/cli/dinograph.ts',
    'train',
    '--config',
    at('mine.yaml'),
    '--target',
    'native',
    '--threads',
    '1',
    '--out',
    at('ranks'),
  ]
  const { code, err } = await underMpi(2, [process.execPath, ...line])
  expect(code, err).toBe(0)
  const losses = (run: string): ReadonlyArray<number> =>
    [...readFileSync(at(run, 'metrics.jsonl'), 'utf8').matchAll(/"loss":([\d.]+)/g)].map(([, x]) => Number(x)).slice(0, 3)
  expect(losses('ranks')).toHaveLength(3)
  losses('ranks').forEach((x, i) => {
    expect(x).toBeCloseTo(losses('run')[i], 4)
  })
})
