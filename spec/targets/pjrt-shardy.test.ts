/**
 * A distributed step against a partitioner that is not ours: the step as one process has it, with its arguments and states annotated as
 * split, is distributed by XLA's own (Shardy), and computes what our program of several devices computes.
 */
import { expect, test } from 'vitest'
import { stateSplit, partsOf } from '../../compiler/distribute/strategy.ts'
import type { Split } from '../../compiler/distribute/placement.ts'
import { followGraph } from '../../compiler/road.ts'
import { fed as given } from '../../compiler/targets/feed.ts'
import { readyPlugin } from '../../compiler/targets/pjrt/beside.ts'
import { openClient } from '../../compiler/targets/pjrt/client.ts'
import { operationsIn } from '../../compiler/targets/pjrt/hlo.ts'
import { moduleOf } from '../../compiler/targets/pjrt/print.ts'
import { pjrtRoad } from '../../compiler/targets/pjrt/road.ts'
import { spreadOver } from '../../compiler/targets/pjrt/spread.ts'
import { typeText } from '../../compiler/targets/pjrt/syntax.ts'
import { openPjrt } from '../../compiler/targets/pjrt/target.ts'
import { isFault, showFault } from '../../core/fault.ts'
import { isResident } from '../../core/graph.ts'
import type { TensorType } from '../../core/type.ts'
import { range } from '../../core/type.ts'
import { writeResidents } from '../../train/run/state.ts'
import { right } from '../data/either.ts'
import { firstValues } from '../strategies/networks.ts'
import { isOptional } from '../support/optional.ts'
import { expectClose } from '../support/tensor.ts'
import { clipped, fed, options } from './ranked.ts'

const plugin = readyPlugin('cpu')
if (isFault(plugin)) console.warn(`Shardy is not asked here: ${showFault(plugin)}`)

const devices = 2

/** Along an axis as a whole: what a part is of is for the partitioner to find out. */
const whole = (s: Split, { shape }: TensorType): Split => ({ ...s, blocks: [shape[s.axis]] })

const annotation = (type: TensorType, s: Split | undefined): string =>
  `sdy.sharding = #sdy.sharding<@mesh, [${type.shape.map((_, a) => (a === s?.axis ? '{"x"}' : '{}')).join(', ')}]>`

/** executable_build_options 3 { num_replicas 4, num_partitions 5, use_spmd_partitioning 6, use_shardy_partitioner 19 }. */
const partitioned = Uint8Array.from([26, 9, 32, 1, 40, devices, 48, 1, 152, 1, 1])

test.skipIf(isFault(plugin) && isOptional('pjrt:cpu'))(
  'a step of DINO is distributed as XLA distributes it',
  { timeout: 300_000 },
  async () => {
    if (isFault(plugin)) return expect.fail(showFault(plugin))
    const p = clipped()
    const first = firstValues(p)
    const batch = partsOf(p.graph, { strategy: 'fsdp', ranks: devices, images: options.images })
    // ours
    const ours = right(await openPjrt('cpu', { devices, strategy: 'fsdp', say: () => undefined })())
    right(await writeResidents(ours, p.residents)(first)())
    const program = right(await ours.compile(p.graph, { images: options.images })())
    const told = right(await program.run({ values: fed(0), seed: 1, step: 0 })())
    // theirs: the text of one process, with a mesh, and where each argument and state lies
    const client = openClient(plugin.path, { cpu_device_count: devices })
    const { text, leaves, outputs } = right(moduleOf(right(followGraph(pjrtRoad)(p.graph)), { precision: 'highest', apart: false }))
    const splits = leaves.map((l) => {
      const s = batch.get(l.path)
      return s === undefined ? undefined : whole(s, l.type)
    })
    const resultSplits = outputs.map((o) => (o.role === 'state' ? stateSplit(o.expr.type, devices) : undefined))
    const main = text.indexOf('@main(')
    const [before, body] = [text.slice(0, main), text.slice(text.indexOf('\n', main))]
    const signature = leaves.map((l, i) => `%arg${i}: ${typeText(l.type)} {${annotation(l.type, splits[i])}}`)
    const returned = outputs.map((o, i) => `${typeText(o.expr.type)} {${annotation(o.expr.type, resultSplits[i])}}`)
    const head = before
      .replace('{\n', `{\n  sdy.mesh @mesh = <["x"=${devices}]>\n`)
      .replace('num_partitions = 1', `num_partitions = ${devices}`)
    const annotated = `${head}@main(${signature.join(', ')}) -> (${returned.join(', ')}) {${body}`
    const loaded = await client.compile(annotated, partitioned)
    const spread = spreadOver(client, devices)
    const feed = { values: fed(0), seed: 1, step: 0 }
    const args = leaves.map((l, i) => {
      const data = isResident(l)
        ? first.get(l.path)
        : l.source._tag === 'Draw' || l.source._tag === 'Input' || l.source._tag === 'Hyper'
          ? right(given(l.type, l.source, feed))
          : undefined
      return spread.put(l.type, splits[i], data ?? expect.fail(`no value of ${l.path}`))
    })
    const ran = await loaded.run(range(devices).map((r) => args.map((buffers) => buffers[r])))
    const values = await spread.get(outputs.map((o, i) => ({ type: o.expr.type, split: resultSplits[i], buffers: ran.map((r) => r[i]) })))
    const { program: hlo, format } = loaded.optimized()
    expect([...operationsIn(hlo, format).keys()].some((name) => name.startsWith('all-'))).toBe(true)
    for (const [i, o] of outputs.entries()) {
      const own = o.role === 'state' ? right(await ours.read(o.path)()) : told.get(o.path)
      expectClose(own ?? [], values[i], 1e-5, o.path)
    }
    ours.close()
    loaded.free()
    client.close()
  },
)
