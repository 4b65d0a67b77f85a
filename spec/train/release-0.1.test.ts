/** What release 0.1 wrote is read: every setting by its path, and runs that were interrupted, which go on as they would have. */
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as TE from 'fp-ts/lib/TaskEither.js'
import * as t from 'io-ts'
import { afterAll, beforeAll, describe, expect, it, test } from 'vitest'
import { reference } from '../../compiler/targets/reference.ts'
import attention from '../../examples/attention.ts'
import goesOn from '../../examples/continue.ts'
import ct from '../../examples/ct.ts'
import dinov1 from '../../examples/dinov1.ts'
import dinov2 from '../../examples/dinov2.ts'
import dinov3 from '../../examples/dinov3.ts'
import distill from '../../examples/distill.ts'
import evaluate from '../../examples/evaluate.ts'
import lora from '../../examples/lora.ts'
import { JsonValue, decodeAs, isRecord } from '../../data/formats/codec.ts'
import { readLayer } from '../../train/config/layers.ts'
import { given } from '../../train/config/settings.ts'
import { judge } from '../../train/judge/judge.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import type { Experiment } from '../../train/run/experiment.ts'
import { runExperiment } from '../../train/run/run.ts'
import { right } from '../data/either.ts'
import { quiet } from './tiny.ts'

const written = fileURLToPath(new URL('release-0.1', import.meta.url))
const step = t.partial({ step: t.number, loss: t.number, 'loss.gram': t.number })

let root = ''
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'release-'))
})
afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

const experiments: Readonly<Record<string, Experiment>> = {
  dinov1,
  dinov2,
  dinov3,
  ct,
  lora,
  distill,
  continue: goesOn,
  evaluate,
  attention,
}

/** All that a tree says, by path. */
const leaves = (u: unknown, at = ''): ReadonlyArray<readonly [string, unknown]> =>
  isRecord(u) ? Object.entries(u).flatMap(([k, v]) => leaves(v, at === '' ? k : `${at}.${k}`)) : [[at, u]]

test('every setting of every example and kind of objective means what it meant', async () => {
  const json: unknown = JSON.parse(await readFile(join(written, 'configs.json'), 'utf8'))
  const configs = right(decodeAs(t.record(t.string, JsonValue), 'data', 'configs.json', 'none')(json))
  expect(Object.keys(configs)).toHaveLength(13)
  for (const [name, config] of Object.entries(configs)) {
    const now = new Map(leaves(right((name.startsWith('recipe ') ? recipe() : experiments[name]).resolve([given(config)])).config))
    for (const [path, value] of leaves(config)) expect(now.get(path), `${name}: ${path}`).toEqual(value)
  }
})

describe('a run that was interrupted after two steps of four', { timeout: 240_000 }, () => {
  // the losses of steps 3 and 4 that 0.1 had without an interruption; a checkpoint keeps f32 of what the reference computes in f64
  it.each([
    ['v1', recipe(), [0.049230026867625405, 0.019055792662566625], undefined],
    ['dinov3', dinov3, [3.3502187009940765, 3.29274707367421], [0.22483755428624105, 0.3107883690536339]],
  ] as const)('%s goes on', async (name, e, losses, grams) => {
    const out = join(root, name)
    await cp(join(written, name), out, { recursive: true })
    const run = right(e.resolve([await readLayer(join(out, 'config.yaml'))()]))
    const said: Array<string> = []
    const device = TE.fromTask(async () => right(await reference.open()))
    const progress = {
      ...quiet,
      say: (text: string) => {
        said.push(text)
      },
    }
    right(await runExperiment(run, { name, out, device, resume: true, judge, progress, stopping: () => false })())
    expect(said.join('\n')).toContain('step-00000002.dino at step 2')
    const lines = (await readFile(join(out, 'metrics.jsonl'), 'utf8')).trim().split('\n')
    const steps = lines.map((line) => right(decodeAs(step, 'data', line, 'none')(JSON.parse(line))))
    expect(steps.map((s) => s.step)).toEqual([3, 4])
    steps.forEach((s, i) => {
      expect(s.loss).toBeCloseTo(losses[i], 5)
      if (grams === undefined) expect(s['loss.gram']).toBeUndefined()
      else expect(s['loss.gram']).toBeCloseTo(grams[i], 5)
    })
  })
})
