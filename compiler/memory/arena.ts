/** Temporaries in one buffer: a tensor takes the lowest free addresses. */
import { bytesOfTensor } from '../kernel/fused.ts'
import type { Allocator } from './memory.ts'

/** Addresses that are taken. */
interface Taken {
  readonly from: number
  readonly to: number
}

/** Bytes: the widest vectors, and a line of the cache. */
const align = 64

export const arena = (): Allocator => {
  /** In order of addresses. */
  const taken: Array<Taken> = []
  let top = 0
  return {
    take: (t) => {
      const size = Math.ceil(Math.max(bytesOfTensor(t), 1) / align) * align
      let [from, place] = [0, 0]
      for (; place < taken.length && taken[place].from - from < size; place++) from = taken[place].to
      taken.splice(place, 0, { from, to: from + size })
      top = Math.max(top, from + size)
      return from
    },
    give: (_, at) => {
      taken.splice(
        taken.findIndex((t) => t.from === at),
        1,
      )
    },
    temporaries: () => ({ _tag: 'Arena', bytes: top }),
  }
}
