/** A training step or a graph as a workload's preparation: official first values, normal pixels, constant hypers. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { pipe } from 'fp-ts/lib/function.js'
import type { HostArray } from '../../compiler/target.ts'
import type { Fault } from '../../core/fault.ts'
import { leavesOfGraph } from '../../core/graph.ts'
import { sizeOf, tensorType } from '../../core/type.ts'
import { firstValues } from '../../train/step/initialization.ts'
import type { Program } from '../../train/step/step.ts'
import type { Prepared } from './workload.ts'
import { normals } from './workload.ts'

export const hypers: Readonly<Record<string, number>> = { lr: 1e-4, wd: 0.04, momentum: 0.996, teacher_temp: 0.04 }

/** `given` are values of inputs that are no pixels. */
export const prepared = (
  program: Either<Fault, Pick<Program, 'graph' | 'residents'>>,
  given: ReadonlyMap<string, HostArray> = new Map(),
): Either<Fault, Prepared> =>
  pipe(
    program,
    E.map(({ graph, residents }) => {
      const values = leavesOfGraph(graph).flatMap((l): ReadonlyArray<readonly [string, HostArray]> =>
        l.source._tag === 'Input'
          ? [[l.path, given.get(l.path) ?? normals(l.path, sizeOf(l.type.shape))]]
          : l.source._tag === 'Hyper'
            ? [[l.path, Float32Array.of(hypers[l.path.replace(/^hyper\./, '')] ?? 0)]]
            : [],
      )
      return {
        graph,
        residents: function* () {
          for (const r of residents) yield [r.path, tensorType(r.declaration.dtype, r.declaration.shape), firstValues(0)(r)]
        },
        values: new Map(values),
      }
    }),
  )
