/** The JSON Schema that editors get: it takes what the codecs take, and refuses what they refuse. */
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { resolve, given } from '../../../train/config/settings.ts'
import { schemaOf } from '../../../train/config/schema.ts'
import { config } from '../../../train/recipes/recipe.ts'
import { right } from '../../data/either.ts'
import { isRecord } from '../../../data/formats/codec.ts'

const keywords = new Set([
  '$schema',
  'title',
  'description',
  'default',
  'format',
  'type',
  'enum',
  'const',
  'minimum',
  'maximum',
  'exclusiveMinimum',
  'exclusiveMaximum',
  'items',
  'minItems',
  'maxItems',
  'properties',
  'additionalProperties',
  'required',
  'anyOf',
  'oneOf',
])

const typeOf = (u: unknown): string => (u === null ? 'null' : Array.isArray(u) ? 'array' : Number.isInteger(u) ? 'integer' : typeof u)

const below = (u: unknown): ReadonlyArray<unknown> => (Array.isArray(u) ? u : [])

/** Where a value breaks a schema (draft 7, the keywords above); an unknown keyword throws, so that nothing is passed over. */
const broken = (schema: unknown, u: unknown, at = ''): ReadonlyArray<string> => {
  if (schema === true) return []
  if (!isRecord(schema)) return [`${at}: not allowed`]
  for (const k of Object.keys(schema)) if (!keywords.has(k)) throw new Error(`the keyword ${k} at ${at}`)
  const {
    type,
    enum: values,
    minimum,
    maximum,
    exclusiveMinimum,
    exclusiveMaximum,
    items,
    minItems,
    maxItems,
    properties,
    additionalProperties = true,
    required,
    anyOf,
    oneOf,
  } = schema
  const out: Array<string> = []
  const say = (what: string): void => {
    out.push(`${at}: ${what}`)
  }
  if (type !== undefined && type !== typeOf(u) && !(type === 'number' && typeOf(u) === 'integer')) say(`no ${JSON.stringify(type)}`)
  if (Array.isArray(values) && !values.includes(u)) say('none of the values')
  if ('const' in schema && schema['const'] !== u) say('another value')
  if (typeof u === 'number') {
    if (typeof minimum === 'number' && u < minimum) say('too small')
    if (typeof maximum === 'number' && u > maximum) say('too large')
    if (typeof exclusiveMinimum === 'number' && u <= exclusiveMinimum) say('too small')
    if (typeof exclusiveMaximum === 'number' && u >= exclusiveMaximum) say('too large')
  }
  if (Array.isArray(u)) {
    if (typeof minItems === 'number' && u.length < minItems) say('too short')
    if (typeof maxItems === 'number' && u.length > maxItems) say('too long')
    if (items !== undefined)
      below(u).forEach((x, i) => {
        out.push(...broken(items, x, `${at}.${i}`))
      })
  }
  if (isRecord(u)) {
    const known = isRecord(properties) ? properties : {}
    for (const [k, v] of Object.entries(u)) out.push(...broken(Object.hasOwn(known, k) ? known[k] : additionalProperties, v, `${at}.${k}`))
    for (const k of below(required)) if (!Object.hasOwn(u, String(k))) say(`no ${String(k)}`)
  }
  if (anyOf !== undefined && !below(anyOf).some((s) => broken(s, u, at).length === 0)) say('none of the forms')
  if (oneOf !== undefined && below(oneOf).filter((s) => broken(s, u, at).length === 0).length !== 1) say('not one of the forms')
  return out
}

const schema = schemaOf('A configuration', config)
const recipes = join(import.meta.dirname, '../../../examples/recipes')

describe('the schema', () => {
  test('takes every shipped recipe, and what recipes are resolved to', async () => {
    const files = (await readdir(recipes, { recursive: true })).filter((f) => f.endsWith('.yaml') && !f.startsWith('accelerators'))
    expect(files.length).toBeGreaterThan(8)
    for (const file of files) expect(broken(schema, parse(await readFile(join(recipes, file), 'utf8'))), file).toEqual([])
    for (const kind of ['dinov1', 'dinov2', 'dinov3', 'distil'] as const) {
      const whole = right(
        resolve(config)([
          given({ objective: kind === 'distil' ? { kind, teacher: 'x', students: { small: { width: 32, heads: 2 } } } : { kind } }),
        ]),
      )
      expect(broken(schema, whole)).toEqual([])
    }
    expect(
      broken(
        schema,
        right(
          resolve(config)([
            given({ start: { from: 'x' }, strategies: { lora: { targets: ['qkv'], rankPattern: { fc1: 4 }, layers: [1] } } }),
          ]),
        ),
      ),
    ).toEqual([])
  })
  test.each([
    [{ stpes: 3 }, '.stpes'],
    [{ steps: 0 }, '.steps'],
    [{ steps: 1.5 }, '.steps'],
    [{ model: { width: 'wide' } }, '.model'],
    [{ optimizer: { groups: 'v4' } }, '.optimizer.groups'],
    [{ augmentation: { globalScale: [1] } }, '.augmentation.globalScale'],
    [{ augmentation: { globalScale: [0, 2] } }, '.augmentation.globalScale.0'],
    [{ objective: { kind: 'dinov1', ibot: 1 } }, '.objective'],
    [{ objective: { kind: 'dino' } }, '.objective'],
    [{ strategies: { lora: { rank: 0 } } }, '.strategies.lora'],
    [{ strategies: { lora: { rankPattern: { fc1: 'x' } } } }, '.strategies.lora'],
    [{ strategies: { freeze: { blocks: [-1] } } }, '.strategies.freeze.blocks.0'],
    [{ extends: 3 }, '.extends'],
    [{ accelerator: { target: 'gpu' } }, '.accelerator'],
    [{ runtime: { mlflow: { url: 'x' } } }, '.runtime.mlflow'],
  ])('refuses %j, as the codecs do', (wrong, place) => {
    expect(broken(schema, wrong).map((t) => t.replace(/: .*/, ''))).toContain(place)
    if (!('extends' in wrong)) expect(resolve(config)([given(wrong)])._tag).toBe('Left')
  })
})
