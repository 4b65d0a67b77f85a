/** What other programs are given of a workload: values as safetensors, and our own step as text. */
import { writeFile } from 'node:fs/promises'
import * as E from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import { floatTensor, intTensor } from '../../../data/formats/tensor.ts'
import type { HostTensor } from '../../../data/formats/tensor.ts'
import { writeSafetensors } from '../../../data/formats/safetensors.ts'
import { followGraph } from '../../../compiler/road.ts'
import type { HostArray } from '../../../compiler/target.ts'
import { moduleOf } from '../../../compiler/targets/pjrt/print.ts'
import { pjrtRoad } from '../../../compiler/targets/pjrt/road.ts'
import { isResident, leavesOfGraph } from '../../../core/graph.ts'
import { must } from '../session.ts'
import type { Prepared, Workload } from '../workload.ts'

const asTensor = (shape: ReadonlyArray<number>, data: HostArray): HostTensor =>
  data instanceof Int32Array ? intTensor(shape, data) : floatTensor(shape, Float32Array.from(data))

const preparedOf = (w: Workload): Promise<Prepared> => must(() => Promise.resolve(w.prepare()))

/** First values and what is fed at every step, without the optimizer's, which are zero. */
export const writeValues = async (w: Workload, path: string): Promise<void> => {
  const { graph, residents, values } = await preparedOf(w)
  const shapes = new Map(leavesOfGraph(graph).map((l) => [l.path, l.type.shape]))
  const tensors = new Map<string, HostTensor>([
    ...[...residents()].filter(([p]) => !p.startsWith('optimizer.')).map(([p, type, data]) => [p, asTensor(type.shape, data)] as const),
    ...[...values].map(([p, data]) => [p, asTensor(shapes.get(p) ?? [data.length], data)] as const),
  ])
  await must(writeSafetensors(path)({ tensors, metadata: { workload: w.name } }))
}

/** The step as `pjrt:cpu` compiles it, and what its arguments and results are, as text_jax.py reads them. */
export const writeText = async (w: Workload, text: string, leaves: string): Promise<void> => {
  const { graph } = await preparedOf(w)
  const module = await must(() =>
    Promise.resolve(
      pipe(
        graph,
        followGraph(pjrtRoad),
        E.chain((g) => moduleOf(g, { precision: 'highest', apart: true })),
      ),
    ),
  )
  const places = new Map(module.leaves.flatMap((l, i) => (isResident(l) ? [[l.path, i] as const] : [])))
  await writeFile(text, module.text)
  await writeFile(
    leaves,
    JSON.stringify({
      arguments: module.leaves.map((l) => ({ path: l.path, dtype: l.type.dtype, shape: l.type.shape })),
      results: module.outputs.map((o) => (o.role === 'state' ? (places.get(o.path) ?? null) : null)),
      loss: module.outputs.findIndex((o) => o.role === 'value' && o.path === 'loss'),
    }),
  )
}
