/** Temporaries as buffers of one type each: a tensor takes a free one of its type and length, or a new one. */
import { sizeOf } from '../../core/type.ts'
import type { Allocator } from './memory.ts'
import type { Slot } from './plan.ts'

export const slots = (): Allocator => {
  const made: Array<Slot> = []
  const free = new Map<string, Array<number>>()
  const kindOf = ({ dtype, length }: Slot): string => `${dtype} ${length}`
  return {
    take: ({ type: { dtype, shape } }) => {
      const slot = { dtype, length: sizeOf(shape) }
      return free.get(kindOf(slot))?.shift() ?? made.push(slot) - 1
    },
    give: (_, at) => {
      const kind = kindOf(made[at])
      const others = free.get(kind)
      if (others === undefined) free.set(kind, [at])
      else others.push(at)
    },
    temporaries: () => ({ _tag: 'Slots', slots: made }),
  }
}
