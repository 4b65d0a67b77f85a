/** One rank of spec/targets/ranks.test.ts: random graphs, and a step of DINO with sums of squares of its gradients clipped. */
import { createHash } from 'node:crypto'
import { openRanked } from '../../compiler/targets/native/ranks/device.ts'
import { launchedBy } from '../../compiler/targets/native/ranks/launcher.ts'
import { joinRanks } from '../../compiler/targets/native/ranks/ranks.ts'
import { distributionNames } from '../../compiler/distribute/strategy.ts'
import { isResident, leavesOfGraph } from '../../core/graph.ts'
import { writeResidents } from '../../train/run/state.ts'
import { right } from '../data/either.ts'
import { seed } from '../support/arbitrary.ts'
import { generators, listsOf } from '../support/generators.ts'
import { valuesOf } from '../support/values.ts'
import { expectClose } from '../support/tensor.ts'
import { evaluate } from '../../compiler/targets/reference.ts'
import { roots } from '../../core/graph.ts'
import { clipped, fed, options, recipesOfRanks, steps } from './ranked.ts'
import { assembledBy, stepped } from '../strategies/assembled.ts'
import { firstValues } from '../strategies/networks.ts'

const launched = launchedBy(process.env)
if (launched === undefined) throw new Error('to be started by mpirun')
const ranks = right(await joinRanks(launched, 30)())
const told: Record<string, unknown> = { ranks: ranks.ranks }

for (const strategy of distributionNames) {
  // graphs of every primitive, of which whatever two ranks can share is shared
  const graphs = generators.flatMap((g) => listsOf(g, seed, g.name === 'networks' ? 1 : 3).map((list) => g.make(list, { half: true })))
  let checked = 0
  // what ddp splits fsdp splits too
  for (const r of strategy === 'fsdp' ? graphs : []) {
    const device = right(await openRanked({ ranks, strategy, threads: 1, least: 1 })())
    const values = valuesOf(r)
    const expected = evaluate(roots(r.graph), values)
    for (const l of leavesOfGraph(r.graph).filter(isResident))
      right(await device.write(l.path, l.type, values.get(l.path) ?? new Float32Array())())
    const program = right(await device.compile(r.graph, { images: 2 })())
    const got = right(await program.run({ values })())
    for (const [i, o] of r.graph.outputs.entries()) {
      const result = o.role === 'value' ? got.get(o.path) : right(await device.read(o.path)())
      expectClose(result ?? [], expected[i], 1e-2, `${o.path} by ${strategy}`)
      checked++
    }
    device.close()
  }
  // the same step twice over
  const digests: Array<string> = []
  for (let turn = 0; turn < 2; turn++) {
    const device = right(await openRanked({ ranks, strategy, threads: 1 })())
    const p = clipped()
    right(await writeResidents(device, p.residents)(firstValues(p))())
    const program = right(await device.compile(p.graph, { images: options.images })())
    const losses: Array<number> = []
    for (let step = 0; step < steps; step++)
      losses.push(right(await program.run({ values: fed(step), seed: 1, step })()).get('loss')?.[0] ?? NaN)
    const hash = createHash('sha256')
    const state: Record<string, number> = {}
    for (const r of p.residents) {
      const data = Float32Array.from(right(await device.read(r.path)()))
      hash.update(new Uint8Array(data.buffer))
      state[r.path] = data.reduce((n, x) => n + Math.abs(x), 0)
    }
    digests.push(hash.digest('hex'))
    told[strategy] = { losses, digests, state, checked }
    device.close()
  }
}
// 20 steps of recipes, by either strategy
const recipes: Record<string, Record<string, string>> = {}
for (const [name, config] of Object.entries(recipesOfRanks)) {
  const a = assembledBy(config)
  const by: Record<string, string> = {}
  for (const strategy of distributionNames) {
    const device = right(await openRanked({ ranks, strategy, threads: 1 })())
    const { losses, state } = await stepped(device, a, steps)
    const hash = createHash('sha256').update(JSON.stringify(losses))
    for (const data of state.values()) hash.update(new Uint8Array(Float32Array.from(data).buffer))
    by[strategy] = hash.digest('hex')
    by[`${strategy} losses`] = losses.join(' ')
    device.close()
  }
  recipes[name] = by
}
told['recipes'] = recipes
// every rank has the same state, to the bit
const mine = new TextEncoder().encode(JSON.stringify(told))
const size = new Uint8Array(await ranks.gather(new Uint8Array(Int32Array.of(mine.length).buffer)))
const all = await ranks.gather(mine)
const alike =
  new Set(Array.from(new Int32Array(size.buffer))).size === 1 &&
  Buffer.compare(all.subarray(0, mine.length), all.subarray(mine.length)) === 0
if (ranks.rank === 0) console.log(JSON.stringify({ ...told, alike }))
ranks.leave()
process.exit(0)
