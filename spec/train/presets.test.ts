/** Settings that follow the data: runs on images that no program was written for, as processes. The table is presets-table.test.ts. */
import { mkdir, mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { valueAt } from '../../data/formats/codec.ts'
import { writePng } from '../../data/readers/pictures/picture.ts'
import { onDigits } from '../../train/config/preset.ts'
import continued from '../../examples/continue.ts'
import digits from '../../examples/dinov2.ts'
import distilled from '../../examples/distill.ts'
import evaluated from '../../examples/evaluate.ts'
import adapters from '../../examples/lora.ts'
import type { Choice } from '../../train/config/layers.ts'
import { layersAt } from '../../train/config/layers.ts'
import type { Experiment } from '../../train/run/experiment.ts'
import { decided } from '../../train/run/experiment.ts'
import { recipe } from '../../train/index.ts'
import { right } from '../data/either.ts'
import { wave } from '../support/tensor.ts'
import { node } from '../support/command.ts'
import { live } from './lived.ts'

describe('a configuration that names no images', () => {
  const at = (e: Experiment, set: Choice, path: string): unknown =>
    valueAt(right(e.resolve(layersAt(set, 'a test'))).config, ...path.split('.'))
  it('begins with what suits the shipped digits, which examples/dinov2 says too', () => {
    const shared = Object.entries(onDigits).filter(([path]) => !path.startsWith('objective.'))
    for (const [path, value] of shared) {
      expect(at(recipe(), {}, path), path).toEqual(value)
      expect(at(recipe({ objective: { kind: 'dinov1' } }), {}, path), path).toEqual(value)
      expect(at(digits, {}, path), path).toEqual(value)
    }
    for (const set of [{ 'objective.kind': 'dinov1' }, { 'objective.kind': 'dinov1', steps: 3 }])
      expect([at(recipe(), set, 'objective.koleo'), at(recipe(), set, 'objective.centring')]).toEqual([0.1, 'sinkhorn'])
  })
  it('unless it says otherwise: of a setting, of images, of a network to go on from, or that it wants no preset', () => {
    expect(at(recipe({ model: { width: 64 } }), {}, 'model.width')).toBe(64)
    expect(at(recipe(), { 'schedule.momentum': 0.9 }, 'schedule.momentum')).toBe(0.9)
    const swin = { 'model.kind': 'swin', 'augmentation.globalSize': 64, 'augmentation.localSize': 32 }
    for (const set of [{ 'data.path': 'x' }, { preset: 'none' }, { 'start.from': 'x' }, swin])
      expect(at(recipe(), set, 'augmentation.warp.probability'), JSON.stringify(set)).toBe(0)
    expect(at(recipe({ data: { path: 'x' } }), {}, 'augmentation.warp.probability')).toBe(0)
  })
})

/** Labelled pictures. */
const pictures = async (channels: number, side: number): Promise<string> => {
  const folder = await mkdtemp(join(tmpdir(), 'dinograph-pictures-'))
  for (let i = 0; i < 8; i++) {
    const data = Float32Array.from(wave(channels * side * side), (x) => (Math.abs(x) + i / 10) % 1)
    await mkdir(join(folder, i % 2 === 0 ? 'a' : 'b'), { recursive: true })
    right(await writePng(join(folder, i % 2 === 0 ? 'a' : 'b', `${i}.png`))({ channels, height: side, width: side, data })())
  }
  return folder
}

const small = ['--steps', '1', '--set', 'evaluation.report=false', '--set', 'evaluation.before=false', '--set', 'batch=2']
const tiny = [...small, ...['depth=1', 'width=16', 'heads=2'].flatMap((s) => ['--set', `model.${s}`])]

/** What is decided of an experiment where layers say this, and what is said of it. */
const decidedOf = async (e: Experiment, set: Choice) => {
  const said: string[] = []
  const { name, config } = right(await decided(e, (line) => said.push(line))(layersAt(set, 'a test'))())
  return { name, config, said: said.join('\n') }
}

/** What a run was decided to be. */
const trained = async (words: ReadonlyArray<string>): Promise<{ readonly said: string; readonly config: unknown }> => {
  const out = join(await mkdtemp(join(tmpdir(), 'dinograph-suited-')), 'run')
  const run = await live([...words, '--out', out])
  expect(run.code, run.stderr).toBe(0)
  return { said: run.stderr, config: parse(await readFile(join(out, 'config.yaml'), 'utf8')) }
}

describe('as a process', { timeout: 240_000 }, () => {
  let photos = ''
  beforeAll(async () => {
    photos = await pictures(3, 128)
  })

  it('photographs get crops, network and batch of their own, with reasons; what is set stays', async () => {
    const { said, config } = await trained(['--data', photos, ...tiny])
    expect(said).toMatch(/preset natural, as the data are \d images of 3 channels/)
    expect(said).toMatch(/crops of 96 and 48 pixels in patches of \d+: what \d+ cores compute/)
    expect(said).toContain('a network 16 wide with 1 blocks')
    expect(valueAt(config, 'augmentation', 'globalSize')).toBe(96)
    expect(valueAt(config, 'augmentation', 'recipe')).toBe('v2')
    expect(valueAt(config, 'model', 'width')).toBe(16)
  })

  it('DINO by itself gets KoLeo, which small batches need and other objectives have; what is set stays', async () => {
    const of = async (set: Choice) => {
      const { config, said } = await decidedOf(recipe(), { 'data.path': photos, ...set })
      return [valueAt(config, 'objective', 'koleo'), said.includes('beside DINO')]
    }
    expect(await of({ 'objective.kind': 'dinov1' })).toEqual([0.1, true])
    expect(await of({ 'objective.kind': 'dinov1', 'objective.koleo': 0 })).toEqual([0, false])
    expect(await of({ 'objective.kind': 'dinov1', preset: 'none' })).toEqual([0, false])
    expect(await of({ 'objective.kind': 'dinov2', 'objective.koleo': 0.5 })).toEqual([0.5, false])
    expect(await of({ 'objective.kind': 'dinov3' })).toEqual([0.1, false])
  })

  it('none leaves them, and a file that says otherwise is kept with a note whose remedy does it', async () => {
    const none = await trained(['--data', photos, '--preset', 'none', ...tiny])
    expect(none.said).not.toContain('preset natural')
    expect(valueAt(none.config, 'augmentation', 'globalSize')).toBe(28)
    const file = ['--config', 'examples/recipes/v2.yaml', '--data', photos, ...tiny]
    const kept = await trained(file)
    expect(kept.said).toMatch(
      /note: crops of 28 pixels are cut from images of 128 .* no preset is taken where augmentation.globalSize is set; --preset natural has others/,
    )
    expect(valueAt(kept.config, 'augmentation', 'globalSize')).toBe(28)
    const followed = await trained([...file, '--preset', 'natural'])
    expect(valueAt(followed.config, 'augmentation', 'globalSize')).toBe(96)
    expect(valueAt(followed.config, 'objective', 'kind')).toBe('dinov2')
  })

  it('where the configuration sets the patch alone, the crops that stay are told', async () => {
    const { said, config } = await decidedOf(recipe(), { 'data.path': photos, 'model.patch': 14 })
    expect(said).toMatch(/note: crops of 28 pixels are cut from images of 128 .* no preset is taken where model.patch is set/)
    expect(valueAt(config, 'augmentation', 'globalSize')).toBe(28)
  })

  it('a distillation has them for both networks, unless the one that is learned from is named, and trains', async () => {
    const { said, config } = await decidedOf(distilled, { 'data.path': photos })
    expect(said).toMatch(/a network 96 wide with 6 blocks, that learns from one 192 wide with 12\n/)
    const at = (...path: ReadonlyArray<string>): unknown => valueAt(config, ...path)
    expect([at('augmentation', 'globalSize'), at('augmentation', 'locals')]).toEqual([96, 0])
    expect([at('model', 'width'), at('large', 'width'), at('large', 'depth')]).toEqual([96, 192, 12])
    expect(at('large', 'patch')).toBe(at('model', 'patch'))
    expect(Number(at('batch'))).toBeLessThanOrEqual(4)
    const named = await decidedOf(distilled, { 'data.path': photos, teacher: 'runs/x' })
    expect(named.said).not.toContain('preset natural')
    expect(valueAt(named.config, 'large', 'width')).toBe(128)
    expect(named.said).toMatch(
      /note: crops of 28 pixels are cut from images of 128 .*: the network that is learned from says more; augmentation.globalSize sets larger ones/,
    )
    const larger = await decidedOf(distilled, { 'data.path': photos, teacher: 'runs/x', 'augmentation.globalSize': 112 })
    expect([larger.said, valueAt(larger.config, 'augmentation', 'globalSize')]).toEqual(['', 112])
    const large = ['depth=1', 'width=16', 'heads=2'].flatMap((s) => ['--set', `large.${s}`])
    const out = join(await mkdtemp(join(tmpdir(), 'dinograph-distilled-')), 'run')
    const words = ['--data', photos, ...tiny, ...large, '--set', 'pretraining=1', '--out', out]
    const run = node('examples/distill.ts', ...words)
    expect(run.code, run.err).toBe(0)
    // what is trained first sees the same crops, and nobody is told to name a preset for it
    expect(run.err).not.toContain('no preset is taken')
    const first: unknown = parse(await readFile(join(out, 'before', 'config.yaml'), 'utf8'))
    expect(valueAt(first, 'augmentation', 'globalSize')).toBe(96)
    expect(valueAt(first, 'optimizer', 'lr')).toBe(at('optimizer', 'lr'))
  })

  it('examples that go on from nothing, or train what they then look at, follow the data, with names and settings of their own', async () => {
    const on = await decidedOf(continued, { 'data.path': photos })
    expect(on.said).toContain('preset natural')
    expect([on.name, valueAt(on.config, 'augmentation', 'globalSize')]).toEqual(['continue', 96])
    const adapted = await decidedOf(adapters, { 'data.path': photos })
    expect([adapted.name, valueAt(adapted.config, 'augmentation', 'globalSize')]).toEqual(['lora', 96])
    const judged = await decidedOf(evaluated, { 'data.path': photos })
    expect([judged.name, valueAt(judged.config, 'steps'), valueAt(judged.config, 'augmentation', 'globalSize')]).toEqual([
      'evaluate',
      300,
      96,
    ])
    const digits = await decidedOf(evaluated, {})
    expect([digits.name, valueAt(digits.config, 'steps'), valueAt(digits.config, 'data', 'train')]).toEqual(['evaluate', 300, 2000])
  })

  it('one that is named and cannot be taken says why', async () => {
    const { said, config } = await trained(['--preset', 'natural', '--set', 'data.train=16', '--set', 'data.test=8', ...tiny])
    expect(said).toContain('note: the preset natural is not taken: no data are named (--data PATH)')
    expect(valueAt(config, 'augmentation', 'globalSize')).toBe(28)
  })

  it('a name that is none is refused with the nearest', async () => {
    const bad = await live(['--data', photos, '--preset', 'natura'])
    expect(bad.code).toBe(2)
    expect(bad.stderr).toContain('did you mean natural?')
  })
})
