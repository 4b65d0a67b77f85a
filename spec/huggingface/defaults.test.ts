/** What a folder does not say counts as the classes of transformers have it: `defaults.json`, made of them by spec/interop/defaults.py. */
import { readFileSync } from 'node:fs'
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import { describe, expect, test } from 'vitest'
import { optionsOf, unbiased } from '../../models/huggingface/options.ts'
import { configCodec } from '../../models/huggingface/keys.ts'
import { families } from '../../models/huggingface/families.ts'
import { fullOptions } from '../../models/options.ts'
import { preprocessorCodec } from '../../train/exchange/huggingface/preprocessor.ts'
import { preprocessOf } from '../../train/exchange/preprocess.ts'
import { rightOf } from '../data/either.ts'

type Keys = Readonly<Record<string, unknown>>

const facts = rightOf(
  pipe(
    t
      .type({ configurations: t.record(t.string, t.UnknownRecord), processors: t.record(t.string, t.UnknownRecord) })
      .decode(JSON.parse(readFileSync(new URL('defaults.json', import.meta.url), 'utf8'))),
    E.mapLeft(() => 'defaults.json is not what defaults.py writes'),
  ),
)

/** The options that a configuration gives, with all of their own defaults; in words what is wrong with it. */
const read = (c: Keys): Either<unknown, unknown> => {
  const family = families.find(({ type }) => type === c['model_type'])
  return family === undefined
    ? pipe(
        configCodec.decode(c),
        E.chainW((x) =>
          pipe(
            optionsOf(x),
            E.map((o) => ({ ...fullOptions(o), unbiased: unbiased(x) })),
          ),
        ),
      )
    : family.reading((codec, described) =>
        pipe(
          codec.decode(c),
          E.chainW(described),
          E.map(({ said }) => said),
        ),
      )
}

/** Nothing is guessed of which no tensor says anything: heads of attention. */
const said = ['model_type', 'num_attention_heads']

/** What nothing is computed of when features are taken. */
const silent = /dropout|initializer|encoder_stride|pooler|apply_layernorm|reshape_hidden_states|num_layers/

/** What follows from other keys. */
const follows = (whole: Keys): ReadonlyArray<string> => ('embed_dim' in whole ? ['hidden_size'] : [])

const other = (v: unknown): unknown =>
  t.readonlyArray(t.number).is(v)
    ? [...v, 1]
    : typeof v === 'boolean'
      ? !v
      : typeof v === 'number'
        ? v === 0
          ? 1
          : v < 1
            ? v / 2
            : 2 * v
        : v === null
          ? 2
          : 'relu'

describe.each(Object.entries(facts.configurations))('%s', (_, whole) => {
  const bare = Object.fromEntries(Object.entries(whole).filter(([k]) => said.includes(k)))

  test('says nothing that is not taken for granted: alone, and key by key', () => {
    expect(read(bare)).toEqual(read(whole))
    expect(E.isRight(read(whole)), JSON.stringify(read(whole))).toBe(true)
    for (const key of Object.keys(whole)) {
      expect(read({ ...bare, [key]: whole[key] }), key).toEqual(read(bare))
      if (!said.includes(key))
        expect(read(Object.fromEntries(Object.entries(whole).filter(([k]) => k !== key))), `without ${key}`).toEqual(read(whole))
    }
  })

  test('and every key that changes what is computed changes it here, or is refused', () => {
    for (const key of Object.keys(whole).filter((k) => !silent.test(k) && !follows(whole).includes(k)))
      expect(read({ ...whole, [key]: other(whole[key]) }), key).not.toEqual(read(whole))
  })
})

test.each(Object.entries(facts.processors))('%s sees pictures as it does where nothing is said', (name, whole) => {
  const seen = (keys: Keys): Either<unknown, unknown> =>
    pipe(
      preprocessorCodec.decode({ image_processor_type: name, ...keys }),
      E.chainW((p) => preprocessOf(name, p, 3)),
    )
  expect(E.isRight(seen(whole))).toBe(true)
  expect(seen({})).toEqual(seen(whole))
  for (const key of Object.keys(whole)) expect(seen({ [key]: whole[key] }), key).toEqual(seen(whole))
})
