/** The recipes: what they are sums of, what they keep, and which hypers they read. */
import { concatAll } from 'fp-ts/lib/Monoid.js'
import { describe, expect, it } from 'vitest'
import { value } from '../../core/graph.ts'
import { leavesOfGraph } from '../../core/graph.ts'
import { input } from '../../core/leaves.ts'
import { dino } from '../../losses/dino.ts'
import type { GramFeatures } from '../../losses/features.ts'
import { gram } from '../../losses/gram.ts'
import { ibot } from '../../losses/ibot.ts'
import { koleo } from '../../losses/koleo.ts'
import type { Loss } from '../../losses/loss.ts'
import { lossMonoid, scheduled, total, weighted } from '../../losses/loss.ts'
import type { Dinov2Features } from '../../losses/sums.ts'
import { dinov2, dinov3, dinov3Anchored } from '../../losses/sums.ts'
import { sinkhorn } from '../../losses/sinkhorn.ts'
import { outcomeOf } from './support.ts'

const [images, k, m, width] = [3, 5, 6, 4]

const features: Dinov2Features & GramFeatures = {
  images,
  student: {
    global: { logits: input('sg', [2 * images, k]), cls: input('sc', [2 * images, width]), patches: input('sp', [2 * images, 9, width]) },
    local: { logits: input('sl', [4 * images, k]), cls: input('slc', [4 * images, width]) },
    masked: { logits: input('sm', [8, m]), weights: input('w', [8]), mask: input('mask', [2 * images, 9]) },
  },
  teacher: {
    global: { logits: input('tg', [2 * images, k]), cls: input('tc', [2 * images, width]) },
    masked: { logits: input('tm', [8, m]) },
    gram: { patches: input('tp', [2 * images, 9, width]) },
  },
}

const parts = (l: Loss<Dinov2Features & GramFeatures>): ReadonlyArray<readonly [string, number]> =>
  outcomeOf(l, features).terms.map((t) => [t.name, t.scale])

const hypers = (l: Loss<Dinov2Features & GramFeatures>): ReadonlyArray<string> =>
  leavesOfGraph({ name: 'loss', outputs: [value('loss', total(outcomeOf(l, features)))] })
    .filter((x) => x.source._tag === 'Hyper')
    .map((x) => x.path)
    .sort()

describe('DINOv2', () => {
  it('is DINO, iBOT and a little KoLeo', () => {
    expect(parts(dinov2({ prototypes: k, patchPrototypes: m }))).toEqual([
      ['dino.global', 2 / 10],
      ['dino.local', 8 / 10],
      ['ibot', 1],
      ['koleo', 0.1],
    ])
    expect(parts(dinov2({ prototypes: k, patchPrototypes: m, weights: { dino: 2, ibot: 0, koleo: 0.3 } }))).toEqual([
      ['dino.global', 4 / 10],
      ['dino.local', 16 / 10],
      ['ibot', 0],
      ['koleo', 0.3],
    ])
  })
  it('keeps two centres, or nothing with Sinkhorn', () => {
    expect([...dinov2({ prototypes: k, patchPrototypes: m }).state].map(([path, d]) => [path, d.shape])).toEqual([
      ['dino.center', [1, k]],
      ['ibot.center', [1, m]],
    ])
    expect([...dinov2({ prototypes: k }).state].map(([, d]) => d.shape)).toEqual([
      [1, k],
      [1, k],
    ])
    expect(dinov2({ prototypes: k, centring: 'sinkhorn' }).state.size).toBe(0)
  })
  it('is the very sum that a user would write', () => {
    const written = concatAll(lossMonoid<Dinov2Features>())([
      dino({ prototypes: k, split: true, centring: sinkhorn() }),
      ibot({ prototypes: m, centring: sinkhorn() }),
      weighted(0.1)(koleo()),
    ])
    expect(total(outcomeOf(dinov2({ prototypes: k, patchPrototypes: m, centring: 'sinkhorn' }), features))).toBe(
      total(outcomeOf(written, features)),
    )
  })
})

describe('DINOv3', () => {
  it('keeps nothing, and reads the schedules that it is asked to', () => {
    const o = { prototypes: k, patchPrototypes: m }
    expect(dinov3(o).state.size).toBe(0)
    expect(hypers(dinov3(o))).toEqual(['hyper.teacher_temp'])
    expect(hypers(dinov3({ ...o, reweightLocal: true }))).toEqual(['hyper.local_weight', 'hyper.teacher_temp'])
    expect(hypers(dinov3Anchored(o))).toEqual(['hyper.gram_weight', 'hyper.teacher_temp'])
  })
  it('is anchored by one more term', () => {
    const o = { prototypes: k, patchPrototypes: m }
    const written = lossMonoid<Dinov2Features & GramFeatures>().concat(
      dinov3(o),
      scheduled('gram_weight')(gram({ level: 'batch', tokens: 'all' })),
    )
    expect(total(outcomeOf(dinov3Anchored({ ...o, gram: { level: 'batch' } }), features))).toBe(total(outcomeOf(written, features)))
  })
})
