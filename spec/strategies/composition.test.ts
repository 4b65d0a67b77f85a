/** Any subset of strategies in any order: the values stay where the laws say so, and nothing is trained that was frozen. */
import fc from 'fast-check'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { expect, test } from 'vitest'
import { remat } from '../../compiler/rewrites/remat.ts'
import { print } from '../../core/print.ts'
import { verify } from '../../core/verify.ts'
import type { FreezeOptions } from '../../models/freeze.ts'
import { isFrozen } from '../../models/freeze.ts'
import type { LoraStrategy } from '../../train/strategies/lora.ts'
import type { Program, StepStage } from '../../train/step.ts'
import { derive, rewriteForward, rewriteStep } from '../../train/step.ts'
import { accumulate } from '../../train/strategies/accumulate.ts'
import { averaged } from '../../train/strategies/distil.ts'
import { freeze } from '../../train/strategies/freeze.ts'
import { lora } from '../../train/strategies/lora.ts'
import type { Strategy } from '../../train/strategies/strategy.ts'
import { all, none, strategyMonoid, withinNetwork } from '../../train/strategies/strategy.ts'
import { right } from '../data/either.ts'
import { runs } from '../support/arbitrary.ts'
import { expectClose } from '../support/tensor.ts'
import { firstValues, paths, plain, programOf, run, stage } from './networks.ts'

type Kind =
  | { readonly _tag: 'freeze'; readonly o: FreezeOptions }
  | { readonly _tag: 'lora'; readonly o: LoraStrategy }
  | { readonly _tag: 'averaged' }

const freezes: fc.Arbitrary<Kind> = fc.constantFrom<FreezeOptions>({ prefix: 1 }, { prefix: 2 }, { norms: true }, { blocks: [1] }, { patchEmbed: true, tokens: true }, { paths: /bias$/ })
  .map((o) => ({ _tag: 'freeze', o }))
const loras: fc.Arbitrary<Kind> = fc.record({
  targets: fc.constantFrom<LoraStrategy['targets']>(['qkv'], ['fc1', 'fc2'], ['query', 'value', 'attn.proj'], 'backbone\\.blocks\\..*', 'all-linear'),
  rank: fc.constantFrom(1, 2, 3), alpha: fc.constantFrom(1, 4), dora: fc.boolean(), rsLora: fc.boolean(),
}).map((o) => ({ _tag: 'lora', o }))

/** A few strategies in any order, LoRA and the average once at most. */
const pipelines: fc.Arbitrary<ReadonlyArray<Kind>> = fc.tuple(fc.array(freezes, { maxLength: 2 }), fc.option(loras), fc.boolean(), fc.array(fc.nat(), { minLength: 6, maxLength: 6 }))
  .map(([frozen, adapters, product, keys]) => [...frozen, ...(adapters === null ? [] : [adapters]), ...(product ? [{ _tag: 'averaged' as const }] : [])]
    .map((k, i) => [keys[i], k] as const).sort(([a], [b]) => a - b).map(([, k]) => k))

const strategyOf = (k: Kind): Strategy => (k._tag === 'freeze' ? freeze(k.o) : k._tag === 'lora' ? lora(k.o) : averaged())

const show = (ks: ReadonlyArray<Kind>): string => JSON.stringify(ks)

test('values stay at initialisation, graphs are verified, nothing frozen is trained, and no tensor is held twice', async () => {
  const before = (await run(programOf(none), 1)).values[0]
  await fc.assert(fc.asyncProperty(pipelines, async (kinds) => {
    const o = all(kinds.map(strategyOf))(plain())
    // all that may be targeted can have been frozen before: that is said
    if (E.isLeft(o)) { expect(o.left.place, show(kinds)).toBe('lora: targets'); return }
    const p: Program = right(pipe(stage(), rewriteForward(() => o), derive).program)
    right(verify(p.graph))
    for (const path of paths(p, 'trained').map(withinNetwork)) for (const k of kinds) if (k._tag === 'freeze') expect(isFrozen(k.o)(path), `${path} ${show(kinds)}`).toBe(false)
    const trained = new Set(paths(p, 'trained').map(withinNetwork))
    for (const r of p.residents) {
      if (r.path.startsWith('optimizer.exp_avg')) expect(trained.has(r.path.replace(/^optimizer\.exp_avg(?:_sq)?\./, ''))).toBe(true)
      if (r.role === 'average') expect(trained.has(withinNetwork(r.path)) || r.path.endsWith('weight_g'), r.path).toBe(true)
    }
    const after = (await run(p, 2)).values[0]
    for (const [path, v] of before) expectClose(after.get(path) ?? [], v, 1e-6, `${path} ${show(kinds)}`)
    const first = firstValues(p)
    const state = (await run(p, 2)).state
    for (const path of paths(p, 'fixed')) expect(state.get(path), path).toEqual(first.get(path))
  }), runs(12))
}, 240_000)

test('strategies are a monoid', () => {
  const text = (s: Strategy): string => { const o = right(s(plain())); return print(o.graph) + o.residents.map((r) => `${r.path} ${r.role}`).join('\n') }
  fc.assert(fc.property(pipelines, pipelines, pipelines, (a, b, c) => {
    const [f, g, h] = [a, b.filter((k) => k._tag === 'freeze'), c.filter((k) => k._tag === 'freeze')].map((ks) => all(ks.map(strategyOf)))
    if (E.isLeft(all([f, g, h])(plain()))) return
    const { concat } = strategyMonoid
    expect(text(concat(concat(f, g), h))).toBe(text(concat(f, concat(g, h))))
    expect(text(concat(f, none))).toBe(text(f))
    expect(text(concat(none, f))).toBe(text(f))
  }), runs(6))
}, 120_000)

test('remat and accumulation preserve the step of any pipeline', async () => {
  await fc.assert(fc.asyncProperty(pipelines, fc.boolean(), async (kinds, both) => {
    const o = all(kinds.map(strategyOf))(plain())
    if (E.isLeft(o)) return
    const s: StepStage = pipe(stage(), rewriteForward(() => o), derive)
    const apply = new Map([['hyper.apply', Float32Array.of(1)]])
    const [before, after] = [await run(right(s.program), 2), await run(right(pipe(both ? accumulate({ steps: 1 })(s) : s, rewriteStep(remat())).program), 2, {}, apply)]
    expect(after.values).toEqual(before.values)
    for (const [path, v] of before.state) expect(after.state.get(path), `${path} ${show(kinds)}`).toEqual(v)
  }), runs(6))
}, 240_000)
