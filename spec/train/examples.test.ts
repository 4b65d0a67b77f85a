/** The examples: short, and the same as the recipes of their names; their methods are built once. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { describe, expect, it, test } from 'vitest'
import { print } from '../../core/print.ts'
import dinov1 from '../../examples/dinov1.ts'
import dinov2 from '../../examples/dinov2.ts'
import dinov3 from '../../examples/dinov3.ts'
import { readLayer } from '../../train/config/layers.ts'
import { given } from '../../train/config/settings.ts'
import { recipe } from '../../train/recipes/recipe.ts'
import { dinov1 as learning } from '../../train/recipes/methods/dinov1.ts'
import { experiment } from '../../train/recipes/experiment.ts'
import { images } from '../../train/recipes/parts/images.ts'
import { network, prototypes } from '../../train/recipes/parts/network.ts'
import type { Assembled } from '../../train/run/assembly.ts'
import type { Experiment, Resolved } from '../../train/run/experiment.ts'
import { dino } from '../../losses/dino.ts'
import { right } from '../data/either.ts'
import { isRecord } from '../../data/formats/codec.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = join(root, 'examples')

describe('every example', () => {
  it.each(readdirSync(folder).filter((name) => name.endsWith('.ts')))('%s is short', (name) => {
    const file = ts.createSourceFile(name, readFileSync(join(folder, name), 'utf8'), ts.ScriptTarget.ESNext)
    const code = file.text
      .replaceAll(/\/\*.*?\*\//gs, '')
      .split('\n')
      .filter((line) => line.trim() !== '' && !line.trim().startsWith('//'))
    expect(code.length).toBeLessThanOrEqual(45)
    const imports = file.statements.filter(ts.isImportDeclaration)
    const imported = imports.flatMap((s) => (ts.isStringLiteral(s.moduleSpecifier) ? [s.moduleSpecifier.text] : []))
    expect(imported.filter((from) => from.startsWith('dinograph')).length).toBeLessThanOrEqual(2)
  })
})

const at = (config: unknown, path: string): unknown => path.split('.').reduce((u: unknown, k) => (isRecord(u) ? u[k] : undefined), config)
const shared = ['steps', 'batch', 'evaluation', 'start', 'data', 'augmentation', 'model', 'head', 'optimizer', 'schedule', 'strategies']
const small = given({ batch: 2, model: { width: 8, depth: 1, heads: 2 }, head: { hidden: 8, bottleneck: 4, prototypes: 8 } })
const assembled = (r: Resolved): Assembled => right(r.assemble({ channels: 1, side: 28 }))
const objectiveOf = (r: Resolved): string => print(right(assembled(r).phases[0].forward.objective).graph)

/** A program says what its network is by the function that makes it. */
const withoutKind = (u: unknown): unknown => (isRecord(u) && u['kind'] === 'vit' ? { ...u, kind: undefined } : u)

describe('a recipe is the example of its name', () => {
  const pairs: ReadonlyArray<readonly [string, Experiment]> = [
    ['v1', dinov1],
    ['v2', dinov2],
    ['v3', dinov3],
  ]
  it.each(pairs)('%s', async (name, example) => {
    const file = await readLayer(join(folder, 'recipes', `${name}.yaml`))()
    const [ours, its] = [right(example.resolve([])), right(recipe().resolve([file]))]
    for (const path of shared) expect(withoutKind(at(its.config, path)), path).toEqual(at(ours.config, path))
    expect(at(its.config, 'objective.masks')).toEqual(at(ours.config, 'masks'))
    // DINOv3's example weighs local crops by a hyper, for the stages that a recipe has not
    if (name !== 'v3') expect(objectiveOf(right(recipe().resolve([file, small])))).toBe(objectiveOf(right(example.resolve([small]))))
  })
  const kinds = [
    ['dinov1', dinov1],
    ['dinov2', dinov2],
    ['dinov3', dinov3],
  ] as const
  it.each(kinds)('and a kind, %s, is followed as it is', (kind, example) => {
    const [ours, its] = [right(example.resolve([])), right(recipe({ objective: { kind } }).resolve([]))]
    const optimizer = ['clipBy', 'groups', 'layerDecay', 'patchEmbed', 'beta2'].map((n) => `optimizer.${n}`)
    for (const path of [...optimizer, 'schedule.frozenBy', 'head.normLastLayer'])
      expect(at(its.config, path), path).toEqual(at(ours.config, path))
    // the layer that names a kind decides as the program does
    const named = right(recipe().resolve([given({ objective: { kind } })]))
    expect(at(named.config, 'optimizer')).toEqual(at(its.config, 'optimizer'))
  })
})

test('a method is built once for the settings of each phase', () => {
  let built = 0
  const method = learning({
    model: network({ patch: 14, width: 8, depth: 1, heads: 2 }),
    head: prototypes({ hidden: 8, bottleneck: 4, prototypes: 8 }),
    loss: ({ head }) => dino({ prototypes: head.prototypes }),
  })
  const e = experiment({
    name: 'once',
    about: 'A test.',
    steps: 4,
    batch: 2,
    data: images(),
    method: {
      ...method,
      method: (s, seen) => {
        built++
        return method.method(s, seen)
      },
    },
  })
  const whole = assembled(right(e.resolve([])))
  expect(built).toBe(1)
  expect(whole.method.prototypes).toEqual(['head.last_layer'])
  expect(whole.method.blocks).toBe(1)
  built = 0
  const thawing = right(e.resolve([given({ strategies: { freeze: { prefix: 1, until: 2 } } })]))
  expect(assembled(thawing).phases.map((p) => p.name)).toEqual(['partly frozen', 'all moves'])
  // the first phase has the settings of the run
  expect(built).toBe(2)
})

test('stages and freezing for a while go together', () => {
  const r = right(dinov3.resolve([small, given({ steps: 10, strategies: { freeze: { prefix: 1, until: 8 } } })]))
  const { phases } = assembled(r)
  expect(phases.map((p) => [p.from, p.name])).toEqual([
    [0, 'pretraining, partly frozen'],
    [6, 'Gram anchoring, partly frozen'],
    [8, 'Gram anchoring, all moves'],
  ])
  const first = 'student.backbone.blocks.0.'
  const trains = (i: number): boolean => phases[i].turns[0].residents.some((x) => x.role === 'trained' && x.path.startsWith(first))
  expect(phases.map((_, i) => trains(i))).toEqual([false, false, true])
  expect(right(phases[1].forward.objective).graph.outputs.map((o) => o.path)).toContain('loss.gram')
})
