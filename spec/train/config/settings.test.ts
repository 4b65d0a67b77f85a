/** Laws of settings: defaults, layers, and that a configuration that was written down gives itself again. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import * as E from 'fp-ts/lib/Either.js'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { flag, list, oneOf, optional, pair, real, text, whole } from '../../../train/config/field.ts'
import { environmentLayer, layerAt, layerOfYaml, readLayer, stacked } from '../../../train/config/layers.ts'
import { settingsText } from '../../../train/config/help.ts'
import { given, namesOf, resolve, settingsOf } from '../../../train/config/settings.ts'
import { schemaOf } from '../../../train/config/schema.ts'
import { merged, section, variants } from '../../../train/config/section.ts'
import { helpText } from '../../../train/cli/arguments.ts'
import { config, recipe } from '../../../train/recipes/recipe.ts'
import { left, right } from '../../data/either.ts'

const sample = section('a sample', {
  size: whole(3, 'a size', { min: 1, max: 9 }),
  rate: real(0.5, 'a rate', { above: 0 }),
  name: text('x', 'a name'),
  on: flag(true, 'whether'),
  mode: oneOf(['a', 'b'], 'which'),
  span: pair([0, 1], 'from, to'),
  sizes: list(whole(1, 'one'), [1, 2], 'several'),
  inner: optional(section('inside', { depth: whole(2, 'how deep') })),
  kind: variants(
    'one of two',
    { round: section('round', { radius: real(1, 'r') }), square: section('square', { side: real(2, 's') }) },
    'round',
  ),
})

const anySample = fc.record({
  size: fc.integer({ min: 1, max: 9 }),
  rate: fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
  name: fc.string(),
  on: fc.boolean(),
  mode: fc.constantFrom('a', 'b'),
  span: fc.tuple(fc.double({ min: -9, max: 0, noNaN: true }), fc.double({ min: 0.1, max: 9, noNaN: true })),
  sizes: fc.array(fc.nat({ max: 99 })),
  inner: fc.option(fc.record({ depth: fc.nat({ max: 99 }) })),
  kind: fc.oneof(fc.record({ kind: fc.constant('round'), radius: fc.nat() }), fc.record({ kind: fc.constant('square'), side: fc.nat() })),
})

const decoded = (u: unknown) => right(resolve(sample)([given(u)]))

describe('a section', () => {
  test('decodes nothing to its defaults, and these to themselves', () => {
    const defaults = decoded({})
    expect(defaults).toEqual({
      size: 3,
      rate: 0.5,
      name: 'x',
      on: true,
      mode: 'a',
      span: [0, 1],
      sizes: [1, 2],
      inner: null,
      kind: { kind: 'round', radius: 1 },
    })
    expect(decoded(defaults)).toEqual(defaults)
  })
  test('decodes what is right to itself, also through YAML', () => {
    fc.assert(
      fc.property(anySample, (s) => {
        expect(decoded(s)).toEqual(s)
        expect(decoded(parse(stringify(s)))).toEqual(s)
      }),
    )
  })
  test('takes other defaults', () => {
    const other = sample.with({ size: 7, kind: { kind: 'square', side: 5 } })
    expect(right(resolve(other)([given({ name: 'y' })]))).toMatchObject({ size: 7, name: 'y', kind: { kind: 'square', side: 5 } })
    expect(right(resolve(other)([given({ kind: { kind: 'round' } })])).kind).toEqual({ kind: 'round', radius: 1 })
    expect(left(resolve(sample.with({ size: 70 }))([])).place).toBe('the defaults: size')
  })
  test('counts every mistake', () => {
    const wrong = {
      size: 0,
      rate: 'x',
      name: 3,
      on: 'yes',
      mode: 'c',
      span: [1, 0],
      sizes: [1, -1, 'x'],
      inner: { depth: 1.5, x: 1 },
      kind: { kind: 'round', side: 1 },
      y: 1,
    }
    const r = sample.decode(wrong)
    expect(
      E.isLeft(r) &&
        r.left
          .map((e) =>
            e.context
              .map((c) => c.key)
              .filter((k) => k !== '')
              .join('.'),
          )
          .sort(),
    ).toEqual(['inner.depth', 'inner.x', 'kind.side', 'mode', 'name', 'on', 'rate', 'size', 'sizes.1', 'sizes.2', 'span', 'y'])
  })
})

describe('layers', () => {
  test('lie over each other: merging is associative where they agree on what is a section, and nothing is neutral', () => {
    const tree = fc.record(
      { a: fc.nat(), b: fc.record({ c: fc.nat(), d: fc.constantFrom('x', 'y') }, { requiredKeys: [] }), e: fc.array(fc.nat()) },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(tree, tree, tree, (a, b, c) => {
        expect(merged(merged(a, b), c)).toEqual(merged(a, merged(b, c)))
        expect(merged(a, undefined)).toEqual(a)
        expect(merged(undefined, a)).toEqual(a)
      }),
    )
  })
  test('remember where a value was written', () => {
    const a = right(layerOfYaml('a.yaml', 'steps: 3\nmodel:\n  width: 8\n  heads: 2\n'))
    const all = stacked([a, layerAt('model.heads', 4, '--set')])
    expect(all.tree).toEqual({ steps: 3, model: { width: 8, heads: 4 } })
    expect([...all.origins]).toEqual([
      ['steps', 'a.yaml:1'],
      ['model', 'a.yaml:2'],
      ['model.width', 'a.yaml:3'],
      ['model.heads', '--set'],
    ])
  })
  test('of the environment find names whatever their case', () => {
    const env = {
      DINOGRAPH__OPTIMIZER__MIN_LR: '1e-6',
      DINOGRAPH__AUGMENTATION__GLOBALSCALE: '[0.5, 1]',
      DINOGRAPH__STRATEGIES__LORA: 'null',
      DINOGRAPH_REQUIRE_WEBGPU: '1',
      HOME: '/',
    }
    expect(environmentLayer(env, namesOf(config)).tree).toEqual({
      optimizer: { minLr: 1e-6 },
      augmentation: { globalScale: [0.5, 1] },
      strategies: { lora: null },
    })
  })
})

describe('the whole configuration', () => {
  test('that was resolved gives itself again', () => {
    const c = right(resolve(config)([given({ objective: { kind: 'dinov3' }, model: { width: 32 } })]))
    expect(right(resolve(config)([right(layerOfYaml('config.yaml', stringify(c)))]))).toEqual(c)
  })
  test('is an experiment as a typed value too', () => {
    const e = recipe({ steps: 7, objective: { kind: 'dinov1' }, model: { width: 32, heads: 2 } })
    expect(right(e.resolve([])).settings.steps).toBe(7)
    expect(right(e.resolve([given({ steps: 9 })])).config).toMatchObject({
      steps: 9,
      objective: { kind: 'dinov1', studentTemperature: 0.1 },
      model: { width: 32 },
    })
  })
  test('says the same as YAML and as a value', () => {
    const yaml =
      'steps: 7\nobjective: {kind: dinov1, centreMomentum: 0.8}\nmodel:\n  width: 32\n  heads: 2\nstrategies:\n  freeze: {norms: true, until: 3}\n'
    const [file, value] = [
      right(recipe().resolve([right(layerOfYaml('a.yaml', yaml))])),
      right(
        recipe({
          steps: 7,
          objective: { kind: 'dinov1', centreMomentum: 0.8 },
          model: { width: 32, heads: 2 },
          strategies: { freeze: { norms: true, until: 3 } },
        }).resolve([]),
      ),
    ]
    expect(value.config).toEqual(file.config)
  })
  test('has a line of help and a place in the schema for every setting', () => {
    const help = helpText({ call: 'x', about: 'y', settings: settingsOf(config) })
    const schema = JSON.stringify(schemaOf('x', config))
    for (const { path, field } of settingsOf(config)) {
      expect(help).toContain(`  ${path} `)
      expect(schema).toContain(JSON.stringify(field.facts.about))
    }
  })
  test('is listed by kinds where a section has several: each setting below its kind, with the default that it has there', () => {
    const lines = settingsText(settingsOf(config)).split('\n')
    const below = (path: string, setting: string): string => {
      const from = lines.findIndex((l) => l.startsWith(`  ${path} `))
      return lines.slice(from).find((l) => l.startsWith(`  ${setting} `)) ?? ''
    }
    expect(below('objective.kind=dinov1', 'objective.centring')).toContain('[centre]')
    expect(below('objective.kind=dinov2', 'objective.centring')).toContain('[sinkhorn]')
    expect(below('objective.kind=dinov3', 'objective.masks.sampler')).toContain('[exact]')
    // defaults of the kind that is the default there are its own, whatever other kinds have under the name
    expect(below('model.kind=vit', 'model.width')).toContain('[64]')
    expect(below('model.kind=swin', 'model.width')).toContain('[96]')
    const other = config.with({ objective: { kind: 'dinov3', koleo: 0.5 } })
    const koleo = settingsText(settingsOf(other)).match(/^ +objective\.koleo .*$/gm) ?? []
    expect(koleo.map((l) => /\[(.*)\]/.exec(l)?.[1])).toEqual(['0', '0.1', '0.5'])
  })
  test('of every shipped recipe assembles', async () => {
    const dir = join(import.meta.dirname, '../../../examples/recipes')
    const files = (await readdir(dir)).filter((f) => f.endsWith('.yaml'))
    expect(files.length).toBeGreaterThanOrEqual(6)
    for (const file of files) {
      const r = right(recipe().resolve([await readLayer(join(dir, file))()]))
      right(r.assemble({ channels: 1, side: 28 }))
      expect(r.name).toBe(file.replace('.yaml', ''))
    }
  })
})
