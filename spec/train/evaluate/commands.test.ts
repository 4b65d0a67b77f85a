/** The commands about trained networks as a user starts them: on a small folder, on digits that are pictures, and wrongly. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { writePng } from '../../../data/readers/pictures/picture.ts'
import { readSafetensors } from '../../../data/formats/safetensors.ts'
import { writeInitial } from '../../../train/exchange/transfer/description.ts'
import { right } from '../../data/either.ts'
import { backbones } from '../../huggingface/backbones.ts'
import { normals } from './rows.ts'
import type { Said } from '../../support/command.ts'
import { dinograph } from '../../support/command.ts'

const root = mkdtempSync(join(tmpdir(), 'evaluate-'))
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
})

const [model, pictures, alike] = [join(root, 'model'), join(root, 'pictures'), join(root, 'alike')]

/** Pictures of three kinds: bright at the left, in the middle, at the right. */
beforeAll(async () => {
  right(await writeInitial(model, backbones.dinov2_with_registers, 1)())
  const noise = normals(5, 30 * 256)
  for (const [k, kind] of ['left', 'middle', 'right'].entries()) {
    mkdirSync(join(pictures, kind), { recursive: true })
    for (let i = 0; i < 10; i++) {
      const data = Float32Array.from({ length: 256 }, (_, p) =>
        Math.max(0, Math.min(1, (Math.floor((p % 16) / 5.4) === k ? 0.8 : 0.2) + 0.05 * noise[(k * 10 + i) * 256 + p])),
      )
      right(await writePng(join(pictures, kind, `${i}.png`))({ channels: 1, height: 16, width: 16, data })())
    }
  }
  mkdirSync(alike)
  right(await writePng(join(alike, 'one.png'))({ channels: 1, height: 16, width: 16, data: new Float32Array(256).fill(0.5) })())
})

const command = (name: string, ...words: ReadonlyArray<string>): Said & { readonly json: () => Readonly<Record<string, unknown>> } => {
  const said = dinograph(name, ...words)
  return {
    ...said,
    json: () => {
      const u: unknown = JSON.parse(said.out.trim().split('\n').at(-1) ?? '')
      return Object.fromEntries(Object.entries(typeof u === 'object' && u !== null ? u : {}))
    },
  }
}

const on = ['--target', 'gpujs:cpu', '--json']

describe('npm run evaluate', () => {
  it.each([
    ['knn', ['--k', '1,3'], 'top1'],
    ['linear', ['--steps', '40', '--rates', '0.1,1', '--batch', '16'], 'top1'],
    ['logistic', ['--c', '1,100'], 'top1'],
    ['medmnist', ['--c', '10'], 'acc'],
  ])('%s gives numbers, as a table and as JSON', (name, words, number) => {
    const done = command('evaluate', name, '--model', model, '--data', pictures, ...on, ...words)
    expect(done.err).not.toContain('fault')
    expect(done.code).toBe(0)
    const json = done.json()
    expect(json).toMatchObject({ evaluation: name, target: 'gpujs:cpu', train: 24, test: 6 })
    // what is bright where is easily told apart, even by a network that has learned nothing
    expect(json[number]).toBeGreaterThan(0.6)
  })
  it('asks every image about all the others with --leave-one-out', () => {
    expect(command('evaluate', 'knn', '--model', model, '--data', pictures, '--leave-one-out', '--k', '3', ...on).json()).toMatchObject({
      leave_one_out: true,
      k: 3,
    })
  })
  it('explains wrong use and ends with 2', () => {
    for (const [words, text] of [
      [['guess', '--model', model, '--data', pictures], 'knn, linear, logistic, medmnist'],
      [['knn', '--data', pictures], '--model'],
      [['knn', '--model', model], '--data'],
      [['knn', '--model', model, '--data', pictures, '--k', '0'], 'whole numbers from 1'],
      [['knn', '--model', model, '--data', pictures, '--modle', 'x'], 'did you mean --model?'],
    ] as const) {
      const done = command('evaluate', ...words)
      expect(done.err).toContain(text)
      expect(done.code).toBe(2)
      expect(done.out).toBe('')
    }
  })
  it('explains what is not there, and data without labels, and ends with 1', () => {
    for (const [words, text] of [
      [['--model', join(root, 'none'), '--data', pictures], 'found:   nothing'],
      [['--model', model, '--data', join(root, 'none')], join(root, 'none')],
      [['--model', model, '--data', alike], 'fault'],
    ] as const) {
      const done = command('evaluate', 'knn', '--target', 'gpujs:cpu', ...words)
      expect(done.err).toContain(text)
      expect(done.code).toBe(1)
    }
  })
})

describe('npm run features', () => {
  it('writes class and patch tokens of every image', async () => {
    const file = join(root, 'features.safetensors')
    const done = command('features', '--model', model, '--data', pictures, '--out', file, ...on)
    expect(done.err).not.toContain('fault')
    expect(done.code).toBe(0)
    const { tensors } = right(await readSafetensors(file)())
    const shapes = Object.fromEntries([...tensors].map(([name, t]) => [name, t.shape]))
    expect(shapes).toEqual({ cls: [30, 8], patches: [30, 9, 8], label: [30] })
    expect(done.json()['tensors']).toEqual(shapes)
    expect(command('features', '--model', model, '--data', pictures).code).toBe(2)
  })
})

describe('npm run attention', () => {
  it('writes maps of every head, masks, boxes and components', () => {
    const out = join(root, 'maps')
    const done = command('attention', '--model', model, '--image', join(pictures, 'left'), '--out', out, '--size', '32', ...on)
    expect(done.code, done.err).toBe(0)
    // which of a folder's images it was
    expect(done.err).toMatch(/left has \d+ images: the first is looked at, .*0\.png; --item N names another/)
    expect(done.json()).toMatchObject({ heads: 2, grid: [8, 8], size: { height: 32, width: 32 } })
    expect(readdirSync(out).sort()).toEqual([
      'attention-0.png',
      'attention-1.png',
      'attention-mean.png',
      'boxes.png',
      'image.png',
      'mask-mean.png',
      'overview.png',
      'pca-foreground.png',
      'pca.png',
    ])
  })
  it('explains an item that the file does not have', () => {
    const done = command(
      'attention',
      '--model',
      model,
      '--image',
      join(pictures, 'left', '0.png'),
      '--out',
      join(root, 'none'),
      '--item',
      '3',
      '--target',
      'gpujs:cpu',
    )
    expect(done.err).toContain('--item')
    expect(done.code).toBe(2)
    expect(existsSync(join(root, 'none'))).toBe(false)
  })
})

describe('every command', () => {
  it.each(['evaluate', 'features', 'attention', 'report'])('%s has help and ends with 0', (name) => {
    const done = command(name, '--help')
    expect(done.code).toBe(0)
    expect(done.out).toContain(`usage: npx dinograph ${name}`)
    expect(done.out).toContain('--json')
  })
})
