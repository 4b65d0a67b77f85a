/** Activation checkpointing: the same values to the bit, less memory, and as much of it as it takes. */
import * as E from 'fp-ts/lib/Either.js'
import { describe, expect, it } from 'vitest'
import { plannedBytes } from '../../compiler/road.ts'
import { fit } from '../../compiler/passes/fit.ts'
import type { RematOptions } from '../../compiler/passes/remat.ts'
import { blocksAsRegions, regionsOf, remat } from '../../compiler/passes/remat.ts'
import { simplify } from '../../compiler/passes/simplify.ts'
import type { Graph } from '../../core/graph.ts'
import { nodesOf } from '../../core/graph.ts'
import { verify } from '../../core/verify.ts'
import { lora } from '../../train/step/strategies/lora.ts'
import { noStrategy } from '../../train/step/strategies/strategy.ts'
import { left, right } from '../data/either.ts'
import type { SmallOptions } from './networks.ts'
import { cost, programOf, road, run } from './networks.ts'

const rewritten = (g: Graph, o: RematOptions = {}): Graph => right(verify(right(remat(o).run(g))))

describe('values', () => {
  it.each([
    ['full', noStrategy],
    ['lora with dropout', lora({ targets: ['qkv', 'fc1'], rank: 2, dropout: 0.2 })],
  ] as const)('are the same to the bit: %s', async (_, strategy) => {
    const o: SmallOptions = { dropPath: 0.3 }
    const p = programOf(strategy, o)
    const [before, after, pairs] = [
      await run(p, 3, o),
      await run({ ...p, graph: rewritten(p.graph) }, 3, o),
      await run({ ...p, graph: rewritten(p.graph, { regions: blocksAsRegions(2) }) }, 3, o),
    ]
    expect(after.values).toEqual(before.values)
    expect(after.state).toEqual(before.state)
    expect(pairs.state).toEqual(before.state)
  })
})

// planning takes its time
describe('memory', { timeout: 60_000 }, () => {
  const o: SmallOptions = { depth: 6, width: 32, images: 8, image: 16, locals: 2, whole: true }
  const p = programOf(noStrategy, o)
  const before = cost(p.graph)
  it('falls: of six blocks the activations of one are left, and their inputs', () => {
    const after = cost(rewritten(p.graph))
    // kept: 6 inputs of blocks; one block's activations and its gradients
    expect(after.temporaryBytes).toBeLessThan(before.temporaryBytes * 0.34)
    // the forward pass of student and teacher, and twice as much for gradients: the student's forward pass once more
    expect(after.flops / before.flops).toBeGreaterThan(1.15)
    expect(after.flops / before.flops).toBeLessThan(1.25)
  })
  it('falls less for regions of two blocks, and for some of the blocks', () => {
    const all = cost(rewritten(p.graph)).temporaryBytes
    expect(cost(rewritten(p.graph, { regions: blocksAsRegions(2) })).temporaryBytes).toBeGreaterThan(all)
    const half = cost(rewritten(p.graph, { chosen: (r) => /blocks\.[012]$/.test(r) })).temporaryBytes
    expect(half).toBeGreaterThan(all)
    expect(half).toBeLessThan(before.temporaryBytes * 0.7)
  })
  const q = programOf(noStrategy, { depth: 4, width: 16, images: 4, image: 16 })
  it('fits into what it is asked to fit into, by recomputing no more than that takes', () => {
    const planned = plannedBytes(road)
    const whole = right(planned(q.graph))
    expect(right(fit({ bytes: whole, planned }).run(q.graph))).toBe(q.graph)
    const bytes = Math.floor(whole * 0.75)
    const g = right(fit({ bytes, planned }).run(q.graph))
    expect(right(planned(g))).toBeLessThanOrEqual(bytes)
    const regions = new Set(nodesOf(g).flatMap((e) => (e._tag === 'Apply' && e.region._tag === 'Some' ? [e.region.value] : [])))
    expect(regions.size).toBeGreaterThan(0)
    expect(regions.size).toBeLessThan(5)
    expect([...regions].every((r) => r.includes('.global.'))).toBe(true)
  })
  it('says what the least is where nothing fits', () => {
    const f = left(fit({ bytes: 1024, planned: plannedBytes(road) }).run(q.graph))
    expect(f.allowed).toMatch(/^at least \d+\.\d\d MiB/)
    expect(f.remedy).toContain('accumulate')
  })
})

describe('regions', () => {
  const p = programOf(noStrategy)
  it('are the blocks of the student by group of crops', () => {
    expect(right(regionsOf(blocksAsRegions())(p.graph)).map((r) => r.name)).toEqual(
      ['global', 'local'].flatMap((g) => [0, 1, 2].map((i) => `student.${g}.backbone.blocks.${i}`)),
    )
    expect([blocksAsRegions()('a.blocks.1.7.attn'), blocksAsRegions(3)('a.blocks.4'), blocksAsRegions()('a.norm')]).toEqual([
      'a.blocks.1.7',
      'a.blocks.1x3',
      '',
    ])
  })
  it('survive simplification', () => {
    const g = rewritten(p.graph)
    const again = (x: Graph): number => nodesOf(x).filter((e) => e._tag === 'Apply' && e.region._tag === 'Some').length
    expect(again(right(simplify.run(g)))).toBeGreaterThan(again(g) * 0.6)
  })
  it('are asked for once, and by names that are there', () => {
    expect(left(remat().run(rewritten(p.graph))).remedy).toContain('one rewrite')
    expect(left(remat({ chosen: (r) => r === 'blocks.9' }).run(p.graph)).allowed).toContain('student.global.backbone.blocks.0')
    expect(E.isLeft(remat().run({ name: 'none', outputs: [] }))).toBe(true)
  })
})
