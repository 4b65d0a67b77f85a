/** The official schedules, told apart by the names of their arguments. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import * as TE from 'fp-ts/lib/TaskEither.js'
import { pipe } from 'fp-ts/lib/function.js'
import * as t from 'io-ts'
import type { Fault } from '../../../core/fault.ts'
import { decodeAs } from '../../../data/formats/codec.ts'
import type { Schedule } from '../../../train/step/schedule.ts'
import { epochCosineSchedule, truncatedCosineSchedule, valuesOf, warmupDecaySchedule } from '../../../train/step/schedule.ts'
import type { Case } from '../case.ts'
import type { Kind } from '../kind.ts'

const epochs = t.intersection([
  t.type({ base_value: t.number, final_value: t.number, epochs: t.number, niter_per_ep: t.number }),
  t.partial({ warmup_epochs: t.number, start_warmup_value: t.number }),
])
const steps = t.intersection([
  t.type({ base_value: t.number, final_value: t.number, total_iters: t.number }),
  t.partial({ warmup_iters: t.number, start_warmup_value: t.number, freeze_iters: t.number, trunc_extra: t.number }),
])
const decay = t.intersection([
  t.type({ start: t.number, peak: t.number, end: t.number, warmup_iterations: t.number, total_iterations: t.number }),
  t.partial({ cosine_iterations: t.union([t.number, t.null]) }),
])

const scheduleOf = (place: string, o: unknown): Either<Fault, Schedule> => {
  if (epochs.is(o)) {
    return epochCosineSchedule(
      {
        base: o.base_value,
        final: o.final_value,
        epochs: o.epochs,
        stepsPerEpoch: o.niter_per_ep,
        warmupEpochs: o.warmup_epochs ?? 0,
        startWarmup: o.start_warmup_value ?? 0,
      },
      place,
    )
  }
  if (steps.is(o)) {
    return truncatedCosineSchedule(
      {
        base: o.base_value,
        final: o.final_value,
        total: o.total_iters,
        warmup: o.warmup_iters ?? 0,
        startWarmup: o.start_warmup_value ?? 0,
        freeze: o.freeze_iters ?? 0,
        truncExtra: o.trunc_extra ?? 0,
      },
      place,
    )
  }
  return pipe(
    decodeAs(decay, 'config', place, 'give the arguments of one of the official schedules')(o),
    E.chain((d) =>
      warmupDecaySchedule(
        {
          start: d.start,
          peak: d.peak,
          end: d.end,
          warmup: d.warmup_iterations,
          total: d.total_iterations,
          ...(typeof d.cosine_iterations === 'number' ? { cosineSteps: d.cosine_iterations } : {}),
        },
        place,
      ),
    ),
  )
}

/** As many values as are expected of that schedule. */
const lengthOf = (c: Case, name: string): number => c.expectations.find((e) => e.name === `out/${name}`)?.shape[0] ?? 0

export const kind: Kind = (c) =>
  TE.fromEither(
    pipe(
      Object.entries(c.config),
      E.traverseArray(([name, o]) =>
        pipe(
          scheduleOf(`${c.name}: ${name}`, o),
          E.map((s) => [`out/${name}`, valuesOf(lengthOf(c, name))(s)] as const),
        ),
      ),
      E.map((all) => new Map(all)),
    ),
  )
