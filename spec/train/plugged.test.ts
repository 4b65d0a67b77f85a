/** Plugins of programs: an example takes the readers, strategies and augmentations of a file by name, as a configuration does. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { describe, expect, test } from 'vitest'
import { fault } from '../../core/fault.ts'
import goesOn from '../../examples/continue.ts'
import ct from '../../examples/ct.ts'
import evaluated from '../../examples/evaluate.ts'
import { addedBy } from '../../train/recipes/added.ts'
import { pluggable, pluggedInto } from '../../train/recipes/pluggable.ts'
import { plugin } from '../../train/recipes/plugin.ts'
import { settingsOf } from '../../train/config/settings.ts'
import type { Experiment } from '../../train/run/experiment.ts'
import { left, right } from '../data/either.ts'
import { root } from '../rooms/rooms.ts'
import { node, tsx } from '../support/command.ts'
import { folderWithin } from '../support/within.ts'

const folder = folderWithin('plugged')
const at = (...names: ReadonlyArray<string>): string => join(folder, ...names)

const [, program = ''] = /^```ts\n(.*?)^```$/ms.exec(readFileSync(join(root, 'docs/plugins.md'), 'utf8')) ?? []

const set = (...words: ReadonlyArray<string>): ReadonlyArray<string> => words.flatMap((w) => ['--set', w])

const small = set(
  ...['width=8', 'depth=1', 'heads=2', 'rope=null'].map((s) => `model.${s}`),
  ...['hidden=8', 'bottleneck=4', 'prototypes=8'].map((s) => `head.${s}`),
  ...['during=0', 'before=false', 'report=false', 'k=3'].map((s) => `evaluation.${s}`),
  'batch=4',
  'data.workers=0',
)

describe('an example with a plugin', () => {
  test('trains with its reader, strategy and augmentation, notes the file, and goes on where it is named as the remedy says', () => {
    writeFileSync(at('mine.ts'), program)
    mkdirSync(at('raw'))
    for (const [i, name] of ['a1', 'a2', 'a3', 'a4', 'a5', 'b1', 'b2', 'b3', 'b4', 'b5'].entries())
      writeFileSync(
        at('raw', `${name}.f32`),
        Float32Array.from({ length: 784 }, (_, k) => ((k * (i + 1)) % 97) / 97),
      )
    const out = at('run')
    const ran = node(
      'examples/dinov1.ts',
      ...['--plugin', at('mine.ts'), '--data', at('raw'), '--out', out, '--steps', '2', '--target', 'reference'],
      ...set('data.reader=raw', 'strategies.bitfit={}', 'augmentation.noise.deviation=0.05'),
      ...small,
    )
    expect(ran.code, ran.err).toBe(0)
    const config = readFileSync(join(out, 'config.yaml'), 'utf8')
    expect(config).toMatch(/plugins:\n +- file: mine\.ts\n +sha256: [0-9a-f]{64}/)
    expect(config).toMatch(/noise:\n +deviation: 0\.05/)
    expect(config).toMatch(/bitfit:\n +norms: true/)
    const bare = tsx('examples/dinov1.ts', '--resume', '--out', out)
    expect([bare.code, bare.err]).toEqual([2, expect.stringContaining('a run of the plugin mine.ts, which is not named')])
    const [, remedy = ''] = /remedy: +name it: npx tsx (.*)$/m.exec(bare.err) ?? []
    const again = node(...remedy.replace('PATH', folder).split(' '), '--steps', '3', '--json')
    expect(again.code, again.err).toBe(0)
    expect(again.out).toContain('"steps":3')
  })

  test('lists its settings in help, and names the nearest of one that is wrong', () => {
    writeFileSync(at('mine.ts'), program)
    const help = node('examples/attention.ts', '--plugin', at('mine.ts'), '--help')
    expect(help.code, help.err).toBe(0)
    for (const path of ['data.reader', 'strategies.bitfit.norms', 'augmentation.noise.deviation']) expect(help.out).toContain(`  ${path} `)
    const wrong = node('examples/dinov1.ts', '--plugin', at('mine.ts'), '--set', 'augmentation.noise.devation=1')
    expect([wrong.code, wrong.err]).toEqual([2, expect.stringContaining('did you mean augmentation.noise.deviation?')])
  })
})

const none = fault('data', { place: 'p.ts', found: 'nothing', allowed: 'something', remedy: 'none' })

const added = right(
  addedBy([
    {
      plugin: plugin({ name: 'p', readers: { raw: () => TE.left(none) } }),
      file: 'p.ts',
      note: { file: 'p.ts', sha256: '0' },
    },
  ]),
)

describe('experiments that are made of others', () => {
  test.each([
    ['goes on from a network', goesOn],
    ['is a study', evaluated],
    ['has windows of its own', ct],
  ])('one that %s takes readers, and keeps its name and its defaults', (_, e) => {
    const own = right(pluggedInto(e, added))
    expect(own.name).toBe(e.name)
    const plain = settingsOf(e.settings)
    const more = settingsOf(own.settings).filter((s) => !plain.some((p) => p.path === s.path))
    expect(more.map((s) => s.path).sort()).toEqual(['data.reader', 'plugins'])
    expect(E.isRight(own.resolve([]))).toBe(true)
  })

  test('one that is made of functions alone refuses a plugin, and stays itself without', () => {
    const own: Experiment = { name: 'own', about: '', settings: ct.settings, resolve: ct.resolve }
    const refused = left(pluggedInto(own, added))
    expect(refused.kind).toBe('config')
    expect(refused.found).toContain('p.ts beside own')
    expect(right(pluggedInto(own, { ...added, notes: [] }))).toBe(own)
    expect(
      right(
        pluggedInto(
          pluggable(() => own),
          added,
        ),
      ),
    ).toEqual(own)
  })
})
