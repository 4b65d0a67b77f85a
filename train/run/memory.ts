/** Whether a run can be in the memory of its machine, before anything of its size is made. */
import * as E from 'fp-ts/lib/Either.js'
import type { Either } from 'fp-ts/lib/Either.js'
import { memoryBytes } from '../../compiler/targets/machine.ts'
import type { Fault } from '../../core/fault.ts'
import { fault } from '../../core/fault.ts'
import { sizeOf } from '../../core/type.ts'
import { showBytes } from '../../data/formats/limits.ts'
import type { Assembled } from './assembly.ts'

/** Whether weights, moments and all else that stays can be in memory once, as it is when it is read and written. Fault: it cannot. */
export const fitting = ({ residents }: Assembled): Either<Fault, void> => {
  const sizes = residents.map(({ path, declaration }) => ({ path, bytes: 4 * sizeOf(declaration.shape) }))
  const needed = sizes.reduce((sum, s) => sum + s.bytes, 0)
  if (needed <= memoryBytes()) return E.right(undefined)
  const [largest] = [...sizes].sort((a, b) => b.bytes - a.bytes)
  return E.left(
    fault('config', {
      place: `the state of the run, most of all ${largest.path}`,
      found: `${showBytes(needed)} of weights, moments and averages`,
      allowed: `what the machine, or the limit of its control group, has: ${showBytes(memoryBytes())}`,
      remedy: 'make the model or its head smaller: model.width, model.depth, head.prototypes',
    }),
  )
}
