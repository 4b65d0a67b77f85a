/** examples/continue.ts as a user starts it: from a folder, whose configuration makes the network; without one; and from nothing at all. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import { afterAll, describe, expect, it } from 'vitest'
import type { Vit } from '../../models/vit.ts'
import { vit } from '../../models/vit.ts'
import type { Network } from '../../train/parts/network.ts'

import { backboneOf, network, networkOf } from '../../train/parts/network.ts'
import { optionsAt, writeInitial } from '../../train/start/described.ts'
import { right } from '../data/either.ts'
import { backbones } from '../huggingface/backbones.ts'

const root = mkdtempSync(join(tmpdir(), 'continue-'))
afterAll(() => { rmSync(root, { recursive: true, force: true }) })

const run = (out: string, ...words: ReadonlyArray<string>): { readonly code: number | null; readonly err: string } => {
  const small = ['--steps', '2', '--target', 'reference', ...['batch=2', 'data.train=12', 'data.test=6', 'head.hidden=8', 'head.bottleneck=4', 'head.prototypes=8', 'augmentation.locals=1'].flatMap((s) => ['--set', s])]
  const done = spawnSync(process.execPath, ['--import', 'tsx', 'examples/continue.ts', '--out', join(root, out), ...small, ...words], { cwd: new URL('../..', import.meta.url).pathname, encoding: 'utf8' })
  return { code: done.status, err: done.stderr }
}

describe('continue', { timeout: 240_000 }, () => {
  it('makes the network as a Hugging Face folder says, on images of other channels', async () => {
    const folder = right(await writeInitial(join(root, 'dinov3'), backbones.dinov3_vit, 1)())
    const { code, err } = run('from', '--model', folder)
    expect(err).not.toContain('fault')
    expect(code).toBe(0)
    for (const text of [`starting from ${folder}:`, '3 channels became 1', 'dino_head begins anew']) expect(err).toContain(text)
    expect(existsSync(join(root, 'from', 'checkpoints'))).toBe(true)
  })
  it('without a model makes a folder of random weights, and says so', () => {
    const { code, err } = run('fresh', '--set', 'model.width=8', '--set', 'model.depth=1', '--set', 'model.heads=2')
    expect(code).toBe(0)
    expect(err).toContain('no --model was given: a folder of random weights is made')
    expect(existsSync(join(root, 'fresh', 'model', 'model.safetensors'))).toBe(true)
  })
  it('explains a model that is not there', () => {
    const { code, err } = run('none', '--model', join(root, 'nothing'))
    expect(code).toBe(1)
    expect(err).toContain('found:   nothing')
  })
})

const settingsOf = (m: Vit): Network => {
  const decoded = network.with(networkOf(m.options)).decode({})
  if (E.isLeft(decoded)) throw new Error('settings that are refused')
  return decoded.right
}

describe('the settings of a backbone', () => {
  it.each(Object.entries(backbones))('%s make it again', (_, m) => {
    const again = backboneOf(settingsOf(m), { maskToken: m.options.maskToken }).options
    expect(vit(again).params).toEqual(m.params)
    expect([again.eps, again.heads, again.maskKeyBias, again.norm]).toEqual([m.options.eps, m.options.heads, m.options.maskKeyBias, m.options.norm])
  })
  it('are read from a folder', async () => {
    const folder = right(await writeInitial(join(root, 'dinov2'), backbones.dinov2_with_registers, 1)())
    expect(right(await optionsAt(folder)())).toMatchObject({ width: 8, depth: 2, heads: 2, registers: 3, image: 12 })
  })
})
