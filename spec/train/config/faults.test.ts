/** What a user sees of a configuration with mistakes: all of them, in one go. */
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import * as O from 'fp-ts/lib/Option.js'
import { expect, test } from 'vitest'
import { showFault } from '../../../core/fault.ts'
import type { Arguments } from '../../../train/cli/arguments.ts'
import { parseArguments } from '../../../train/cli/parsing.ts'
import { layersOf } from '../../../train/cli/sources.ts'
import { recipe } from '../../../train/recipes/recipe.ts'

const experiment = recipe()

const argumentsOf = (...words: ReadonlyArray<string>): Arguments => {
  const p = parseArguments({ call: 'train', about: '' })(words)
  if (E.isLeft(p) || p.right._tag === 'Help') throw new Error('wrong arguments')
  return p.right.arguments
}

const faults = async (
  files: Readonly<Record<string, string>>,
  words: ReadonlyArray<string> = [],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> => {
  const dir = await mkdtemp(join(tmpdir(), 'dinograph-'))
  for (const [name, content] of Object.entries(files)) await writeFile(join(dir, name), content)
  const a = argumentsOf(...words)
  const layers = await layersOf(experiment.settings, { ...a, config: O.some(join(dir, 'a.yaml')) }, environment)()
  const r = experiment.resolve(layers)
  return E.isLeft(r) ? showFault(r.left).replaceAll(`${dir}/`, '').replaceAll(dir, 'DIR').replaceAll(process.cwd(), 'HERE') : 'no fault'
}

test('a rule between values is reported at the line that broke it, where the other value is a default', async () => {
  expect((await faults({ 'a.yaml': 'model:\n  heads: 64\n  rope: {}\n' })).split('\n')[0]).toBe('config fault at a.yaml:3: model.rope')
  expect((await faults({ 'a.yaml': 'model:\n  width: 51\n' })).split('\n')[0]).toBe('config fault at a.yaml:2: model.heads')
})

test('ten mistakes of files, environment and options are reported at once, with line, path, range and the nearest name', async () => {
  expect(
    await faults(
      {
        'a.yaml': `extends: base.yaml
stpes: 300
batch: 2.5
model:
  width: 64
  heads: 5
  patsh: 7
optimizer:
  clip: -1
  lrRule: linear_wrt_255
augmentation:
  globalScale: [1, 0.4]
evaluation: often
`,
        'base.yaml': 'seed: -3\n',
      },
      ['--set', 'schedule.momentum=2'],
      { DINOGRAPH__OPTIMIZER__MIN_LR: 'small' },
    ),
  ).toMatchInlineSnapshot(`
    "config fault at a.yaml:2: stpes
      found:   an unknown setting: 300
      allowed: name, seed, preset, steps, batch, evaluation, runtime, accelerator, start, data, augmentation, optimizer, schedule, strategies, model, head, objective
      remedy:  did you mean steps?
    config fault at a.yaml:3: batch
      found:   2.5
      allowed: a whole number of at least 1
      remedy:  set batch to a whole number of at least 1; the default is 64
    config fault at a.yaml:6: model.heads
      found:   5
      allowed: a divisor of the width 64
      remedy:  choose heads that divide the width
    config fault at a.yaml:7: model.patsh
      found:   an unknown setting: 7
      allowed: kind, patch, width, depth, heads, mlpRatio, hidden, ffn, qkvBias, maskKeyBias, projBias, ffnBias, norm, eps, untiedNorms, localNorm, generation, image, offset, antialias, registers, layerScale, initStd, positionStd, dropPath, dropPathRule, dropPathForm, rope
      remedy:  did you mean model.patch?
    config fault at a.yaml:9: optimizer.clip
      found:   -1
      allowed: a number of at least 0
      remedy:  set optimizer.clip to a number of at least 0; the default is 3
    config fault at a.yaml:10: optimizer.lrRule
      found:   "linear_wrt_255"
      allowed: one of none, linear_wrt_256, sqrt_wrt_1024, four_sqrt_wrt_1024
      remedy:  did you mean linear_wrt_256?
    config fault at a.yaml:12: augmentation.globalScale
      found:   [1,0.4]
      allowed: two ascending numbers [low, high] within (0, 1]
      remedy:  set augmentation.globalScale to two ascending numbers [low, high] within (0, 1]; the default is [0.6,1]
    config fault at a.yaml:13: evaluation
      found:   "often"
      allowed: a section with during, before, report, k, temperature
      remedy:  leave it out, or set what is in it, such as evaluation.during=1
    config fault at base.yaml:1: seed
      found:   -3
      allowed: a whole number of at least 0
      remedy:  set seed to a whole number of at least 0; the default is 0
    config fault at DINOGRAPH__OPTIMIZER__MIN_LR: optimizer.minLr
      found:   "small"
      allowed: a number in [0, 100]
      remedy:  set optimizer.minLr to a number in [0, 100]; the default is 0.00001
    config fault at --set: schedule.momentum
      found:   2
      allowed: a number in [0, 1]
      remedy:  set schedule.momentum to a number in [0, 1]; the default is 0.96"
  `)
})

test('every error of YAML has its line', async () => {
  expect(await faults({ 'a.yaml': 'steps: 3\nsteps: 4\nmodel: {width: 3\n' })).toMatchInlineSnapshot(`
    "config fault at a.yaml:2:1
      found:   Map keys must be unique at line 2, column 1:
      allowed: YAML: names, a colon, values, and the same indentation within a section
      remedy:  correct the line
    config fault at a.yaml:4:1
      found:   Flow map in block collection must be sufficiently indented and end with a } at line 4, column 1:
      allowed: YAML: names, a colon, values, and the same indentation within a section
      remedy:  correct the line"
  `)
})

test('files that are not there, and files that extend each other', async () => {
  expect(await faults({ 'a.yaml': 'extends: [b.yaml, c.yaml]\naccelerator: gpu.yaml\n', 'b.yaml': 'extends: a.yaml\n' }))
    .toMatchInlineSnapshot(`
    "config fault at b.yaml:1: extends
      found:   files that extend each other: a.yaml, b.yaml, a.yaml
      allowed: a file that extends others
      remedy:  remove one "extends"
    config fault at a.yaml:1: extends
      found:   no such file: c.yaml
      allowed: a file, by its path from DIR
      remedy:  did you mean b.yaml?
    config fault at a.yaml:2: accelerator
      found:   no such file: gpu.yaml
      allowed: a file, by its path from DIR
      remedy:  correct the path"
  `)
})

test('files that are not there do not hide what is wrong in those that are, and are not blamed for twice', async () => {
  expect(
    await faults(
      {
        'a.yaml':
          'extends: [basse.yaml, good.yaml]\naccelerator: ntive.yaml\nmodel: {width: -8}\nhead: {prototypes: many}\nobjective: {koleo: 2}\nobjectve: {}\n',
        'good.yaml': 'batch: [1]\n',
        'native.yaml': 'threads: -1\n',
        'base.yaml': 'objective: {kind: dinov1}\n',
      },
      ['--set', 'accelerator=other.yaml', '--set', 'runtime.nonFinite=[', '--set', 'evaluation.k=0'],
    ),
  ).toMatchInlineSnapshot(`
    "config fault at a.yaml:1: extends
      found:   no such file: basse.yaml
      allowed: a file, by its path from DIR
      remedy:  did you mean base.yaml?
    config fault at a.yaml:2: accelerator
      found:   no such file: ntive.yaml
      allowed: a file, by its path from DIR
      remedy:  did you mean native.yaml?
    config fault at a.yaml:3: model.width
      found:   -8
      allowed: a whole number of at least 1
      remedy:  set model.width to a whole number of at least 1; the default is 128
    config fault at a.yaml:4: head.prototypes
      found:   "many"
      allowed: a whole number of at least 2
      remedy:  set head.prototypes to a whole number of at least 2; the default is 512
    config fault at a.yaml:6: objectve
      found:   an unknown setting
      allowed: name, seed, preset, steps, batch, evaluation, runtime, accelerator, start, data, augmentation, optimizer, schedule, strategies, model, head, objective
      remedy:  did you mean objective?
    config fault at --set: accelerator
      found:   no such file: HERE/other.yaml
      allowed: a file, by its path from the working folder
      remedy:  correct the path
    config fault at --set: runtime.nonFinite
      found:   [: Flow sequence must end with a ] at line 1, column 2:
      allowed: a number, a text, true, false, null, or a list like [0.4, 1]
      remedy:  correct the value, and quote it for the shell
    config fault at good.yaml:1: batch
      found:   [1]
      allowed: a whole number of at least 1
      remedy:  set batch to a whole number of at least 1; the default is 64
    config fault at --set: evaluation.k
      found:   0
      allowed: a whole number of at least 1
      remedy:  set evaluation.k to a whole number of at least 1; the default is 20"
  `)
})

test('a setting of another section, and one of another kind of objective', async () => {
  expect(await faults({ 'a.yaml': 'optimizer:\n  momentum: 0.9\nobjective:\n  kind: dinov1\n  ibot: 0.1\n' })).toMatchInlineSnapshot(`
    "config fault at a.yaml:2: optimizer.momentum
      found:   an unknown setting: 0.9
      allowed: lr, lrRule, minLr, wd, wdEnd, beta1, beta2, eps, clip, clipBy, groups, layerDecay, patchEmbed
      remedy:  did you mean schedule.momentum?
    config fault at a.yaml:5: objective.ibot
      found:   an unknown setting: 0.1
      allowed: kind, centring, studentTemperature, centreMomentum, koleo
      remedy:  remove it, or choose another objective.kind: dinov2, dinov3 have it"
  `)
})

test('a suggestion is a name that is allowed where it would stand, and near to what was written', async () => {
  const remedies = async (yaml: string, ...words: ReadonlyArray<string>): Promise<ReadonlyArray<string>> =>
    [...(await faults({ 'a.yaml': yaml }, words)).matchAll(/remedy: +(.*)/g)].map(([, remedy]) => remedy)
  // other kinds have ibot, masks, neighbours
  expect(await remedies('objective: { kind: dinov1, promts: 1, neighbour: 1, x: 1 }')).toEqual(
    Array(3).fill('remove it; --help lists all settings'),
  )
  expect(await remedies('objective: { kind: dinov1, ibot: 1, neighbours: 2, knd: 1 }')).toEqual([
    'remove it, or choose another objective.kind: dinov2, dinov3 have it',
    'remove it, or choose another objective.kind: dinov3 has it',
    'did you mean objective.kind?',
  ])
  expect(await remedies('', '--set', 'objective.kind=dinov1', '--set', 'objective.centering=sinkhorn')).toEqual([
    'did you mean objective.centring?',
  ])
  // elsewhere under the same name, or but for a letter; not where a kind that is not chosen has it, nor at too many places
  expect(await remedies('optimizer: { momentm: 1, prototypes: 3, ibot: 1, xx: 1, probability: 1 }')).toEqual([
    'did you mean schedule.momentum?',
    'did you mean head.prototypes?',
    'did you mean objective.ibot?',
    ...Array<string>(2).fill('remove it; --help lists all settings'),
  ])
  expect(await remedies('objective: { kind: dinov1 }\noptimizer: { ibot: 1 }')).toEqual(['remove it; --help lists all settings'])
  expect(await remedies('objective: { kind: distil, teacher: x, students: { b: { kind: vitt }, c: { ffn: mpl } } }')).toEqual([
    'did you mean vit?',
    'did you mean mlp?',
  ])
})

test('a remedy says what to set: the range, and the default, of the kind that is chosen', async () => {
  expect(
    await faults(
      {
        'a.yaml':
          'objective: { kind: dinov1, studentTemperature: -1, centring: of }\nstrategies: { lora: 3 }\ndata: { windows: [a, 1], path: [] }\n',
      },
      ['--set', 'model=small', '--set', 'model.width=1e9'],
    ),
  ).toMatchInlineSnapshot(`
    "config fault at a.yaml:1: objective.centring
      found:   "of"
      allowed: one of centre, sinkhorn
      remedy:  set objective.centring to one of centre, sinkhorn; the default is centre
    config fault at a.yaml:1: objective.studentTemperature
      found:   -1
      allowed: a number above 0
      remedy:  set objective.studentTemperature to a number above 0; the default is 0.1
    config fault at a.yaml:2: strategies.lora
      found:   3
      allowed: null, or a section with targets, exclude, layers, layersPattern, rank, alpha, rankPattern, alphaPattern, dropout, rsLora, dora, init, bias, save, split
      remedy:  set strategies.lora to null, or set what is in it, such as strategies.lora.targets=backbone\\.blocks\\..*
    config fault at a.yaml:3: data.path
      found:   []
      allowed: a text
      remedy:  set data.path to a text; the default is ''
    config fault at a.yaml:3: data.windows.1
      found:   1
      allowed: a text
      remedy:  set data.windows.1 to a text"
  `)
})

test('adapters on nothing', async () => {
  expect(await faults({ 'a.yaml': 'strategies:\n  lora: {rank: 4}\n' })).toMatchInlineSnapshot(`
    "config fault at strategies.lora
      found:   adapters on weights that nothing was learned into
      allowed: adapters with "start.from": a run, a folder or a model
      remedy:  name in "start.from" what to adapt, or set strategies.lora to null"
  `)
})
