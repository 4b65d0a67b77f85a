/** Any subset of strategies in any order: the values stay where the laws say so, and nothing is trained that was frozen. */
import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { concatAll } from 'fp-ts/lib/Monoid.js'
import { describe, expect, test } from 'vitest'
import { remat } from '../../compiler/passes/remat.ts'
import type { Fault } from '../../core/fault.ts'
import { print } from '../../core/print.ts'
import { verify } from '../../core/verify.ts'
import { distilClass, distilPatches } from '../../losses/distil.ts'
import { lossMonoid } from '../../losses/loss.ts'
import { relation } from '../../losses/relation.ts'
import type { Matched } from '../../models/distil.ts'
import { featurePair } from '../../models/distil.ts'
import type { FreezeOptions } from '../../models/freeze.ts'
import { isFrozen } from '../../models/freeze.ts'
import { vit } from '../../models/vit.ts'
import { multiCrop } from '../../train/step/batch.ts'
import { adamw } from '../../train/step/optimizer.ts'
import type { LoraStrategy } from '../../train/step/strategies/lora.ts'
import type { Program, StepStage } from '../../train/step/step.ts'
import { derive, rewriteForward, rewriteStep, trainingStep } from '../../train/step/step.ts'
import { accumulate } from '../../train/step/strategies/accumulate.ts'
import { averaged, distilled } from '../../train/step/strategies/distil.ts'
import { freeze } from '../../train/step/strategies/freeze.ts'
import { lora } from '../../train/step/strategies/lora.ts'
import { half } from '../../train/step/strategies/precision.ts'
import type { Strategy } from '../../train/step/strategies/strategy.ts'
import { strategies, noStrategy, strategyMonoid, withinNetwork } from '../../train/step/strategies/strategy.ts'
import { right } from '../data/either.ts'
import { runs } from '../support/arbitrary.ts'
import { expectClose } from '../support/tensor.ts'
import { backbone, firstValues, paths, plain, programOf, run, stage } from './networks.ts'

type Kind =
  | { readonly _tag: 'freeze'; readonly o: FreezeOptions }
  | { readonly _tag: 'lora'; readonly o: LoraStrategy }
  | { readonly _tag: 'averaged' }
  | { readonly _tag: 'half' }

const freezes: fc.Arbitrary<Kind> = fc
  .constantFrom<FreezeOptions>(
    { prefix: 1 },
    { prefix: 2 },
    { norms: true },
    { blocks: [1] },
    { patchEmbed: true, tokens: true },
    { paths: /bias$/ },
  )
  .map((o) => ({ _tag: 'freeze', o }))
const loras: fc.Arbitrary<Kind> = fc
  .record({
    targets: fc.constantFrom<LoraStrategy['targets']>(
      ['qkv'],
      ['fc1', 'fc2'],
      ['query', 'value', 'attn.proj'],
      'backbone\\.blocks\\..*',
      'all-linear',
    ),
    rank: fc.constantFrom(1, 2, 3),
    alpha: fc.constantFrom(1, 4),
    dora: fc.boolean(),
    rsLora: fc.boolean(),
  })
  .map((o) => ({ _tag: 'lora', o }))

/** In any order. */
const shuffled = <A>(parts: ReadonlyArray<A>, keys: ReadonlyArray<number>): ReadonlyArray<A> =>
  parts
    .map((k, i) => [keys[i], k] as const)
    .sort(([a], [b]) => a - b)
    .map(([, k]) => k)

const keys = fc.array(fc.nat(), { minLength: 7, maxLength: 7 })

/** A few strategies in any order, LoRA, half precision and the average once at most. */
const pipelines: fc.Arbitrary<ReadonlyArray<Kind>> = fc
  .tuple(fc.array(freezes, { maxLength: 2 }), fc.option(loras), fc.boolean(), fc.boolean(), keys)
  .map(([frozen, adapters, product, halves, order]) =>
    shuffled<Kind>(
      [
        ...frozen,
        ...(adapters === null ? [] : [adapters]),
        ...(product ? [{ _tag: 'averaged' as const }] : []),
        ...(halves ? [{ _tag: 'half' as const }] : []),
      ],
      order,
    ),
  )

const strategyOf = (k: Kind): Strategy => {
  switch (k._tag) {
    case 'freeze':
      return freeze(k.o)
    case 'lora':
      return lora(k.o)
    case 'averaged':
      return averaged()
    case 'half':
      return half()
  }
}

const halved = (ks: ReadonlyArray<Kind>): boolean => ks.some((k) => k._tag === 'half')

/** Orders and combinations that make no sense: adapters on contractions that are halved, or on what is frozen as a whole. */
const refused = (f: Fault, ks: ReadonlyArray<Kind>): void => {
  const [at, atHalf] = [ks.findIndex((k) => k._tag === 'lora'), ks.findIndex((k) => k._tag === 'half')]
  if (atHalf >= 0 && atHalf < at) expect(f.remedy, show(ks)).toBe('let LoRA come first')
  // all that may be targeted can have been frozen before
  else expect(f.place, show(ks)).toBe('lora: targets')
}

const show = (ks: ReadonlyArray<Kind>): string => JSON.stringify(ks)

test('values stay at initialisation, graphs are verified, nothing frozen is trained, and no tensor is held twice', async () => {
  const before = (await run(programOf(noStrategy), 1)).values[0]
  await fc.assert(
    fc.asyncProperty(pipelines, async (kinds) => {
      const o = strategies(kinds.map(strategyOf))(plain())
      if (E.isLeft(o)) {
        refused(o.left, kinds)
        return
      }
      const p: Program = right(
        pipe(
          stage(),
          rewriteForward(() => o),
          derive,
        ).program,
      )
      right(verify(p.graph))
      for (const path of paths(p, 'trained').map(withinNetwork))
        for (const k of kinds) if (k._tag === 'freeze') expect(isFrozen(k.o)(path), `${path} ${show(kinds)}`).toBe(false)
      const trained = new Set(paths(p, 'trained').map(withinNetwork))
      for (const r of p.residents) {
        if (r.path.startsWith('optimizer.exp_avg')) expect(trained.has(r.path.replace(/^optimizer\.exp_avg(?:_sq)?\./, ''))).toBe(true)
        if (r.role === 'average') expect(trained.has(withinNetwork(r.path)) || r.path.endsWith('weight_g'), r.path).toBe(true)
      }
      const after = (await run(p, 2)).values[0]
      for (const [path, v] of before) expectClose(after.get(path) ?? [], v, halved(kinds) ? 5e-3 : 1e-6, `${path} ${show(kinds)}`)
      const first = firstValues(p)
      const state = (await run(p, 2)).state
      for (const path of paths(p, 'fixed')) expect(state.get(path), path).toEqual(first.get(path))
    }),
    runs(12),
  )
}, 240_000)

test('strategies are a monoid', () => {
  const text = (s: Strategy): string => {
    const o = right(s(plain()))
    return print(o.graph) + o.residents.map((r) => `${r.path} ${r.role}`).join('\n')
  }
  fc.assert(
    fc.property(pipelines, pipelines, pipelines, (a, b, c) => {
      const [f, g, h] = [a, b.filter((k) => k._tag === 'freeze'), c.filter((k) => k._tag === 'freeze')].map((ks) =>
        strategies(ks.map(strategyOf)),
      )
      if (E.isLeft(strategies([f, g, h])(plain()))) return
      const { concat } = strategyMonoid
      expect(text(concat(concat(f, g), h))).toBe(text(concat(f, concat(g, h))))
      expect(text(concat(f, noStrategy))).toBe(text(f))
      expect(text(concat(noStrategy, f))).toBe(text(f))
    }),
    runs(6),
  )
}, 120_000)

test('remat and accumulation preserve the step of any pipeline', async () => {
  await fc.assert(
    fc.asyncProperty(pipelines, fc.boolean(), async (kinds, both) => {
      const o = strategies(kinds.map(strategyOf))(plain())
      if (E.isLeft(o)) return
      const s: StepStage = pipe(
        stage(),
        rewriteForward(() => o),
        derive,
      )
      const apply = new Map([['hyper.apply', Float32Array.of(1)]])
      const [before, after] = [
        await run(right(s.program), 2),
        await run(right(pipe(both ? accumulate({ steps: 1 })(s) : s, rewriteStep(remat())).program), 2, {}, apply),
      ]
      expect(after.values).toEqual(before.values)
      for (const [path, v] of before.state) expect(after.state.get(path), `${path} ${show(kinds)}`).toEqual(v)
    }),
    runs(6),
  )
}, 240_000)

describe('distillation with other strategies', () => {
  const [large, small] = [vit({ patch: 4, width: 12, depth: 3, heads: 2, mlpRatio: 2, image: 8 }), backbone()]
  const matching = concatAll(lossMonoid<Matched>())([distilClass(), distilPatches(), relation()])
  const begun = trainingStep({
    model: featurePair({ student: small, teacher: large }),
    loss: matching,
    batch: multiCrop({ images: 2, global: { crops: 2, size: 8 }, local: { crops: 0, size: 4 } }),
    optimizer: adamw(),
  })
  const parts: fc.Arbitrary<ReadonlyArray<Kind | 'distilled'>> = fc
    .tuple(fc.array(freezes, { maxLength: 2 }), fc.option(loras), fc.boolean(), keys)
    .map(([frozen, adapters, halves, order]) =>
      shuffled<Kind | 'distilled'>(
        ['distilled', ...frozen, ...(adapters === null ? [] : [adapters]), ...(halves ? [{ _tag: 'half' as const }] : [])],
        order,
      ),
    )
  const kindsOf = (ks: ReadonlyArray<Kind | 'distilled'>): ReadonlyArray<Kind> => ks.filter((k): k is Kind => k !== 'distilled')

  test('the teacher is another network that is frozen, and the product follows the student or shares what is frozen', async () => {
    const plainStep: Program = right(pipe(begun, rewriteForward(distilled), derive).program)
    const before = (await run(plainStep, 1)).values[0]
    await fc.assert(
      fc.asyncProperty(parts, async (kinds) => {
        const o = strategies(kinds.map((k) => (k === 'distilled' ? distilled : strategyOf(k))))(right(begun.objective))
        const text = JSON.stringify(kinds)
        if (E.isLeft(o)) {
          const late = kinds.findIndex((k) => k !== 'distilled' && k._tag === 'lora') < kinds.indexOf('distilled')
          if (o.left.remedy === 'freeze the teacher before LoRA (distilled)') expect(late, text).toBe(true)
          else refused(o.left, kindsOf(kinds))
          return
        }
        const p: Program = right(
          pipe(
            begun,
            rewriteForward(() => o),
            derive,
          ).program,
        )
        right(verify(p.graph))
        const student = new Map(p.residents.filter((r) => r.path.startsWith('student.')).map((r) => [withinNetwork(r.path), r.role]))
        for (const r of p.residents) {
          if (r.path.startsWith('teacher.')) expect(r.role, `${r.path} ${text}`).toBe('fixed')
          if (r.path.startsWith('ema.') && r.role === 'average')
            expect(student.get(withinNetwork(r.path)), `${r.path} ${text}`).toBe('trained')
          if (r.role === 'trained')
            for (const k of kindsOf(kinds))
              if (k._tag === 'freeze') expect(isFrozen(k.o)(withinNetwork(r.path)), `${r.path} ${text}`).toBe(false)
        }
        const first = firstValues(p)
        const r = await run(p, 2)
        for (const [path, v] of before) expectClose(r.values[0].get(path) ?? [], v, halved(kindsOf(kinds)) ? 2e-2 : 1e-6, `${path} ${text}`)
        for (const path of paths(p, 'fixed')) expect(r.state.get(path), path).toEqual(first.get(path))
      }),
      runs(10),
    )
  }, 240_000)
})
