/** A run of a program and a run of a file that say the same are the same run. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { Given } from '../../train/config/section.ts'
import type { Config } from '../../train/recipes/recipe.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import { run } from '../../train/cli/run.ts'
import { left, right } from '../data/either.ts'
import { differs, live, remains } from './lived.ts'
import { quiet } from './tiny.ts'

const small: Given<Config> = {
  name: 'small',
  steps: 3,
  batch: 4,
  objective: { kind: 'dinov1' },
  model: { patch: 14, width: 16, depth: 1, heads: 2 },
  head: { hidden: 16, bottleneck: 8, prototypes: 16 },
  augmentation: { locals: 1 },
  data: { train: 16, test: 8 },
  evaluation: { k: 3, during: 0 },
  accelerator: { target: 'gpujs:cpu' },
}

test('bit for bit', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
  await writeFile(join(dir, 'small.yaml'), stringify(small))
  const [file, program] = [join(dir, 'file'), join(dir, 'program')]
  expect((await live(['--config', join(dir, 'small.yaml'), '--out', file])).code).toBe(0)
  const report = right(await run(recipe(small), { out: program, progress: quiet })())
  expect(report).toMatchObject({ steps: 3, target: 'gpujs:cpu', out: program, stopped: false })
  expect(differs(await remains(file), await remains(program))).toBeUndefined()
}, 120_000)

test('mistakes are the same fault', async () => {
  expect(left(await run(recipe({ steps: 0 }), { out: 'nowhere', progress: quiet })())).toMatchObject({
    kind: 'config',
    place: 'the defaults: steps',
    allowed: 'a whole number in [1, 1000000000000]',
  })
})
